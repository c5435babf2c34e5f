//! A slot: where an element of an array or a list lies, small or large.

use brigade_sys::atomic::AtomicU64;

use super::cell::Cell;
use super::words;
use crate::plain::Plain;

/// The place of one element.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slot {
    /// At most eight bytes: read and written at once.
    Small(Cell),
    /// A row of words, which needs a [`Journal`](super::journal::Journal).
    Large(&'static [AtomicU64]),
}

impl Slot {
    /// How many bytes one element takes, with what is left free behind it.
    pub(super) const fn stride<T>() -> usize {
        match Cell::width::<T>() {
            Some(width) => width,
            None => Self::words::<T>() * 8,
        }
    }

    /// How many words a large element has; zero for a small one.
    pub(super) const fn words<T>() -> usize {
        if Cell::width::<T>().is_some() { 0 } else { words::words_for(size_of::<T>()) }
    }

    /// The element, or a mixture of two if it is large and being written.
    #[inline]
    pub(super) fn load<T: Plain>(self) -> T {
        match self {
            Self::Small(cell) => cell.load(),
            Self::Large(row) => words::load(row),
        }
    }

    /// Writes the element where nobody reads it yet.
    #[inline]
    pub(super) fn fill<T: Plain>(self, value: &T) {
        match self {
            Self::Small(cell) => cell.store(*value),
            Self::Large(row) => words::store_bytes(row, value.as_bytes()),
        }
    }
}
