//! What can go wrong with a map.

use brigade_codec::{DecodeError, EncodeError};

use crate::error::Error;

/// Why a [`Map`](super::Map) or one of its entries could not be had or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// The key cannot be serialized.
    #[error("cannot look up a key that cannot be serialized: {0}")]
    Key(EncodeError),
    /// The value cannot be serialized.
    #[error("cannot put a value that cannot be serialized into a map: {0}")]
    Value(EncodeError),
    /// The key or the value holds a handle of a shared object.
    #[error("cannot put a handle of a shared object into a map: its entries are plain data")]
    Handle,
    /// What lies in the map is no key or value of the map's types.
    #[error("cannot read an entry of a map: {0}")]
    Decode(DecodeError),
    /// The shared memory failed.
    #[error("cannot use a map: {0}")]
    Memory(#[from] Error),
}
