//! Many conversations at once, each with an address.

use std::time::Duration;

use brigade_codec::decode;
use brigade_sys::time::Deadline;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
use super::pattern;
use super::socket::{
    NO_ROUTE, Socket, now, received, received_at_once, received_in_time, sent, sent_at_once,
    sent_in_time,
};

/// Receives messages together with the way back, and sends messages to whom it chooses.
pub type Router<S, R> = Socket<pattern::Router<S, R>>;

/// Sends messages to the [`Router`] sockets that it is connected to, one to each in turn, and
/// receives what they send back, in any order.
pub type Dealer<S, R> = Socket<pattern::Dealer<S, R>>;

/// The way to a peer of a [`Router`]. It holds for one router, and can be kept and sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Route(Vec<Vec<u8>>);

impl Route {
    /// The way to the dealer that calls itself `identity`: see
    /// [`Options::identity`](super::Options::identity).
    pub fn to(identity: impl Into<Vec<u8>>) -> Self {
        Self(vec![identity.into()])
    }
}

impl<S: Serialize, R> Router<S, R> {
    /// Sends `message` along `route`, and waits while that peer's queue is full.
    ///
    /// # Errors
    ///
    /// [`SendError`]; [`Unreachable`](SendError::Unreachable) if the peer is not connected.
    pub fn send(&self, route: &Route, message: &S) -> Result<(), SendError> {
        sent(self.send_until(&route.0, message, Deadline::NEVER))
    }

    /// Sends `message` along `route` if there is room now.
    ///
    /// # Errors
    ///
    /// [`TrySendError`].
    pub fn try_send(&self, route: &Route, message: &S) -> Result<(), TrySendError> {
        sent_at_once(self.send_until(&route.0, message, now()))
    }

    /// Sends `message` along `route`, and waits at most `timeout` for room.
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError`].
    pub fn send_timeout(
        &self,
        route: &Route,
        message: &S,
        timeout: Duration,
    ) -> Result<(), SendTimeoutError> {
        sent_in_time(self.send_until(&route.0, message, Deadline::after(timeout)))
    }
}

impl<S, R: DeserializeOwned> Router<S, R> {
    /// Receives the next message and the way back, and waits for it.
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    pub fn recv(&self) -> Result<(Route, R), RecvError> {
        received(self.recv_route(Deadline::NEVER))
    }

    /// Receives the next message and the way back if it is there.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`].
    pub fn try_recv(&self) -> Result<(Route, R), TryRecvError> {
        received_at_once(self.recv_route(now()))
    }

    /// Receives the next message and the way back, and waits at most `timeout` for it.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`].
    pub fn recv_timeout(&self, timeout: Duration) -> Result<(Route, R), RecvTimeoutError> {
        received_in_time(self.recv_route(Deadline::after(timeout)))
    }

    fn recv_route(&self, deadline: Deadline) -> Result<Option<(Route, R)>, RecvError> {
        let Some(mut parts) = self.recv_parts(deadline)? else { return Ok(None) };
        let body = parts.pop().filter(|_| !parts.is_empty()).ok_or(RecvError::Malformed)?;
        Ok(Some((Route(parts), decode(&body)?)))
    }
}

impl<S: Serialize, R> Dealer<S, R> {
    /// Sends `message`, and waits while every queue is full or nobody is connected.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub fn send(&self, message: &S) -> Result<(), SendError> {
        sent(self.send_until(&NO_ROUTE, message, Deadline::NEVER))
    }

    /// Sends `message` if there is room now.
    ///
    /// # Errors
    ///
    /// [`TrySendError`].
    pub fn try_send(&self, message: &S) -> Result<(), TrySendError> {
        sent_at_once(self.send_until(&NO_ROUTE, message, now()))
    }

    /// Sends `message`, and waits at most `timeout` for room.
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError`].
    pub fn send_timeout(&self, message: &S, timeout: Duration) -> Result<(), SendTimeoutError> {
        sent_in_time(self.send_until(&NO_ROUTE, message, Deadline::after(timeout)))
    }
}

impl<S, R: DeserializeOwned> Dealer<S, R> {
    /// Receives the next message, and waits for it.
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    pub fn recv(&self) -> Result<R, RecvError> {
        received(self.recv_until(Deadline::NEVER))
    }

    /// Receives the next message if it is there.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`].
    pub fn try_recv(&self) -> Result<R, TryRecvError> {
        received_at_once(self.recv_until(now()))
    }

    /// Receives the next message, and waits at most `timeout` for it.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`].
    pub fn recv_timeout(&self, timeout: Duration) -> Result<R, RecvTimeoutError> {
        received_in_time(self.recv_until(Deadline::after(timeout)))
    }
}
