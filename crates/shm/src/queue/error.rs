//! Why a queue did not take a value, or had none to give.

use std::fmt;

use brigade_codec::{DecodeError, EncodeError};

use crate::error::Error;

/// What went wrong with a value that was to be put.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PutFailure {
    /// The value cannot be serialized.
    #[error("cannot put a value that cannot be serialized: {0}")]
    Encode(#[from] EncodeError),
    /// The shared memory failed.
    #[error("cannot put: {0}")]
    Memory(Error),
}

/// What went wrong with a value that was to be taken. The value is lost.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GetFailure {
    /// The bytes are no value of the queue's type.
    #[error("cannot get a value that cannot be deserialized: {0}")]
    Decode(DecodeError),
    /// The shared memory failed.
    #[error("cannot get: {0}")]
    Memory(Error),
}

/// Why [`Queue::put`](super::Queue::put) refused a value.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PutError<T> {
    /// The queue is closed, or its consumers are gone.
    #[error("cannot put into a closed queue")]
    Closed(T),
    /// The value or the memory is at fault.
    #[error("{reason}")]
    Failed {
        /// The value.
        value: T,
        /// What is wrong.
        reason: PutFailure,
    },
}

/// Why [`Queue::try_put`](super::Queue::try_put) refused a value.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum TryPutError<T> {
    /// There is no room.
    #[error("cannot put into a full queue")]
    Full(T),
    /// The queue is closed, or its consumers are gone.
    #[error("cannot put into a closed queue")]
    Closed(T),
    /// The value or the memory is at fault.
    #[error("{reason}")]
    Failed {
        /// The value.
        value: T,
        /// What is wrong.
        reason: PutFailure,
    },
}

/// Why [`Queue::put_timeout`](super::Queue::put_timeout) refused a value.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PutTimeoutError<T> {
    /// There was no room in time.
    #[error("timed out waiting for room in the queue")]
    TimedOut(T),
    /// The queue is closed, or its consumers are gone.
    #[error("cannot put into a closed queue")]
    Closed(T),
    /// The value or the memory is at fault.
    #[error("{reason}")]
    Failed {
        /// The value.
        value: T,
        /// What is wrong.
        reason: PutFailure,
    },
}

/// Why [`Queue::get`](super::Queue::get) returned no value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GetError {
    /// The queue is empty and nobody will put into it.
    #[error("the queue is empty and closed")]
    Closed,
    /// The value or the memory is at fault.
    #[error(transparent)]
    Failed(GetFailure),
}

/// Why [`Queue::try_get`](super::Queue::try_get) returned no value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TryGetError {
    /// There is no value yet.
    #[error("the queue is empty")]
    Empty,
    /// The queue is empty and nobody will put into it.
    #[error("the queue is empty and closed")]
    Closed,
    /// The value or the memory is at fault.
    #[error(transparent)]
    Failed(GetFailure),
}

/// Why [`Queue::get_timeout`](super::Queue::get_timeout) returned no value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GetTimeoutError {
    /// There was no value in time.
    #[error("timed out waiting for a value in the queue")]
    TimedOut,
    /// The queue is empty and nobody will put into it.
    #[error("the queue is empty and closed")]
    Closed,
    /// The value or the memory is at fault.
    #[error(transparent)]
    Failed(GetFailure),
}

/// Why not all values of a [`put_all`](super::Queue::put_all) were put. The others were.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PutAllError<T> {
    /// There is no room for these, or was none in time.
    #[error("cannot put {} more values into a full queue", .0.len())]
    Full(Vec<T>),
    /// The queue is closed, or its consumers are gone.
    #[error("cannot put {} more values into a closed queue", .0.len())]
    Closed(Vec<T>),
    /// The first of these values or the memory is at fault.
    #[error("{reason}")]
    Failed {
        /// The values that were not put.
        values: Vec<T>,
        /// What is wrong.
        reason: PutFailure,
    },
}

/// Why [`Queue::get_many`](super::Queue::get_many) did not return all that it took.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum GetManyError<T> {
    /// There is no value yet, or was none in time.
    #[error("the queue is empty")]
    Empty,
    /// The queue is empty and nobody will put into it.
    #[error("the queue is empty and closed")]
    Closed,
    /// At least one of the values or the memory is at fault.
    #[error("{reason}")]
    Failed {
        /// The values that could be read, in order. The others are lost.
        values: Vec<T>,
        /// What is wrong with the first of the others.
        reason: GetFailure,
    },
}

/// The value may not be printable, so an error shows its own name only.
impl<T> fmt::Debug for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<T> fmt::Debug for TryPutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<T> fmt::Debug for PutTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<T> fmt::Debug for PutAllError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<T> fmt::Debug for GetManyError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
