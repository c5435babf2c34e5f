//! What can go wrong with a message.

use brigade_codec::{DecodeError, EncodeError};
use thiserror::Error;

/// A message that was not sent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The message cannot be encoded.
    #[error("cannot send message: {0}")]
    Encode(#[from] EncodeError),
    /// It is the other side's turn: a reply without a request.
    #[error("cannot send message: no request is waiting for a reply")]
    OutOfTurn,
    /// The peer that the message is addressed to is not there, or not any more.
    #[error("cannot send message: its peer is not connected")]
    Unreachable,
    /// The socket was inherited through a fork.
    #[error("cannot send message: the socket belongs to the parent process")]
    Forked,
    /// The library refused.
    #[error("cannot send message: {0}")]
    System(#[from] brigade_sys::Error),
}

/// A message that was not sent at once.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrySendError {
    /// Every queue is full, or nobody is connected.
    #[error("cannot send message at once: there is no room")]
    Full,
    /// The message cannot be sent.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// A message that was not sent in time.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SendTimeoutError {
    /// Every queue stayed full, or nobody connected.
    #[error("cannot send message in time: there is no room")]
    TimedOut,
    /// The message cannot be sent.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// No message, and why.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecvError {
    /// The message is no value of the expected type. The next one can be received.
    #[error("cannot receive message: {0}")]
    Decode(#[from] DecodeError),
    /// The message does not have the parts that the pattern asks for. The next one can be
    /// received.
    #[error("cannot receive message: it does not have the expected parts")]
    Malformed,
    /// The other side could not read the request, and says so.
    #[error("cannot receive message: the other side could not read the request")]
    Refused,
    /// It is this side's turn to speak: a request without a reply, or a reply without a request.
    #[error("cannot receive message: it is this side's turn to send")]
    OutOfTurn,
    /// The socket was inherited through a fork.
    #[error("cannot receive message: the socket belongs to the parent process")]
    Forked,
    /// The library refused.
    #[error("cannot receive message: {0}")]
    System(#[from] brigade_sys::Error),
}

/// No message now, and why.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TryRecvError {
    /// No message is there.
    #[error("cannot receive message at once: none is there")]
    Empty,
    /// The message that came is unusable, or none can come.
    #[error(transparent)]
    Recv(#[from] RecvError),
}

/// No message in time, and why.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecvTimeoutError {
    /// No message came in time.
    #[error("cannot receive message in time: none came")]
    TimedOut,
    /// The message that came is unusable, or none can come.
    #[error(transparent)]
    Recv(#[from] RecvError),
}
