//! What can go wrong with a message, for each way to send or receive one.

use brigade_codec::{DecodeError, EncodeError};
use thiserror::Error;

/// A message that was not sent. Nothing of it has left.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The message cannot be encoded.
    #[error("cannot send message: {0}")]
    Encode(#[from] EncodeError),
    /// The message is longer than the connection allows.
    #[error("cannot send message: it has {len} bytes, and the connection allows {limit}")]
    TooLarge {
        /// How many bytes it has.
        len: usize,
        /// How many it may have.
        limit: usize,
    },
    /// The message holds descriptors, and this connection cannot pass them.
    #[error("cannot send message: descriptors travel over unix sockets, and this one is TCP")]
    DescriptorsOverTcp,
    /// The other end has closed, or its process is dead.
    #[error("cannot send message: the other end has closed")]
    Disconnected,
    /// The system refused.
    #[error("cannot send message: {0}")]
    System(#[from] brigade_sys::Error),
}

/// A message that was not sent at once.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrySendError {
    /// There is no room now. Nothing of the message has left.
    #[error("cannot send message at once: there is no room")]
    Full,
    /// The message has begun to leave, and must not be sent again. Its rest is kept, and leaves
    /// with whatever is done next with the connection; if that is to drop it, the rest is lost and
    /// the receiver gets [`RecvError::Truncated`].
    #[error("cannot send message at once: it has begun to leave")]
    Unfinished,
    /// The message cannot be sent.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// A message that was not sent in time.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SendTimeoutError {
    /// There was no room in time. Nothing of the message has left.
    #[error("cannot send message in time: there is no room")]
    TimedOut,
    /// The message has begun to leave, and must not be sent again. Its rest is kept, and leaves
    /// with whatever is done next with the connection; if that is to drop it, the rest is lost and
    /// the receiver gets [`RecvError::Truncated`].
    #[error("cannot send message in time: it has begun to leave")]
    Unfinished,
    /// The message cannot be sent.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// No message, and why.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecvError {
    /// The other end has closed, or its process is dead, and every message has been received.
    #[error("cannot receive message: the stream has ended")]
    EndOfStream,
    /// The stream ended within a message: its sender died.
    #[error("cannot receive message: the stream ended within it")]
    Truncated,
    /// The other end announced a message longer than the connection allows. Nothing more can be
    /// received.
    #[error("cannot receive message: it has {len} bytes, and the connection allows {limit}")]
    TooLarge {
        /// How many bytes were announced.
        len: usize,
        /// How many it may have.
        limit: usize,
    },
    /// The other end does not speak brigade's protocol. Nothing more can be received.
    #[error("cannot receive message: {reason}")]
    Corrupt {
        /// What is wrong.
        reason: &'static str,
    },
    /// The message is no value of the expected type. The next one can be received.
    #[error("cannot receive message: {0}")]
    Decode(#[from] DecodeError),
    /// The system refused.
    #[error("cannot receive message: {0}")]
    System(#[from] brigade_sys::Error),
}

/// No message now, and why.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TryRecvError {
    /// No whole message is there.
    #[error("cannot receive message at once: none is there")]
    Empty,
    /// No message will come, or the one that came is unusable.
    #[error(transparent)]
    Recv(#[from] RecvError),
}

/// No message in time, and why.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecvTimeoutError {
    /// No whole message came in time. What came of it is kept.
    #[error("cannot receive message in time: none came")]
    TimedOut,
    /// No message will come, or the one that came is unusable.
    #[error(transparent)]
    Recv(#[from] RecvError),
}

/// No message in the caller's buffer, and why.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecvIntoError {
    /// The message is longer than the buffer. Here it is, whole; the next one can be received.
    #[error("cannot receive message: the buffer is too short for its {} bytes", .0.len())]
    BufferTooShort(Vec<u8>),
    /// No message will come.
    #[error(transparent)]
    Recv(#[from] RecvError),
}
