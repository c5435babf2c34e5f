//! The receiving half of a connection.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind};
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use brigade_codec::{LIMIT, decode_parcel_parts};
use brigade_sys::socket::{Interest, Received, ready, recv};
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Sleep, Waitable};
use serde::de::DeserializeOwned;

use crate::error::{RecvError, RecvTimeoutError, TryRecvError};
use crate::frame::Malformed;
use crate::inbox::{Frame, Greeting, Inbox};
use crate::sender::Stream;

/// The half of a [`Connection`](crate::Connection) that receives messages of type `R`.
///
/// It can be moved to another thread, and is used by one at a time.
#[derive(Debug)]
pub struct Receiver<R> {
    stream: Arc<Stream>,
    inbox: RefCell<Inbox>,
    ended: Cell<Option<Ended>>,
    messages: PhantomData<fn() -> R>,
}

/// Why nothing more will come. Said again to everyone who asks.
#[derive(Clone, Copy, Debug)]
enum Ended {
    Orderly,
    Truncated,
    Malformed(Malformed),
    Failed { code: i32 },
}

impl Ended {
    fn error(self) -> RecvError {
        match self {
            Self::Orderly => RecvError::EndOfStream,
            Self::Truncated => RecvError::Truncated,
            Self::Malformed(Malformed::TooLarge { len, limit }) => {
                RecvError::TooLarge { len, limit }
            }
            Self::Malformed(malformed) => RecvError::Corrupt { reason: malformed.reason() },
            Self::Failed { code } => {
                let source = io::Error::from_raw_os_error(code);
                RecvError::System(brigade_sys::Error::new("receive from", "socket", source))
            }
        }
    }
}

impl<R> Receiver<R> {
    pub(crate) fn new(stream: Arc<Stream>, greeting: Greeting) -> Self {
        let inbox = RefCell::new(Inbox::new(greeting, LIMIT));
        Self { stream, inbox, ended: Cell::new(None), messages: PhantomData }
    }

    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.inbox.get_mut().set_limit(limit);
    }

    pub(crate) fn limit(&self) -> usize {
        self.inbox.borrow().limit()
    }

    /// The greeting that is still to come, unless something has arrived and was not received.
    pub(crate) fn at_rest(&self) -> Option<Greeting> {
        let inbox = self.inbox.borrow();
        (inbox.is_empty() && self.ended.get().is_none()).then(|| inbox.greeting())
    }

    /// Waits at most `timeout` for a message or the end of the stream, and says whether one is
    /// there. It takes nothing: asked again, the answer is the same.
    pub fn poll(&self, timeout: Duration) -> bool {
        self.poll_until(Deadline::after(timeout), || Interest::Readable)
    }

    pub(crate) fn poll_until(&self, deadline: Deadline, push: impl Fn() -> Interest) -> bool {
        loop {
            if self.is_ready() {
                return true;
            }
            match ready(self.socket(), push(), deadline) {
                Ok(true) => {}
                Ok(false) => return self.is_ready(),
                // The call that receives says what is wrong.
                Err(_) => return true,
            }
        }
    }

    /// Waits until `deadline` for a frame; `push` moves what is leaving meanwhile.
    pub(crate) fn recv_frame(
        &self,
        deadline: Deadline,
        push: impl Fn() -> Interest,
    ) -> Result<Option<Frame>, RecvError> {
        loop {
            self.fill();
            let frame = self.inbox.borrow_mut().take();
            match frame {
                Ok(Some(frame)) => return Ok(Some(frame)),
                Ok(None) => {}
                Err(malformed) => self.end(Ended::Malformed(malformed)),
            }
            if let Some(ended) = self.ended.get() {
                return Err(ended.error());
            }
            if !ready(self.socket(), push(), deadline)? {
                return Ok(None);
            }
        }
    }

    /// Gives back the buffer of a frame that has been decoded.
    pub(crate) fn recycle(&self, frame: Frame) {
        self.inbox.borrow_mut().recycle(frame.into_buffer());
    }

    /// Reads what is there, up to the end of the first whole frame.
    fn fill(&self) {
        let mut inbox = self.inbox.borrow_mut();
        while self.ended.get().is_none() && inbox.has_frame().is_ok_and(|has_frame| !has_frame) {
            let mut descriptors = Vec::new();
            match recv(self.socket(), inbox.room(), &mut descriptors) {
                Ok(Received::Nothing) => return,
                Ok(Received::Bytes(len)) => {
                    if let Err(malformed) = inbox.arrived(len, descriptors) {
                        self.end(Ended::Malformed(malformed));
                    }
                }
                Ok(Received::End) => self.end_between(&inbox),
                // The other end has closed without reading all that was sent to it.
                Err(error) if error.source.kind() == ErrorKind::ConnectionReset => {
                    self.end_between(&inbox);
                }
                Err(error) => {
                    let code = error.source.raw_os_error().unwrap_or_default();
                    self.end(Ended::Failed { code });
                }
            }
        }
    }

    fn end_between(&self, inbox: &Inbox) {
        self.end(if inbox.is_empty() { Ended::Orderly } else { Ended::Truncated });
    }

    fn end(&self, ended: Ended) {
        self.ended.set(Some(ended));
    }

    fn socket(&self) -> BorrowedFd<'_> {
        self.stream.socket.as_fd()
    }
}

impl<R: DeserializeOwned> Receiver<R> {
    /// Receives the next message, and waits for it.
    ///
    /// # Process death
    ///
    /// If the process at the other end dies, the messages that it sent whole are received first,
    /// then comes [`RecvError::EndOfStream`] or [`RecvError::Truncated`].
    ///
    /// # Errors
    ///
    /// [`RecvError`]. After [`RecvError::Decode`] the next message can be received; every other
    /// one is the last word.
    pub fn recv(&self) -> Result<R, RecvError> {
        self.recv_until(Deadline::NEVER, || Interest::Readable)?.ok_or(RecvError::EndOfStream)
    }

    /// Receives the next message if it is there, whole.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`]; with [`Empty`](TryRecvError::Empty) nothing is lost.
    pub fn try_recv(&self) -> Result<R, TryRecvError> {
        let now = Deadline::after(Duration::ZERO);
        self.recv_until(now, || Interest::Readable)?.ok_or(TryRecvError::Empty)
    }

    /// Receives the next message, and waits at most `timeout` until it is there, whole.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`]; with [`TimedOut`](RecvTimeoutError::TimedOut) nothing is lost.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<R, RecvTimeoutError> {
        let deadline = Deadline::after(timeout);
        self.recv_until(deadline, || Interest::Readable)?.ok_or(RecvTimeoutError::TimedOut)
    }

    pub(crate) fn recv_until(
        &self,
        deadline: Deadline,
        push: impl Fn() -> Interest,
    ) -> Result<Option<R>, RecvError> {
        let Some(mut frame) = self.recv_frame(deadline, push)? else { return Ok(None) };
        let descriptors = std::mem::take(&mut frame.descriptors);
        let message = decode_parcel_parts(frame.bytes(), descriptors);
        self.recycle(frame);
        Ok(Some(message?))
    }
}

impl<R> AsFd for Receiver<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket()
    }
}

impl<R> Waitable for Receiver<R> {
    /// Whether a whole message, the end of the stream or an error is there.
    ///
    /// What has arrived is moved out of the kernel, so that a part of a message does not wake a
    /// sleeper again and again.
    fn is_ready(&self) -> bool {
        self.fill();
        self.ended.get().is_some() || self.inbox.borrow().has_frame().unwrap_or(true)
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        sleep.descriptor(self.socket());
    }
}
