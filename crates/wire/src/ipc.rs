//! A bridge to the `ipc-channel` package.
//!
//! [`Sender`] and [`Receiver`] carry values, by brigade's codec, over that package's typed
//! channels: for programs that use it already, and for comparison. A parent makes a [`Server`],
//! hands its name to one child by an argument or the environment, and both get the two ends of a
//! channel in each direction.
//!
//! # Process death
//!
//! These channels are **not** safe against `kill -9`, unlike everything else in brigade:
//!
//! * A sender killed in the middle of a message larger than the socket's buffer (about 200 KiB)
//!   makes the receiver report that all senders have gone, while others live.
//! * [`Receiver::recv_timeout`] bounds the wait for the first byte only: a sender that was stopped
//!   in the middle of a large message holds the receiver as long.
//! * A sender blocks without limit when the receiver does not receive: there is no time-out.
//! * A child killed between connecting and introducing itself holds [`Server::accept_timeout`]
//!   for no longer than the time-out; one that is merely stopped there also keeps a thread.
//!
//! Use [`Connection`](crate::Connection) or a queue in shared memory where that matters.
//!
//! # What travels
//!
//! Every value that needs no descriptor, and handles that live in the program's own shared memory.
//! A [`Descriptor`](brigade_codec::Descriptor) is refused.

use std::marker::PhantomData;
use std::sync::mpsc;
use std::time::Duration;
use std::{fmt, io};

use brigade_codec::{DecodeError, EncodeError, decode, encode};
use brigade_sys::Error;
use ipc_channel::IpcError;
use ipc_channel::TryRecvError as IpcTryRecvError;
use ipc_channel::ipc::{self, IpcOneShotServer, IpcReceiver, IpcSender};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Makes a channel within this process.
///
/// # Errors
///
/// [`Error`] if the process may not open more descriptors.
///
/// # Examples
///
/// ```
/// use brigade_wire::ipc;
///
/// let (sender, receiver) = ipc::channel::<(String, u32)>()?;
/// sender.send(&("six".to_owned(), 6))?;
/// assert_eq!(receiver.recv()?, ("six".to_owned(), 6));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn channel<T>() -> Result<(Sender<T>, Receiver<T>), Error> {
    let (sender, receiver) =
        ipc::channel().map_err(|error| Error::new("make", "ipc channel", error))?;
    Ok((Sender::new(sender), Receiver::new(receiver)))
}

/// The sending end of a channel. Clones send to the same receiver.
pub struct Sender<T> {
    channel: IpcSender<Packet>,
    messages: PhantomData<fn(&T)>,
}

/// The receiving end of a channel.
pub struct Receiver<T> {
    channel: IpcReceiver<Packet>,
    messages: PhantomData<fn() -> T>,
}

/// A message that was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The message cannot be encoded.
    #[error("cannot send message over ipc channel: {0}")]
    Encode(#[from] EncodeError),
    /// The receiver has gone.
    #[error("cannot send message over ipc channel: the receiver has gone")]
    Disconnected,
    /// The package or the system refused.
    #[error("cannot send message over ipc channel: {0}")]
    Failed(IpcError),
}

/// No message, and why.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecvError {
    /// All senders have gone, or one was killed in the middle of a message.
    #[error("cannot receive message over ipc channel: all senders have gone")]
    Disconnected,
    /// The message is no value of the expected type.
    #[error("cannot receive message over ipc channel: {0}")]
    Decode(#[from] DecodeError),
    /// The package or the system refused.
    #[error("cannot receive message over ipc channel: {0}")]
    Failed(IpcError),
}

/// No message in time, and why.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TryRecvError {
    /// No message is there.
    #[error("cannot receive message over ipc channel: none is there")]
    Empty,
    /// No message will come, or the one that came is unusable.
    #[error(transparent)]
    Recv(#[from] RecvError),
}

impl<T> Sender<T> {
    fn new(channel: IpcSender<Packet>) -> Self {
        Self { channel, messages: PhantomData }
    }
}

impl<T: Serialize> Sender<T> {
    /// Sends `message`, and waits while there is no room.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub fn send(&self, message: &T) -> Result<(), SendError> {
        let packet = Packet(encode(message)?);
        self.channel.send(packet).map_err(|error| match error {
            IpcError::Disconnected => SendError::Disconnected,
            IpcError::Io(error) if is_hang_up(&error) => SendError::Disconnected,
            other => SendError::Failed(other),
        })
    }
}

impl<T> Receiver<T> {
    fn new(channel: IpcReceiver<Packet>) -> Self {
        Self { channel, messages: PhantomData }
    }
}

