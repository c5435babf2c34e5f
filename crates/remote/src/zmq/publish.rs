//! The same to everyone who listens.

use std::time::Duration;

use brigade_codec::decode;
use brigade_sys::Error;
use brigade_sys::time::Deadline;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{RecvError, RecvTimeoutError, SendError, TryRecvError};
use super::pattern;
use super::socket::{Socket, explain, now, received, received_at_once, received_in_time, sent};

/// Tells every connected [`Subscribe`] socket that listens to a topic.
///
/// It never waits: a subscriber whose queue is full, or who is not connected yet, misses the
/// message.
pub type Publish<T> = Socket<pattern::Publish<T>>;

/// Listens to the [`Publish`] sockets that it is connected to. It hears nothing until it has
/// [subscribed](Socket::subscribe).
pub type Subscribe<T> = Socket<pattern::Subscribe<T>>;

impl<T: Serialize> Publish<T> {
    /// Tells `message` to those who listen to `topic`, at once.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub fn send(&self, topic: &str, message: &T) -> Result<(), SendError> {
        sent(self.send_until(&[topic], message, now()))
    }
}

impl<T> Subscribe<T> {
    /// Listens to every topic that begins with `prefix`; the empty one is the beginning of all.
    ///
    /// # Errors
    ///
    /// [`Error`] if the library refuses.
    pub fn subscribe(&self, prefix: &str) -> Result<(), Error> {
        self.own("subscribe to", prefix)?;
        let done = self.raw().set_subscribe(prefix.as_bytes());
        done.map_err(|error| explain("subscribe to", prefix, error))
    }

    /// Takes one [`subscribe`](Self::subscribe) to `prefix` back.
    ///
    /// # Errors
    ///
    /// [`Error`] if the library refuses.
    pub fn unsubscribe(&self, prefix: &str) -> Result<(), Error> {
        self.own("unsubscribe from", prefix)?;
        let done = self.raw().set_unsubscribe(prefix.as_bytes());
        done.map_err(|error| explain("unsubscribe from", prefix, error))
    }
}

impl<T: DeserializeOwned> Subscribe<T> {
    /// Receives the next message and its topic, and waits for it.
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    pub fn recv(&self) -> Result<(String, T), RecvError> {
        received(self.recv_topic(Deadline::NEVER))
    }

    /// Receives the next message and its topic if it is there.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`].
    pub fn try_recv(&self) -> Result<(String, T), TryRecvError> {
        received_at_once(self.recv_topic(now()))
    }

    /// Receives the next message and its topic, and waits at most `timeout` for it.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`].
    pub fn recv_timeout(&self, timeout: Duration) -> Result<(String, T), RecvTimeoutError> {
        received_in_time(self.recv_topic(Deadline::after(timeout)))
    }

    fn recv_topic(&self, deadline: Deadline) -> Result<Option<(String, T)>, RecvError> {
        let Some(parts) = self.recv_parts(deadline)? else { return Ok(None) };
        let [topic, body] = <[Vec<u8>; 2]>::try_from(parts).map_err(|_| RecvError::Malformed)?;
        let topic = String::from_utf8(topic).map_err(|_| RecvError::Malformed)?;
        Ok(Some((topic, decode(&body)?)))
    }
}
