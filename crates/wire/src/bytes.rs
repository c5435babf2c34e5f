//! Messages as plain bytes, for those who bring their own format.
//!
//! A message sent as bytes and one sent as a value are the same on the wire: what
//! [`Connection::send_bytes`] sends, [`Connection::recv`] tries to decode.

use std::time::Duration;

use brigade_sys::time::Deadline;

use crate::connection::Connection;
use crate::error::{
    RecvError, RecvIntoError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError,
};
use crate::frame::HEADER;
use crate::inbox::Frame;
use crate::outbox::Progress;

impl<S: ?Sized, R> Connection<S, R> {
    /// Sends `bytes` as one message, and waits while there is no room. An empty message is one.
    ///
    /// # Errors
    ///
    /// [`SendError`]; nothing of the message has been sent, or the connection is of no more use.
    ///
    /// # Examples
    ///
    /// ```
    /// use brigade_wire::Connection;
    ///
    /// let (one, two) = Connection::<()>::pair()?;
    /// one.send_bytes(b"abcdef")?;
    /// one.send_bytes(&b"abcdef"[2..4])?;
    /// one.send_bytes(b"")?;
    /// assert_eq!(two.recv_bytes()?, b"abcdef");
    /// assert_eq!(two.recv_bytes()?, b"cd");
    /// assert_eq!(two.recv_bytes()?, b"");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_bytes(&self, bytes: &[u8]) -> Result<(), SendError> {
        self.sender.send_frame(unsealed(bytes), &[], Deadline::NEVER).map(drop)
    }

    /// Sends `bytes` as one message, and waits at most `timeout` for room.
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError`]; see there for a message that found room in part.
    pub fn send_bytes_timeout(
        &self,
        bytes: &[u8],
        timeout: Duration,
    ) -> Result<(), SendTimeoutError> {
        match self.sender.send_frame(unsealed(bytes), &[], Deadline::after(timeout))? {
            Progress::Done => Ok(()),
            Progress::Begun => Err(SendTimeoutError::Unfinished),
            Progress::NotBegun => Err(SendTimeoutError::TimedOut),
        }
    }

    /// Receives the bytes of the next message, and waits for it. Its descriptors are closed.
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    pub fn recv_bytes(&self) -> Result<Vec<u8>, RecvError> {
        self.frame(Deadline::NEVER)?.map(Frame::into_bytes).ok_or(RecvError::EndOfStream)
    }

    /// Receives the bytes of the next message if it is there, whole.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`]; with [`Empty`](TryRecvError::Empty) nothing is lost.
    pub fn try_recv_bytes(&self) -> Result<Vec<u8>, TryRecvError> {
        let frame = self.frame(Deadline::after(Duration::ZERO))?;
        frame.map(Frame::into_bytes).ok_or(TryRecvError::Empty)
    }

    /// Receives the bytes of the next message, and waits at most `timeout` until it is there,
    /// whole.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`]; with [`TimedOut`](RecvTimeoutError::TimedOut) nothing is lost.
    pub fn recv_bytes_timeout(&self, timeout: Duration) -> Result<Vec<u8>, RecvTimeoutError> {
        let frame = self.frame(Deadline::after(timeout))?;
        frame.map(Frame::into_bytes).ok_or(RecvTimeoutError::TimedOut)
    }

    /// Receives the next message into the front of `buffer` and returns its length; the rest of
    /// `buffer` is left alone.
    ///
    /// # Errors
    ///
    /// [`RecvIntoError`]; a message that is longer than `buffer` comes whole in the error.
    ///
    /// # Examples
    ///
    /// ```
    /// use brigade_wire::{Connection, RecvIntoError};
    ///
    /// let (one, two) = Connection::<()>::pair()?;
    /// one.send_bytes(b"abc")?;
    /// let mut buffer = *b"......";
    /// assert_eq!(two.recv_bytes_into(&mut buffer[2..])?, 3);
    /// assert_eq!(&buffer, b"..abc.");
    ///
    /// one.send_bytes(b"far too long")?;
    /// let error = two.recv_bytes_into(&mut buffer).unwrap_err();
    /// assert!(matches!(error, RecvIntoError::BufferTooShort(message) if message == b"far too long"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_bytes_into(&self, buffer: &mut [u8]) -> Result<usize, RecvIntoError> {
        let frame = self.frame(Deadline::NEVER)?.ok_or(RecvError::EndOfStream)?;
        let bytes = frame.bytes();
        let Some(place) = buffer.get_mut(..bytes.len()) else {
            return Err(RecvIntoError::BufferTooShort(frame.into_bytes()));
        };
        place.copy_from_slice(bytes);
        let len = bytes.len();
        self.receiver.recycle(frame);
        Ok(len)
    }

    fn frame(&self, deadline: Deadline) -> Result<Option<Frame>, RecvError> {
        self.receiver.recv_frame(deadline, || self.push())
    }
}

/// A frame with `bytes` and space for its header.
fn unsealed(bytes: &[u8]) -> Vec<u8> {
    [&[0; HEADER], bytes].concat()
}
