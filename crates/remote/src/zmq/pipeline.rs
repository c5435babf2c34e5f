//! Work dealt out to many, and collected from many.

use std::time::Duration;

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

/// Deals messages out to the [`Pull`] sockets that are connected, one to each in turn, passing
/// over those whose queues are full.
pub type Push<T> = Socket<pattern::Push<T>>;

/// Collects messages from the [`Push`] sockets that are connected, a fair share from each.
pub type Pull<T> = Socket<pattern::Pull<T>>;

impl<T: Serialize> Push<T> {
    /// Sends `message`, and waits while every queue is full or nobody is connected.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub fn send(&self, message: &T) -> Result<(), SendError> {
        sent(self.send_until(&NO_ROUTE, message, Deadline::NEVER))
    }

    /// Sends `message` if there is room now.
    ///
    /// # Errors
    ///
    /// [`TrySendError`].
    pub fn try_send(&self, message: &T) -> Result<(), TrySendError> {
        sent_at_once(self.send_until(&NO_ROUTE, message, now()))
    }

    /// Sends `message`, and waits at most `timeout` for room.
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError`].
    pub fn send_timeout(&self, message: &T, timeout: Duration) -> Result<(), SendTimeoutError> {
        sent_in_time(self.send_until(&NO_ROUTE, message, Deadline::after(timeout)))
    }
}

impl<T: DeserializeOwned> Pull<T> {
    /// Receives the next message, and waits for it.
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    pub fn recv(&self) -> Result<T, RecvError> {
        received(self.recv_until(Deadline::NEVER))
    }

    /// Receives the next message if it is there.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`].
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        received_at_once(self.recv_until(now()))
    }

    /// Receives the next message, and waits at most `timeout` for it.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`].
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        received_in_time(self.recv_until(Deadline::after(timeout)))
    }
}
