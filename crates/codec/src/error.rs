//! Why a value could not become bytes, or bytes a value.

use thiserror::Error;

use crate::carry::NotCarried;

/// A value that could not be encoded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The value needs more than [`LIMIT`](crate::LIMIT) bytes.
    #[error("cannot encode value: it needs more than {limit} bytes")]
    TooLarge {
        /// How many bytes a value may have.
        limit: usize,
    },
    /// A descriptor in the value could not be attached.
    #[error("cannot encode value: {0}")]
    NotCarried(#[from] NotCarried),
    /// The value's own serializer refused, or the byte format has no form for it.
    #[error("cannot encode value: {0}")]
    Refused(String),
}

/// Bytes that are not the encoding of a value of the expected type.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end inside the value.
    #[error("cannot decode value: the message ends inside it")]
    Truncated,
    /// Bytes are left over after the value.
    #[error("cannot decode value: {bytes} bytes follow it")]
    Trailing {
        /// How many bytes are left over.
        bytes: usize,
    },
    /// The message is larger than a message may be, or says that it is.
    #[error("cannot decode value: it claims more than {limit} bytes")]
    TooLarge {
        /// How many bytes a value may have.
        limit: usize,
    },
    /// The value is nested more than [`DEPTH`](crate::DEPTH) levels deep.
    #[error("cannot decode value: it is nested more than {limit} levels deep")]
    TooDeep {
        /// How many levels a value may have.
        limit: u32,
    },
    /// The value claims more elements than its bytes could hold; see
    /// [`SPARE_ELEMENTS`](crate::SPARE_ELEMENTS).
    #[error("cannot decode value: it claims more elements than its bytes could hold")]
    TooManyElements,
    /// A descriptor of the value is not there.
    #[error("cannot decode value: {0}")]
    NotCarried(#[from] NotCarried),
    /// The bytes are no value of the expected type.
    #[error("cannot decode value: {0}")]
    Invalid(String),
}