impl<T: DeserializeOwned> Receiver<T> {
    /// Receives the next message, and waits for it.
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    pub fn recv(&self) -> Result<T, RecvError> {
        Ok(decode(&self.channel.recv().map_err(explain)?.0)?)
    }

    /// Receives the next message if it is there.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`].
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        unpack(self.channel.try_recv())
    }

    /// Receives the next message, and waits at most `timeout` for its first byte.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`].
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, TryRecvError> {
        unpack(self.channel.try_recv_timeout(timeout))
    }
}

/// The parent's side of the meeting of two processes.
pub struct Server<S, R> {
    server: IpcOneShotServer<Introduction>,
    name: String,
    messages: PhantomData<fn(&S) -> R>,
}

/// The ends that the child makes for its parent.
type Introduction = (IpcSender<Packet>, IpcReceiver<Packet>);

impl<S, R> Server<S, R> {
    /// Opens a meeting point for one child.
    ///
    /// # Errors
    ///
    /// [`Error`] if no socket can be made in the directory for temporary files.
    pub fn new() -> Result<Self, Error> {
        let (server, name) = IpcOneShotServer::new()
            .map_err(|error| Error::new("make", "ipc channel server", error))?;
        Ok(Self { server, name, messages: PhantomData })
    }

    /// The name by which the child finds this server: the argument of [`connect`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits at most `timeout` for the child, and returns the channels to and from it.
    ///
    /// # Errors
    ///
    /// [`Error`], of kind [`TimedOut`](io::ErrorKind::TimedOut) if it did not come.
    pub fn accept_timeout(self, timeout: Duration) -> Result<(Sender<S>, Receiver<R>), Error> {
        let Self { server, name, .. } = self;
        let (done, arrival) = mpsc::channel();
        let fail = |error: io::Error| Error::new("accept from", "ipc channel server", error);
        // The package's accept knows no time-out, so it waits in a thread of its own.
        std::thread::Builder::new()
            .name("brigade-ipc-accept".into())
            .spawn(move || done.send(server.accept().map(|(_, introduction)| introduction)))
            .map_err(fail)?;
        let arrived = arrival.recv_timeout(timeout);
        match arrived {
            Ok(Ok((sender, receiver))) => Ok((Sender::new(sender), Receiver::new(receiver))),
            Ok(Err(error)) => Err(fail(io::Error::other(error))),
            Err(_) => {
                // A guest who says nothing ends the thread that waits for one.
                drop(IpcSender::<Introduction>::connect(name));
                Err(fail(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

/// The child's side: meets the [`Server`] called `name`, and returns the channels to and from it.
///
/// # Errors
///
/// [`Error`] if there is no such server, or another child has met it.
pub fn connect<S, R>(name: &str) -> Result<(Sender<S>, Receiver<R>), Error> {
    let fail = |error: io::Error| Error::new("connect to", format!("ipc channel {name}"), error);
    let server = IpcSender::<Introduction>::connect(name.to_owned()).map_err(fail)?;
    let (to_parent, from_child) = ipc::channel().map_err(fail)?;
    let (to_child, from_parent) = ipc::channel().map_err(fail)?;
    server.send((to_child, from_child)).map_err(|error| fail(io::Error::other(error)))?;
    Ok((Sender::new(to_parent), Receiver::new(from_parent)))
}

/// An encoded message, which the package's own codec passes on as one piece.
struct Packet(Vec<u8>);

impl Serialize for Packet {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Packet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl serde::de::Visitor<'_> for Bytes {
            type Value = Packet;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Packet, E> {
                Ok(Packet(bytes.to_vec()))
            }

            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Packet, E> {
                Ok(Packet(bytes))
            }
        }

        deserializer.deserialize_byte_buf(Bytes)
    }
}

fn unpack<T: DeserializeOwned>(packet: Result<Packet, IpcTryRecvError>) -> Result<T, TryRecvError> {
    match packet {
        Ok(packet) => Ok(decode(&packet.0).map_err(RecvError::Decode)?),
        Err(IpcTryRecvError::Empty) => Err(TryRecvError::Empty),
        Err(IpcTryRecvError::IpcError(error)) => Err(explain(error).into()),
    }
}

fn explain(error: IpcError) -> RecvError {
    match error {
        IpcError::Disconnected => RecvError::Disconnected,
        IpcError::Io(error) if is_hang_up(&error) => RecvError::Disconnected,
        other => RecvError::Failed(other),
    }
}

fn is_hang_up(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self::new(self.channel.clone())
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

impl<S, R> fmt::Debug for Server<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "ipc_tests.rs"]
mod tests;
