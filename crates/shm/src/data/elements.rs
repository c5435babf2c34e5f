//! Elements: plain values one behind the other, small or large.

use brigade_sys::atomic::AtomicU64;
use brigade_sys::memory::Mapping;

use super::cell::Cells;
use super::slot::Slot;
use crate::plain::Plain;

/// Where some elements lie.
#[derive(Clone, Copy, Debug)]
pub(super) enum Elements {
    /// At most eight bytes each.
    Small(Cells),
    /// One row of words behind the other.
    Large(&'static [AtomicU64]),
}

impl Elements {
    /// `count` elements from `offset` on; `None` when they would not lie aligned inside the memory.
    #[inline]
    pub(super) fn at<T: Plain>(
        mapping: &'static Mapping,
        offset: usize,
        count: usize,
    ) -> Option<Self> {
        match const { Slot::words::<T>() } {
            0 => Cells::at::<T>(mapping, offset, count).map(Self::Small),
            words => mapping.slice(offset, count.checked_mul(words)?).map(Self::Large),
        }
    }

    /// The element at `index`, if there is one. The only look at bounds on the way to an element.
    #[inline]
    pub(super) fn get<T: Plain>(&self, index: usize) -> Option<Slot> {
        match (const { Slot::words::<T>() }, self) {
            (0, Self::Small(cells)) => cells.get::<T>(index).map(Slot::Small),
            (1.., Self::Large(rows)) => {
                let words = const { Slot::words::<T>() };
                rows.get(index.checked_mul(words)?..)?.get(..words).map(Slot::Large)
            }
            _ => None,
        }
    }

    /// Copies the elements from `start` on to all of `values`, each of which may be a mixture of two
    /// if it is large and being written.
    ///
    /// # Panics
    ///
    /// Panics when there are fewer.
    pub(super) fn load<T: Plain>(self, start: usize, values: &mut [T]) {
        match self {
            Self::Small(cells) => cells.load_all(start, values),
            Self::Large(_) => {
                for (index, value) in (start..).zip(values) {
                    *value = self.at_least::<T>(index).load();
                }
            }
        }
    }

    /// Copies `values` to the elements from `start` on, where nobody reads them yet or each by
    /// itself.
    ///
    /// # Panics
    ///
    /// Panics when there are fewer.
    pub(super) fn fill<T: Plain>(self, start: usize, values: &[T]) {
        match self {
            Self::Small(cells) => cells.store_all(start, values.iter().copied()),
            Self::Large(_) => {
                for (index, value) in (start..).zip(values) {
                    self.at_least::<T>(index).fill(value);
                }
            }
        }
    }

    fn at_least<T: Plain>(self, index: usize) -> Slot {
        self.get::<T>(index).expect("the caller has seen that there are as many elements")
    }
}
