//! Pipes: two ends, each of which hears when the other has gone.

use std::fmt;
use std::time::Duration;

use brigade_codec::Message;
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Sleep, Waitable};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::queue::{
    Consumer, GetError, GetFailure, GetTimeoutError, Producer, PutError, PutFailure,
    PutTimeoutError, Queue, TryGetError, TryPutError,
};

/// How many messages a pipe holds in each direction.
const MESSAGES: usize = 1 << 10;

/// The bytes of a pipe's ring in each direction, as many as the kernel's pipes have.
const BYTES: usize = 1 << 16;

/// Creates a pipe: what is sent into one end is received at the other, both ways.
///
/// # Errors
///
/// Fails when there is no memory for it.
///
/// # Examples
///
/// ```
/// let (one, two) = brigade_shm::pipe::<String>()?;
/// one.send("there".to_owned())?;
/// two.send(two.recv()? + " and back")?;
/// assert_eq!(one.recv()?, "there and back");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "Pipe")]
pub fn pipe<T>() -> Result<Ends<T, T>, Error> {
    pipe_between()
}

/// The two ends of a pipe whose directions carry different types.
pub type Ends<A, B> = (Connection<A, B>, Connection<B, A>);

/// Creates a pipe whose directions carry different types.
///
/// # Errors
///
/// Fails when there is no memory for it.
pub fn pipe_between<A, B>() -> Result<Ends<A, B>, Error> {
    let (to_second, from_first) = direction()?;
    let (to_first, from_second) = direction()?;
    let first = Connection { sender: Some(to_second), receiver: Some(from_second) };
    let second = Connection { sender: Some(to_first), receiver: Some(from_first) };
    Ok((first, second))
}

/// Creates a one-way pipe: first the end that receives, then the one that sends.
///
/// # Errors
///
/// Fails when there is no memory for it.
#[doc(alias = "Pipe(duplex=False)")]
pub fn one_way_pipe<T>() -> Result<(Connection<T>, Connection<T>), Error> {
    let (sender, receiver) = direction()?;
    let reader = Connection { sender: None, receiver: Some(receiver) };
    let writer = Connection { sender: Some(sender), receiver: None };
    Ok((reader, writer))
}

fn direction<T>() -> Result<(Producer<T>, Consumer<T>), Error> {
    let queue = Queue::with_ring(MESSAGES, BYTES)?;
    Ok((queue.producer()?, queue.consumer()?))
}

/// One end of a [`pipe`]: sends `Out`, receives `In`.
///
/// Threads may share an end, and so may processes: each message is sent whole and received once.
///
/// # Process death
///
/// An end whose processes have all died is gone: the other receives what was sent, and then
/// [`RecvError::Ended`]. A message is sent or not, never half.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Connection<Out, In = Out> {
    // Goes before the sender: whoever has heard of the end can no longer send to it.
    receiver: Option<Consumer<In>>,
    sender: Option<Producer<Out>>,
}

impl<Out, In> Clone for Connection<Out, In> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), receiver: self.receiver.clone() }
    }
}

impl<Out, In> fmt::Debug for Connection<Out, In> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("readable", &self.is_readable())
            .field("writable", &self.is_writable())
            .finish_non_exhaustive()
    }
}

impl<Out, In> Connection<Out, In> {
    /// Whether this end receives.
    pub fn is_readable(&self) -> bool {
        self.receiver.is_some()
    }

    /// Whether this end sends.
    pub fn is_writable(&self) -> bool {
        self.sender.is_some()
    }

    /// Waits at most for `timeout` for a message or the end of the stream, and says whether one is
    /// there. Takes nothing. An end that only sends has nothing to wait for: false.
    pub fn poll(&self, timeout: Duration) -> bool {
        self.receiver.as_ref().is_some_and(|receiver| {
            !brigade_sys::wait::wait(&[receiver], Deadline::after(timeout)).is_empty()
        })
    }
}

impl<Out: Message, In: Message> Connection<Out, In> {
    /// Sends a message, blocking while the pipe is full.
    ///
    /// # Errors
    ///
    /// [`SendError`], with the message.
    pub fn send(&self, message: Out) -> Result<(), SendError<Out>> {
        let Some(sender) = &self.sender else { return Err(SendError::OneWay(message)) };
        sender.put(message).map_err(|error| match error {
            PutError::Closed(message) => SendError::Ended(message),
            PutError::Failed { value, reason } => SendError::Failed { message: value, reason },
        })
    }

