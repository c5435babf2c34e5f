//! What all roles have in common.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use ::zmq::{DONTWAIT, Error as ZmqError, POLLIN, POLLOUT, PollEvents, SNDMORE};
use brigade_codec::{decode, encode};
use brigade_sys::Error;
use brigade_sys::descriptor::duplicate;
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Sleep, Waitable};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::context::{Shared, current};
use super::error::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
use super::options::Options;
use super::pattern::Pattern;

/// How many parts of a message are looked at: its route, and its body.
const PARTS: usize = 16;

/// How long a sender naps whose peer is full while other peers have room: the library gives no
/// notice of a single peer.
const NAP_MS: i64 = 1;

/// A ZeroMQ socket in the role `P`. See the aliases in this module: [`Push`](super::Push) and so
/// on.
pub struct Socket<P: Pattern> {
    /// There until the socket is dropped; in a forked child not dropped at all.
    held: Option<Held>,
    /// Becomes readable when the socket's events may have changed: only then, so the events must
    /// be looked at before each sleep.
    notice: OwnedFd,
    pid: u32,
    role: PhantomData<P>,
}

/// The library's socket, and what keeps the library running; dropped in this order.
struct Held {
    socket: ::zmq::Socket,
    _shared: Arc<Shared>,
}

impl<P: Pattern> Socket<P> {
    /// Makes a socket with the default [`Options`].
    ///
    /// # Errors
    ///
    /// [`Error`] if the process may not open more descriptors or threads.
    pub fn new() -> Result<Self, Error> {
        Self::with_options(&Options::default())
    }

    /// Makes a socket.
    ///
    /// # Errors
    ///
    /// [`Error`] if the process may not open more descriptors or threads, or an option is not
    /// possible.
    pub fn with_options(options: &Options) -> Result<Self, Error> {
        let pid = std::process::id();
        let shared = current(pid);
        let make = || {
            let socket = shared.context.socket(P::KIND)?;
            options.apply(&socket)?;
            P::prepare(&socket)?;
            let notice = socket.get_fd()?;
            Ok((socket, notice))
        };
        let (socket, notice) = make().map_err(|error| explain("make", P::NAME, error))?;
        Ok(Self {
            notice: duplicate(notice)?,
            held: Some(Held { socket, _shared: shared }),
            pid,
            role: PhantomData,
        })
    }

    /// Takes messages from whoever connects to `endpoint`, and returns the endpoint as it really
    /// is: `tcp://127.0.0.1:*` lets the system choose a port.
    ///
    /// # Errors
    ///
    /// [`Error`] if the endpoint is malformed, in use, or not allowed.
    pub fn bind(&self, endpoint: &str) -> Result<String, Error> {
        self.own("bind", endpoint)?;
        let bound = self.raw().bind(endpoint).and_then(|()| self.raw().get_last_endpoint());
        match bound.map_err(|error| explain("bind", endpoint, error))? {
            Ok(bound) => Ok(bound),
            Err(_) => Ok(endpoint.to_owned()),
        }
    }

    /// Connects to `endpoint`, now or as soon as somebody is there.
    ///
    /// # Errors
    ///
    /// [`Error`] if the endpoint is malformed.
    pub fn connect(&self, endpoint: &str) -> Result<(), Error> {
        self.own("connect to", endpoint)?;
        self.raw().connect(endpoint).map_err(|error| explain("connect to", endpoint, error))
    }

    pub(crate) fn raw(&self) -> &::zmq::Socket {
        &self.held.as_ref().expect("the socket is held until it is dropped").socket
    }

    fn is_own(&self) -> bool {
        self.pid == std::process::id()
    }

    pub(crate) fn own(&self, operation: &'static str, object: &str) -> Result<(), Error> {
        if self.is_own() {
            return Ok(());
        }
        let error = io::Error::other("the socket belongs to the parent process");
        Err(Error::new(operation, object, error))
    }

