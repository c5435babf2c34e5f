//! What can go wrong with a list of items.

use crate::named::SharedMemoryError;

/// Why a [`ShareableList`](super::ShareableList) or one of its items could not be had or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShareableListError {
    /// The list has no such item.
    #[error("cannot reach item {index} of the list: it has {length}")]
    OutOfRange {
        /// The index asked for.
        index: isize,
        /// How many items there are.
        length: usize,
    },
    /// The item needs more room than its slot had from the start.
    #[error("cannot put {size} bytes into item {index} of the list: it has room for {capacity}")]
    TooLong {
        /// The index of the slot.
        index: isize,
        /// The bytes that the item needs.
        size: usize,
        /// The bytes that fit.
        capacity: usize,
    },
    /// The segment is not a list, or a faulty process has overwritten it.
    #[error("shared list is corrupt: {0}")]
    Corrupt(&'static str),
    /// The memory could not be had.
    #[error(transparent)]
    Memory(#[from] SharedMemoryError),
}