    /// Sends a message if there is room.
    ///
    /// # Errors
    ///
    /// [`SendError`], with the message; [`SendError::Full`] when there is no room.
    pub fn try_send(&self, message: Out) -> Result<(), SendError<Out>> {
        let Some(sender) = &self.sender else { return Err(SendError::OneWay(message)) };
        sender.try_put(message).map_err(|error| match error {
            TryPutError::Full(message) => SendError::Full(message),
            TryPutError::Closed(message) => SendError::Ended(message),
            TryPutError::Failed { value, reason } => SendError::Failed { message: value, reason },
        })
    }

    /// Sends a message, blocking at most for `timeout` while the pipe is full.
    ///
    /// # Errors
    ///
    /// [`SendError`], with the message; [`SendError::Full`] when there was no room in time.
    pub fn send_timeout(&self, message: Out, timeout: Duration) -> Result<(), SendError<Out>> {
        let Some(sender) = &self.sender else { return Err(SendError::OneWay(message)) };
        sender.put_timeout(message, timeout).map_err(|error| match error {
            PutTimeoutError::TimedOut(message) => SendError::Full(message),
            PutTimeoutError::Closed(message) => SendError::Ended(message),
            PutTimeoutError::Failed { value, reason } => {
                SendError::Failed { message: value, reason }
            }
        })
    }

    /// Receives the next message, blocking until there is one.
    ///
    /// # Errors
    ///
    /// [`RecvError::Ended`] when nothing is left and the other end is gone.
    pub fn recv(&self) -> Result<In, RecvError> {
        self.receiver()?.get().map_err(|error| match error {
            GetError::Closed => RecvError::Ended,
            GetError::Failed(reason) => RecvError::Failed(reason),
        })
    }

    /// Receives the next message if there is one.
    ///
    /// # Errors
    ///
    /// [`RecvError::Empty`] when there is none yet, [`RecvError::Ended`] as for
    /// [`recv`](Self::recv).
    pub fn try_recv(&self) -> Result<In, RecvError> {
        self.receiver()?.try_get().map_err(|error| match error {
            TryGetError::Empty => RecvError::Empty,
            TryGetError::Closed => RecvError::Ended,
            TryGetError::Failed(reason) => RecvError::Failed(reason),
        })
    }

    /// Receives the next message, blocking at most for `timeout`.
    ///
    /// # Errors
    ///
    /// [`RecvError::Empty`] when there was none in time, [`RecvError::Ended`] as for
    /// [`recv`](Self::recv).
    pub fn recv_timeout(&self, timeout: Duration) -> Result<In, RecvError> {
        self.receiver()?.get_timeout(timeout).map_err(|error| match error {
            GetTimeoutError::TimedOut => RecvError::Empty,
            GetTimeoutError::Closed => RecvError::Ended,
            GetTimeoutError::Failed(reason) => RecvError::Failed(reason),
        })
    }

    pub(crate) fn sender(&self) -> Option<&Producer<Out>> {
        self.sender.as_ref()
    }

    pub(crate) fn receiver(&self) -> Result<&Consumer<In>, RecvError> {
        self.receiver.as_ref().ok_or(RecvError::OneWay)
    }
}

impl<Out, In> Waitable for Connection<Out, In> {
    /// An end that only sends is never ready.
    fn is_ready(&self) -> bool {
        self.receiver.as_ref().is_some_and(|receiver| receiver.is_ready())
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        if let Some(receiver) = &self.receiver {
            receiver.prepare(sleep);
        }
    }
}

/// Why a message was not sent.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SendError<T> {
    /// The pipe is full, or was until the time-out.
    #[error("cannot send: the pipe is full")]
    Full(T),
    /// The other end is gone.
    #[error("cannot send: the other end of the pipe is gone")]
    Ended(T),
    /// This end only receives.
    #[error("cannot send: this end of the pipe only receives")]
    OneWay(T),
    /// The message or the memory is at fault.
    #[error("cannot send: {reason}")]
    Failed {
        /// The message.
        message: T,
        /// What is wrong.
        reason: PutFailure,
    },
}

/// The message may not be printable, so an error shows its own name only.
impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why no message was received.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecvError {
    /// There is no message, or was none until the time-out.
    #[error("cannot receive: the pipe is empty")]
    Empty,
    /// Nothing is left and the other end is gone.
    #[error("cannot receive: the other end of the pipe is gone")]
    Ended,
    /// This end only sends.
    #[error("cannot receive: this end of the pipe only sends")]
    OneWay,
    /// The message or the memory is at fault.
    #[error("cannot receive: {0}")]
    Failed(GetFailure),
}

#[cfg(test)]
#[path = "pipe_tests.rs"]
mod tests;