    /// Sends `message` after the parts of `route`, before `deadline`; false says that the deadline
    /// passed.
    pub(crate) fn send_until<T: Serialize + ?Sized>(
        &self,
        route: &[impl AsRef<[u8]>],
        message: &T,
        deadline: Deadline,
    ) -> Result<bool, SendError> {
        let body = encode(message)?;
        self.send_parts(route, &body, deadline)
    }

    pub(crate) fn send_parts(
        &self,
        route: &[impl AsRef<[u8]>],
        body: &[u8],
        deadline: Deadline,
    ) -> Result<bool, SendError> {
        if !self.is_own() {
            return Err(SendError::Forked);
        }
        loop {
            match self.try_send_parts(route, body) {
                Ok(()) => return Ok(true),
                Err(ZmqError::EAGAIN) if deadline.is_past() => return Ok(false),
                Err(ZmqError::EAGAIN) => self.await_room(deadline)?,
                Err(ZmqError::EINTR) => {}
                Err(ZmqError::EFSM) => return Err(SendError::OutOfTurn),
                Err(ZmqError::EHOSTUNREACH) => return Err(SendError::Unreachable),
                Err(error) => return Err(explain("send to", P::NAME, error).into()),
            }
        }
    }

    /// Only the first part can be refused for want of room: the rest goes where that went.
    fn try_send_parts(&self, route: &[impl AsRef<[u8]>], body: &[u8]) -> ::zmq::Result<()> {
        for part in route {
            self.raw().send(part.as_ref(), DONTWAIT | SNDMORE)?;
        }
        self.raw().send(body, DONTWAIT)
    }

    fn await_room(&self, deadline: Deadline) -> Result<(), Error> {
        let ready = self.raw().get_events();
        let (events, timeout) = match ready {
            Ok(events) if events.contains(POLLOUT) => (PollEvents::empty(), NAP_MS),
            _ => (POLLOUT, i64::from(deadline.to_poll_timeout())),
        };
        self.poll(events, timeout)
    }

    fn poll(&self, events: PollEvents, timeout: i64) -> Result<(), Error> {
        match self.raw().poll(events, timeout) {
            Ok(_) | Err(ZmqError::EINTR) => Ok(()),
            Err(error) => Err(explain("wait for", P::NAME, error)),
        }
    }

    /// Receives the parts of a message before `deadline`.
    pub(crate) fn recv_parts(&self, deadline: Deadline) -> Result<Option<Vec<Vec<u8>>>, RecvError> {
        if !self.is_own() {
            return Err(RecvError::Forked);
        }
        loop {
            match self.raw().recv_bytes(DONTWAIT) {
                Ok(first) => return self.recv_rest(first).map(Some),
                Err(ZmqError::EAGAIN) if deadline.is_past() => return Ok(None),
                Err(ZmqError::EAGAIN) => {
                    self.poll(POLLIN, i64::from(deadline.to_poll_timeout()))?;
                }
                Err(ZmqError::EINTR) => {}
                Err(ZmqError::EFSM) => return Err(RecvError::OutOfTurn),
                Err(error) => return Err(explain("receive from", P::NAME, error).into()),
            }
        }
    }

    /// The parts of a message arrive together, so none of them is waited for.
    fn recv_rest(&self, first: Vec<u8>) -> Result<Vec<Vec<u8>>, RecvError> {
        let mut parts = vec![first];
        let fail = |error| RecvError::from(explain("receive from", P::NAME, error));
        while self.raw().get_rcvmore().map_err(fail)? {
            let part = self.raw().recv_bytes(DONTWAIT).map_err(fail)?;
            if parts.len() <= PARTS {
                parts.push(part);
            }
        }
        if parts.len() > PARTS {
            return Err(RecvError::Malformed);
        }
        Ok(parts)
    }

