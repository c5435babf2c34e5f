//! A pipe with a second lane, over which open files and other descriptors are passed.
//!
//! Messages go through shared memory, at its speed. Descriptors cannot: only the kernel can give one
//! process what another has open, and it does so over a unix socket. So each end has a socket
//! besides, which costs nothing until a descriptor is passed.
//!
//! The lanes are apart: what is sent on one does not wait for what is sent on the other. Who passes
//! a message and a descriptor that belong together receives both.

use std::fmt;
use std::io::{self, IoSlice};
use std::ops::Deref;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use brigade_codec::Descriptor;
use brigade_sys::socket::{Interest, Received, pair, ready, recv, send};
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Sleep, Waitable};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::pipe::{Connection, pipe};

/// What accompanies a descriptor: a socket passes none without a byte.
const MARK: [u8; 1] = [b'd'];

/// Creates a pipe whose ends pass descriptors as well.
///
/// # Errors
///
/// Fails when there is no memory for it, or no descriptor left.
///
/// # Examples
///
/// ```
/// use std::fs::File;
/// use std::io::{Read, Seek, Write};
///
/// let (one, two) = brigade_shm::pipe_with_descriptors::<String>()?;
/// let mut file = tempfile::tempfile()?;
/// one.send("look into this".to_owned())?;
/// one.send_descriptor(&file)?;
///
/// assert_eq!(two.recv()?, "look into this");
/// let mut same = File::from(two.recv_descriptor()?);
/// same.write_all(b"seen")?;
///
/// let mut text = String::new();
/// file.rewind()?;
/// file.read_to_string(&mut text)?;
/// assert_eq!(text, "seen");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "send_handle")]
pub fn pipe_with_descriptors<T>()
-> Result<(DescriptorConnection<T>, DescriptorConnection<T>), Error> {
    let (one, two) = pipe()?;
    let (first, second) = pair()?;
    let first = DescriptorConnection { messages: one, socket: first.into() };
    let second = DescriptorConnection { messages: two, socket: second.into() };
    Ok((first, second))
}

/// One end of a [pipe with descriptors](pipe_with_descriptors): a [`Connection`], to which it
/// derefs, that passes descriptors besides.
///
/// Can be an argument of a process, or a message on a socket that passes descriptors; not a message
/// in a queue, which has no way to pass the socket: to put it there is an error.
///
/// # Process death
///
/// As for a [`Connection`]. A descriptor that was passed and not received is closed when nobody has
/// the receiving end any more.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct DescriptorConnection<Out, In = Out> {
    messages: Connection<Out, In>,
    socket: Descriptor,
}

impl<Out, In> Deref for DescriptorConnection<Out, In> {
    type Target = Connection<Out, In>;

    fn deref(&self) -> &Connection<Out, In> {
        &self.messages
    }
}

impl<Out, In> fmt::Debug for DescriptorConnection<Out, In> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DescriptorConnection").field(&self.messages).finish()
    }
}

impl<Out, In> DescriptorConnection<Out, In> {
    /// Passes a duplicate of `descriptor`, blocking while too many are under way.
    ///
    /// # Errors
    ///
    /// [`DescriptorError`].
    pub fn send_descriptor(&self, descriptor: impl AsFd) -> Result<(), DescriptorError> {
        self.send_until(&descriptor, Deadline::NEVER)
    }

    /// Passes a duplicate of `descriptor` if there is room for it.
    ///
    /// # Errors
    ///
    /// [`DescriptorError`]; [`DescriptorError::TimedOut`] when there is no room.
    pub fn try_send_descriptor(&self, descriptor: impl AsFd) -> Result<(), DescriptorError> {
        self.send_until(&descriptor, Deadline::after(Duration::ZERO))
    }

