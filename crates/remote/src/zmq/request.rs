//! One question, one answer.

use std::time::Duration;

use brigade_codec::decode;
use brigade_sys::time::Deadline;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
use super::pattern;
use super::socket::{
    NO_ROUTE, Socket, now, received, received_at_once, received_in_time, sent, sent_at_once,
    sent_in_time,
};

/// Asks a [`Reply`] or [`Router`](super::Router) socket, and waits for the answer. One question is
/// open at a time: asking again gives up the answer to the last one.
pub type Request<Q, R> = Socket<pattern::Request<Q, R>>;

/// Answers [`Request`] sockets, one after the other.
///
/// A request that cannot be read is answered at once, with an error for the asker
/// ([`RecvError::Refused`]), and reported here too.
pub type Reply<Q, R> = Socket<pattern::Reply<Q, R>>;

/// The first part of an answer that is none.
const REFUSED: &[u8] = b"refused";

impl<Q: Serialize, R> Request<Q, R> {
    /// Sends `message`, and waits while nobody is connected who has room.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub fn send(&self, message: &Q) -> Result<(), SendError> {
        sent(self.send_until(&NO_ROUTE, message, Deadline::NEVER))
    }

    /// Sends `message` if there is room now.
    ///
    /// # Errors
    ///
    /// [`TrySendError`].
    pub fn try_send(&self, message: &Q) -> Result<(), TrySendError> {
        sent_at_once(self.send_until(&NO_ROUTE, message, now()))
    }

    /// Sends `message`, and waits at most `timeout` for room.
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError`].
    pub fn send_timeout(&self, message: &Q, timeout: Duration) -> Result<(), SendTimeoutError> {
        sent_in_time(self.send_until(&NO_ROUTE, message, Deadline::after(timeout)))
    }
}

impl<Q, R: DeserializeOwned> Request<Q, R> {
    /// Receives the answer, and waits for it.
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    pub fn recv(&self) -> Result<R, RecvError> {
        received(self.recv_reply(Deadline::NEVER))
    }

    /// Receives the answer if it is there.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`].
    pub fn try_recv(&self) -> Result<R, TryRecvError> {
        received_at_once(self.recv_reply(now()))
    }

    /// Receives the answer, and waits at most `timeout` for it.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`].
    pub fn recv_timeout(&self, timeout: Duration) -> Result<R, RecvTimeoutError> {
        received_in_time(self.recv_reply(Deadline::after(timeout)))
    }

    fn recv_reply(&self, deadline: Deadline) -> Result<Option<R>, RecvError> {
        match self.recv_parts(deadline)?.as_deref() {
            None => Ok(None),
            Some([body]) => Ok(Some(decode(body)?)),
            Some([refused, _]) if refused == REFUSED => Err(RecvError::Refused),
            Some(_) => Err(RecvError::Malformed),
        }
    }
}

impl<Q: DeserializeOwned, R> Reply<Q, R> {
    /// Receives the next request, and waits for it.
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    pub fn recv(&self) -> Result<Q, RecvError> {
        received(self.recv_request(Deadline::NEVER))
    }

    /// Receives the next request if it is there.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`].
    pub fn try_recv(&self) -> Result<Q, TryRecvError> {
        received_at_once(self.recv_request(now()))
    }

    /// Receives the next request, and waits at most `timeout` for it.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`].
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Q, RecvTimeoutError> {
        received_in_time(self.recv_request(Deadline::after(timeout)))
    }

    fn recv_request(&self, deadline: Deadline) -> Result<Option<Q>, RecvError> {
        let request = self.recv_until(deadline);
        if matches!(request, Err(RecvError::Decode(_) | RecvError::Malformed)) {
            // The asker must hear something, or this socket could not receive the next request.
            // If the asker has gone, that is just as well.
            let _ = self.send_parts(&[REFUSED], b"", now());
        }
        request
    }
}

impl<Q, R: Serialize> Reply<Q, R> {
    /// Answers the request that was received last. It never waits: an asker who has gone misses
    /// the answer.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub fn send(&self, answer: &R) -> Result<(), SendError> {
        sent(self.send_until(&NO_ROUTE, answer, now()))
    }
}