    /// Receives a message that consists of its body alone.
    pub(crate) fn recv_until<T: DeserializeOwned>(
        &self,
        deadline: Deadline,
    ) -> Result<Option<T>, RecvError> {
        match self.recv_parts(deadline)?.as_deref() {
            None => Ok(None),
            Some([body]) => Ok(Some(decode(body)?)),
            Some(_) => Err(RecvError::Malformed),
        }
    }
}

/// Says what the library's error means in brigade's terms.
pub(crate) fn explain(operation: &'static str, object: &str, error: ZmqError) -> Error {
    /// The library counts its own errors from here; smaller ones are the system's.
    const OWN_ERRORS: i32 = 156_384_712;
    let source = match error.to_raw() {
        code if (1..OWN_ERRORS).contains(&code) => io::Error::from_raw_os_error(code),
        _ => io::Error::other(error.message()),
    };
    Error::new(operation, object, source)
}

/// A message alone has no route.
pub(crate) const NO_ROUTE: [&[u8]; 0] = [];

pub(crate) fn sent(outcome: Result<bool, SendError>) -> Result<(), SendError> {
    outcome.map(drop)
}

pub(crate) fn sent_at_once(outcome: Result<bool, SendError>) -> Result<(), TrySendError> {
    if outcome? { Ok(()) } else { Err(TrySendError::Full) }
}

pub(crate) fn sent_in_time(outcome: Result<bool, SendError>) -> Result<(), SendTimeoutError> {
    if outcome? { Ok(()) } else { Err(SendTimeoutError::TimedOut) }
}

pub(crate) fn received<T>(outcome: Result<Option<T>, RecvError>) -> Result<T, RecvError> {
    outcome?.ok_or(RecvError::Malformed)
}

pub(crate) fn received_at_once<T>(
    outcome: Result<Option<T>, RecvError>,
) -> Result<T, TryRecvError> {
    outcome?.ok_or(TryRecvError::Empty)
}

pub(crate) fn received_in_time<T>(
    outcome: Result<Option<T>, RecvError>,
) -> Result<T, RecvTimeoutError> {
    outcome?.ok_or(RecvTimeoutError::TimedOut)
}

pub(crate) fn now() -> Deadline {
    Deadline::after(Duration::ZERO)
}

impl<P: Pattern> Waitable for Socket<P> {
    /// Whether a message can be received; for roles that only send, whether one can be sent.
    fn is_ready(&self) -> bool {
        // An error is ready: the operation says what is wrong.
        !self.is_own() || self.raw().get_events().map_or(true, |events| events.intersects(P::READY))
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        sleep.descriptor(self.notice.as_fd());
    }
}

impl<P: Pattern> fmt::Debug for Socket<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("role", &P::NAME).finish_non_exhaustive()
    }
}

impl<P: Pattern> Drop for Socket<P> {
    fn drop(&mut self) {
        // In a forked child the library's threads do not exist: closing would wait for them.
        if !self.is_own() {
            std::mem::forget(self.held.take());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::super::{Pull, Push};
    use super::*;

    /// What a fork leaves: a socket whose process is another.
    #[test]
    fn a_socket_of_another_process_is_refused_and_not_closed() {
        let mut push = Push::<u8>::new().unwrap();
        let mut pull = Pull::<u8>::new().unwrap();
        (push.pid, pull.pid) = (1, 1);
        assert!(matches!(push.send(&1), Err(SendError::Forked)));
        assert!(matches!(pull.try_recv(), Err(TryRecvError::Recv(RecvError::Forked))));
        assert!(pull.is_ready());
        assert!(push.connect("tcp://127.0.0.1:1").unwrap_err().to_string().contains("parent"));
        // Dropping them must not touch the library; a new context is made for a new process.
        let inherited = Arc::clone(&push.held.as_ref().unwrap()._shared);
        let fresh = current(std::process::id() + 1);
        assert!(!Arc::ptr_eq(&inherited, &fresh));
        drop((push, pull));
        assert!(Arc::strong_count(&inherited) > 1, "the sockets were forgotten");
        std::mem::forget(inherited);
        drop(current(std::process::id()));
    }
}
