//! Typed messages, both ways.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use brigade_sys::Error;
use brigade_sys::socket::{
    Credentials, Family, Interest, adopt_stream, pair, peer_credentials, peer_pidfd,
};
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Sleep, Waitable};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
use crate::inbox::Greeting;
use crate::receiver::Receiver;
use crate::sender::{Sender, Stream};

/// A connection that sends messages of type `S` and receives messages of type `R`.
///
/// A message arrives whole or not at all, and messages arrive in the order in which they were
/// sent. The other end is a `Connection<R, S>`.
///
/// A connection is used by one thread at a time and can be moved to another. To send in one thread
/// and receive in another, [`split`](Self::split) it; to share one end among many, put it behind a
/// lock. It cannot be shared without one:
///
/// ```compile_fail
/// fn check<T: Sync>() {}
/// check::<brigade_wire::Connection<u8>>();
/// ```
///
/// A connection over a unix socket can itself be a part of a message, while nothing that arrived
/// is waiting in it. The receiver's copy works on when the sender's is dropped.
///
/// # Examples
///
/// ```
/// use brigade_wire::{Connection, RecvError};
///
/// let (one, two) = Connection::<String, u32>::pair()?;
/// one.send(&"six".to_owned())?;
/// assert_eq!(two.recv()?, "six");
/// two.send(&6)?;
/// assert_eq!(one.recv()?, 6);
///
/// drop(two);
/// assert!(matches!(one.recv(), Err(RecvError::EndOfStream)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[doc(alias = "Pipe")]
pub struct Connection<S: ?Sized, R = S> {
    // Dropped first: see the drop of `Sender`.
    pub(crate) receiver: Receiver<R>,
    pub(crate) sender: Sender<S>,
}

impl<S: ?Sized, R> Connection<S, R> {
    /// Makes a connection that starts at `socket`, with greetings as they are in that stream.
    pub(crate) fn over(socket: OwnedFd, sent: Greeting, received: Greeting) -> Result<Self, Error> {
        let family = Family::of(socket.as_fd())?;
        let stream = Arc::new(Stream { socket, family });
        let receiver = Receiver::new(Arc::clone(&stream), received);
        Ok(Self { receiver, sender: Sender::new(stream, sent) })
    }

    /// Takes over one end of a fresh stream socket that came from elsewhere: inherited, or made by
    /// other means.
    ///
    /// # Errors
    ///
    /// [`Error`] if it is not a connected stream socket.
    pub fn adopt(socket: OwnedFd) -> Result<Self, Error> {
        Self::over(adopt_stream(socket)?, Greeting::Awaited, Greeting::Awaited)
    }

    /// Allows messages of at most `limit` bytes, sent and received, instead of
    /// [`LIMIT`](brigade_codec::LIMIT).
    #[must_use]
    pub fn with_limit(mut self, limit: usize) -> Self {
        self.sender.set_limit(limit);
        self.receiver.set_limit(limit);
        self
    }

    /// Parts the connection into its halves, which can be in different threads.
    pub fn split(self) -> (Sender<S>, Receiver<R>) {
        (self.sender, self.receiver)
    }

    /// Ends the stream to the other end, which gets what was sent and then the end. Messages can
    /// still be received.
    pub fn finish_sending(self) -> Receiver<R> {
        self.receiver
    }

    /// Waits at most `timeout` for a message or the end of the stream, and says whether one is
    /// there. It takes nothing: asked again, the answer is the same.
    pub fn poll(&self, timeout: Duration) -> bool {
        self.receiver.poll_until(Deadline::after(timeout), || self.sender.push())
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
        self.sender.flush_timeout(timeout)
    }

    /// Asks the kernel which process is at the other end of a unix socket. It cannot lie.
    ///
    /// # Errors
    ///
    /// [`Error`] if this is a TCP connection.
    pub fn peer_credentials(&self) -> Result<Credentials, Error> {
        peer_credentials(self.as_fd())
    }

    /// Opens a pidfd for the process at the other end of a unix socket.
    ///
    /// # Errors
    ///
    /// [`Error`] if this is a TCP connection, the process has been reaped, or the kernel is older
    /// than 6.5.
    pub fn peer_pidfd(&self) -> Result<OwnedFd, Error> {
        peer_pidfd(self.as_fd())
    }

    pub(crate) fn push(&self) -> Interest {
        self.sender.push()
    }
}

impl<S, R> Connection<S, R> {
    /// Makes two connections that are each other's other end.
    ///
    /// # Errors
    ///
    /// [`Error`] if the process or the system may not open more descriptors.
    #[doc(alias = "Pipe")]
    pub fn pair() -> Result<(Self, Connection<R, S>), Error> {
        let (one, two) = pair()?;
        let one = Self::over(one, Greeting::Awaited, Greeting::Awaited)?;
        Ok((one, Connection::over(two, Greeting::Awaited, Greeting::Awaited)?))
    }
}

impl<S: Serialize + ?Sized, R> Connection<S, R> {
    /// Sends `message`, and waits while there is no room. See [`Sender::send`].
    ///
    /// # Errors
    ///
    /// [`SendError`]; nothing of the message has been sent, or the connection is of no more use.
    pub fn send(&self, message: &S) -> Result<(), SendError> {
        self.sender.send(message)
    }

    /// Sends `message` if there is room for it now.
    ///
    /// # Errors
    ///
    /// [`TrySendError`]; see there for a message that finds room in part.
    pub fn try_send(&self, message: &S) -> Result<(), TrySendError> {
        self.sender.try_send(message)
    }

    /// Sends `message`, and waits at most `timeout` for room.
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError`]; see there for a message that found room in part.
    pub fn send_timeout(&self, message: &S, timeout: Duration) -> Result<(), SendTimeoutError> {
        self.sender.send_timeout(message, timeout)
    }
}

impl<S: ?Sized, R: DeserializeOwned> Connection<S, R> {
    /// Receives the next message, and waits for it. See [`Receiver::recv`].
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    pub fn recv(&self) -> Result<R, RecvError> {
        let message = self.receiver.recv_until(Deadline::NEVER, || self.push())?;
        message.ok_or(RecvError::EndOfStream)
    }

    /// Receives the next message if it is there, whole.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`]; with [`Empty`](TryRecvError::Empty) nothing is lost.
    pub fn try_recv(&self) -> Result<R, TryRecvError> {
        let now = Deadline::after(Duration::ZERO);
        self.receiver.recv_until(now, || self.push())?.ok_or(TryRecvError::Empty)
    }

    /// Receives the next message, and waits at most `timeout` until it is there, whole.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`]; with [`TimedOut`](RecvTimeoutError::TimedOut) nothing is lost.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<R, RecvTimeoutError> {
        let deadline = Deadline::after(timeout);
        let message = self.receiver.recv_until(deadline, || self.push())?;
        message.ok_or(RecvTimeoutError::TimedOut)
    }
}

impl<S: ?Sized, R> AsFd for Connection<S, R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.sender.as_fd()
    }
}

impl<S: ?Sized, R> Waitable for Connection<S, R> {
    fn is_ready(&self) -> bool {
        self.push();
        self.receiver.is_ready()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.receiver.prepare(sleep);
    }
}
