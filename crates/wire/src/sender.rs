//! The sending half of a connection.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use brigade_codec::{EncodeError, LIMIT, encode_parcel_into};
use brigade_sys::socket::{Family, Interest, finish_sending, ready};
use brigade_sys::time::Deadline;
use serde::Serialize;

use crate::error::{SendError, SendTimeoutError, TrySendError};
use crate::frame::{HEADER, Header};
use crate::inbox::Greeting;
use crate::outbox::{Outbox, Progress};

/// A socket that both halves of a connection use.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) socket: OwnedFd,
    pub(crate) family: Family,
}

/// The half of a [`Connection`](crate::Connection) that sends messages of type `S`.
///
/// Dropped while the other half lives, it ends the stream: the receiver at the other end gets what
/// was sent and then the end. It can be moved to another thread, and is used by one at a time.
#[derive(Debug)]
pub struct Sender<S: ?Sized> {
    stream: Arc<Stream>,
    outbox: RefCell<Outbox>,
    limit: usize,
    messages: PhantomData<fn(&S)>,
}

impl<S: ?Sized> Sender<S> {
    pub(crate) fn new(stream: Arc<Stream>, greeting: Greeting) -> Self {
        let outbox = RefCell::new(Outbox::new(greeting));
        Self { stream, outbox, limit: LIMIT, messages: PhantomData }
    }

    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// The greeting that is still to be sent, unless a message is under way.
    pub(crate) fn at_rest(&self) -> Option<Greeting> {
        let outbox = self.outbox.borrow();
        outbox.is_empty().then(|| outbox.greeting())
    }

    /// Sends what the socket takes now of a message under way, and says what is to be waited for.
    pub(crate) fn push(&self) -> Interest {
        let mut outbox = self.outbox.borrow_mut();
        // An error of the socket shows itself to whoever sends or receives next.
        match outbox.is_empty() || outbox.flush(self.stream.socket.as_fd()).unwrap_or(true) {
            true => Interest::Readable,
            false => Interest::Both,
        }
    }

    /// Sends all of a message under way before `timeout` has passed, and says whether it has left.
    ///
    /// Only a message that ended as [`Unfinished`](SendTimeoutError::Unfinished) leaves anything
    /// to do.
    ///
    /// # Errors
    ///
    /// [`SendError`] if the other end has closed.
    pub fn flush_timeout(&self, timeout: Duration) -> Result<bool, SendError> {
        let deadline = Deadline::after(timeout);
        loop {
            if self.outbox.borrow_mut().flush(self.socket()).map_err(explain)? {
                return Ok(true);
            }
            if !ready(self.socket(), Interest::Writable, deadline)? {
                return Ok(false);
            }
        }
    }

    /// Sends a frame before `deadline`; an answer other than `Done` says how far it came.
    pub(crate) fn send_frame(
        &self,
        mut frame: Vec<u8>,
        descriptors: &[OwnedFd],
        deadline: Deadline,
    ) -> Result<Progress, SendError> {
        self.seal(&mut frame, descriptors.len())?;
        let mut progress = Progress::NotBegun;
        loop {
            let mut outbox = self.outbox.borrow_mut();
            match progress {
                Progress::NotBegun => {
                    progress =
                        outbox.begin(self.socket(), &mut frame, descriptors).map_err(explain)?;
                }
                Progress::Begun if outbox.flush(self.socket()).map_err(explain)? => {
                    progress = Progress::Done;
                }
                Progress::Begun | Progress::Done => {}
            }
            drop(outbox);
            if progress == Progress::Done || !ready(self.socket(), Interest::Writable, deadline)? {
                return Ok(progress);
            }
        }
    }

    /// Writes the header into the space that was left for it.
    fn seal(&self, frame: &mut [u8], descriptors: usize) -> Result<(), SendError> {
        let len = frame.len() - HEADER;
        if descriptors > 0 && self.stream.family == Family::Tcp {
            return Err(SendError::DescriptorsOverTcp);
        }
        let header = Header { len, descriptors }.encode().filter(|_| len <= self.limit);
        let header = header.ok_or(SendError::TooLarge { len, limit: self.limit })?;
        frame[..HEADER].copy_from_slice(&header);
        Ok(())
    }

    fn socket(&self) -> BorrowedFd<'_> {
        self.stream.socket.as_fd()
    }
}

impl<S: Serialize + ?Sized> Sender<S> {
    /// Sends `message`, and waits while there is no room.
    ///
    /// # Process death
    ///
    /// If the process at the other end dies, a sender that waits for room gets
    /// [`SendError::Disconnected`]. A message that was sent before may not have been received.
    ///
    /// # Errors
    ///
    /// [`SendError`]; nothing of the message has been sent, or the connection is of no more use.
    ///
    /// # Deadlock
    ///
    /// Two processes that send each other messages too large for the kernel's buffers, and neither
    /// receives, wait for ever. Use [`send_timeout`](Self::send_timeout) where that can happen.
    pub fn send(&self, message: &S) -> Result<(), SendError> {
        let (frame, descriptors) = self.encode(message)?;
        self.send_frame(frame, &descriptors, Deadline::NEVER).map(drop)
    }

    /// Sends `message` if there is room for it now.
    ///
    /// # Errors
    ///
    /// [`TrySendError`]; see there for a message that finds room in part.
    pub fn try_send(&self, message: &S) -> Result<(), TrySendError> {
        let (frame, descriptors) = self.encode(message)?;
        match self.send_frame(frame, &descriptors, Deadline::after(Duration::ZERO))? {
            Progress::Done => Ok(()),
            Progress::Begun => Err(TrySendError::Unfinished),
            Progress::NotBegun => Err(TrySendError::Full),
        }
    }

    /// Sends `message`, and waits at most `timeout` for room.
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError`]; see there for a message that found room in part.
    pub fn send_timeout(&self, message: &S, timeout: Duration) -> Result<(), SendTimeoutError> {
        let deadline = Deadline::after(timeout);
        let (frame, descriptors) = self.encode(message)?;
        match self.send_frame(frame, &descriptors, deadline)? {
            Progress::Done => Ok(()),
            Progress::Begun => Err(SendTimeoutError::Unfinished),
            Progress::NotBegun => Err(SendTimeoutError::TimedOut),
        }
    }

    fn encode(&self, message: &S) -> Result<(Vec<u8>, Vec<OwnedFd>), SendError> {
        let mut frame = vec![0; HEADER];
        let descriptors = encode_parcel_into(message, &mut frame)?;
        Ok((frame, descriptors))
    }
}

/// Says that the other end has gone where that is what the system's error means.
fn explain(error: brigade_sys::Error) -> SendError {
    match error.source.kind() {
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::NotConnected => {
            SendError::Disconnected
        }
        _ => SendError::System(error),
    }
}

impl From<EncodeError> for TrySendError {
    fn from(error: EncodeError) -> Self {
        Self::Send(error.into())
    }
}

impl From<EncodeError> for SendTimeoutError {
    fn from(error: EncodeError) -> Self {
        Self::Send(error.into())
    }
}

impl<S: ?Sized> AsFd for Sender<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket()
    }
}

impl<S: ?Sized> Drop for Sender<S> {
    fn drop(&mut self) {
        // The socket closes with the last half. While the receiving half still needs it, the end
        // of the stream must be said. A whole connection drops its receiving half first: it must
        // not end a stream that another process may share.
        if Arc::strong_count(&self.stream) > 1 {
            let _ = finish_sending(self.socket());
        }
    }
}
