//! Why an operation of a queue or a broadcast came to nothing, before it is told in the operation's own words.

use brigade_codec::EncodeError;

use super::error::{
    GetError, GetFailure, GetTimeoutError, PutError, PutFailure, PutTimeoutError, TryGetError,
    TryPutError,
};
use crate::channel::{GetRefusal, PutRefusal};

/// Why a put was refused, before it is told with the value.
#[derive(Debug)]
pub(crate) enum Refusal {
    Full,
    Closed,
    Failed(PutFailure),
}

impl Refusal {
    /// For a put that waits until there is room.
    pub(crate) fn for_put<T>(self, value: T) -> PutError<T> {
        match self {
            Self::Full | Self::Closed => PutError::Closed(value),
            Self::Failed(reason) => PutError::Failed { value, reason },
        }
    }

    pub(crate) fn for_try_put<T>(self, value: T) -> TryPutError<T> {
        match self {
            Self::Full => TryPutError::Full(value),
            Self::Closed => TryPutError::Closed(value),
            Self::Failed(reason) => TryPutError::Failed { value, reason },
        }
    }

    pub(crate) fn for_put_timeout<T>(self, value: T) -> PutTimeoutError<T> {
        match self {
            Self::Full => PutTimeoutError::TimedOut(value),
            Self::Closed => PutTimeoutError::Closed(value),
            Self::Failed(reason) => PutTimeoutError::Failed { value, reason },
        }
    }
}

impl From<PutRefusal> for Refusal {
    fn from(refusal: PutRefusal) -> Self {
        match refusal {
            PutRefusal::Full => Self::Full,
            PutRefusal::Closed => Self::Closed,
            PutRefusal::Failed(error) => Self::Failed(PutFailure::Memory(error)),
        }
    }
}

impl From<EncodeError> for Refusal {
    fn from(error: EncodeError) -> Self {
        Self::Failed(error.into())
    }
}

/// Why a get has nothing to return.
#[derive(Debug)]
pub(crate) enum Missed {
    Empty,
    Closed,
    Failed(GetFailure),
}

impl From<GetRefusal> for Missed {
    fn from(refusal: GetRefusal) -> Self {
        match refusal {
            GetRefusal::Empty => Self::Empty,
            GetRefusal::Closed => Self::Closed,
            GetRefusal::Failed(error) => Self::Failed(GetFailure::Memory(error)),
        }
    }
}

/// Of a get that waits until there is a value.
impl From<Missed> for GetError {
    fn from(missed: Missed) -> Self {
        match missed {
            Missed::Empty | Missed::Closed => Self::Closed,
            Missed::Failed(failure) => Self::Failed(failure),
        }
    }
}

impl From<Missed> for TryGetError {
    fn from(missed: Missed) -> Self {
        match missed {
            Missed::Empty => Self::Empty,
            Missed::Closed => Self::Closed,
            Missed::Failed(failure) => Self::Failed(failure),
        }
    }
}

impl From<Missed> for GetTimeoutError {
    fn from(missed: Missed) -> Self {
        match missed {
            Missed::Empty => Self::TimedOut,
            Missed::Closed => Self::Closed,
            Missed::Failed(failure) => Self::Failed(failure),
        }
    }
}