    /// Passes a duplicate of `descriptor`, blocking at most for `timeout`.
    ///
    /// # Errors
    ///
    /// [`DescriptorError`].
    pub fn send_descriptor_timeout(
        &self,
        descriptor: impl AsFd,
        timeout: Duration,
    ) -> Result<(), DescriptorError> {
        self.send_until(&descriptor, Deadline::after(timeout))
    }

    /// Receives the next descriptor, blocking until there is one.
    ///
    /// # Errors
    ///
    /// [`DescriptorError::Ended`] when nothing is left and the other end is gone.
    #[doc(alias = "recv_handle")]
    pub fn recv_descriptor(&self) -> Result<OwnedFd, DescriptorError> {
        self.recv_until(Deadline::NEVER)
    }

    /// Receives the next descriptor if there is one.
    ///
    /// # Errors
    ///
    /// [`DescriptorError::TimedOut`] when there is none, [`DescriptorError::Ended`] as for
    /// [`recv_descriptor`](Self::recv_descriptor).
    pub fn try_recv_descriptor(&self) -> Result<OwnedFd, DescriptorError> {
        self.recv_until(Deadline::after(Duration::ZERO))
    }

    /// Receives the next descriptor, blocking at most for `timeout`.
    ///
    /// # Errors
    ///
    /// As for [`recv_descriptor`](Self::recv_descriptor), and [`DescriptorError::TimedOut`].
    pub fn recv_descriptor_timeout(&self, timeout: Duration) -> Result<OwnedFd, DescriptorError> {
        self.recv_until(Deadline::after(timeout))
    }

    fn send_until(
        &self,
        descriptor: &impl AsFd,
        deadline: Deadline,
    ) -> Result<(), DescriptorError> {
        let socket = self.socket.as_fd();
        loop {
            match send(socket, &[IoSlice::new(&MARK)], &[descriptor.as_fd()]) {
                Ok(0) => self.await_socket(Interest::Writable, deadline)?,
                Ok(_) => return Ok(()),
                Err(error) => return Err(DescriptorError::of(error)),
            }
        }
    }

    fn recv_until(&self, deadline: Deadline) -> Result<OwnedFd, DescriptorError> {
        let mut arrived = Vec::new();
        loop {
            // One byte at a time, so that one descriptor comes at a time.
            match recv(self.socket.as_fd(), &mut [0], &mut arrived) {
                Ok(Received::Nothing) => self.await_socket(Interest::Readable, deadline)?,
                Ok(Received::End) => return Err(DescriptorError::Ended),
                Ok(Received::Bytes(_)) => return arrived.pop().ok_or(DescriptorError::Missing),
                Err(error) => return Err(DescriptorError::of(error)),
            }
        }
    }

    fn await_socket(&self, what: Interest, deadline: Deadline) -> Result<(), DescriptorError> {
        match ready(self.socket.as_fd(), what, deadline) {
            Ok(true) => Ok(()),
            Ok(false) => Err(DescriptorError::TimedOut),
            Err(error) => Err(DescriptorError::of(error)),
        }
    }
}

/// Ready when a message can be received; a descriptor is no message.
impl<Out, In> Waitable for DescriptorConnection<Out, In> {
    fn is_ready(&self) -> bool {
        self.messages.is_ready()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.messages.prepare(sleep);
    }
}

/// Why a descriptor was not passed, or not received.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptorError {
    /// There was none to receive, or no room to send one, in time.
    #[error("timed out passing a descriptor over the pipe")]
    TimedOut,
    /// The other end is gone.
    #[error("cannot pass a descriptor: the other end of the pipe is gone")]
    Ended,
    /// What arrived was no descriptor: something else writes into the pipe's socket.
    #[error("cannot receive a descriptor: what arrived on the pipe was none")]
    Missing,
    /// The system refused.
    #[error(transparent)]
    System(brigade_sys::Error),
}

impl DescriptorError {
    fn of(error: brigade_sys::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected};
        match error.source.kind() {
            BrokenPipe | ConnectionReset | NotConnected => Self::Ended,
            _ => Self::System(error),
        }
    }
}
