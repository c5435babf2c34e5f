//! A cell: a value of at most eight bytes, as one atomic.
//!
//! | word                             | meaning   |
//! |----------------------------------|-----------|
//! | the value's bytes, lowest first  | the value |
//!
//! # Why no wake-up is lost
//!
//! Nobody sleeps here.
//!
//! # What a dead process leaves
//!
//! Every operation changes the cell by one store or one exchange: it happened or it did not.

use brigade_sys::atomic::Ordering::{AcqRel, Acquire, Release};
use brigade_sys::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64};
use brigade_sys::kill_point::kill_point;
use brigade_sys::memory::Mapping;

use super::number::Number;
use crate::plain::Plain;

#[cfg(target_endian = "big")]
compile_error!("a cell holds its bytes lowest first");

/// An atomic of the smallest width that holds the value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell {
    One(&'static AtomicU8),
    Two(&'static AtomicU16),
    Four(&'static AtomicU32),
    Eight(&'static AtomicU64),
}

/// Runs an operation on the atomic, whatever its width.
macro_rules! at_width {
    ($cell:expr, $atomic:ident => $operation:expr) => {
        match $cell {
            Cell::One($atomic) => $operation,
            Cell::Two($atomic) => $operation,
            Cell::Four($atomic) => $operation,
            Cell::Eight($atomic) => $operation,
        }
    };
}

// A word goes into a narrower atomic by `as`: what is cut off is zero, since the width is chosen to
// hold all bytes of the value.
#[allow(clippy::useless_conversion, reason = "one text for four widths")]
impl Cell {
    /// The bytes of a cell for a `T`; `None` when it needs more than one atomic.
    pub(super) const fn width<T>() -> Option<usize> {
        match size_of::<T>() {
            0 => Some(1),
            size if size <= 8 => Some(size.next_power_of_two()),
            _ => None,
        }
    }

    /// The cell for a `T` at `offset`; `None` when it would not lie aligned inside the memory.
    #[inline]
    pub(super) fn at<T>(mapping: &'static Mapping, offset: usize) -> Option<Self> {
        Some(match const { Self::width::<T>() }? {
            1 => Self::One(mapping.get(offset)?),
            2 => Self::Two(mapping.get(offset)?),
            4 => Self::Four(mapping.get(offset)?),
            _ => Self::Eight(mapping.get(offset)?),
        })
    }

    #[inline]
    pub(super) fn load<T: Plain>(self) -> T {
        // PAIR cell: what was written before the value was is visible to who reads it.
        value(at_width!(self, atomic => u64::from(atomic.load(Acquire))))
    }

    #[inline]
    pub(super) fn store<T: Plain>(self, new: T) {
        kill_point("cell.store");
        // PAIR cell: with the loads and exchanges in this file.
        at_width!(self, atomic => atomic.store(word(new) as _, Release));
        kill_point("cell.stored");
    }

    /// Puts `new` in if the bytes are those of `expected`; returns the value that was there.
    #[inline]
    pub(super) fn compare_exchange<T: Plain>(self, expected: T, new: T) -> Result<T, T> {
        let (expected, new) = (word(expected), word(new));
        kill_point("cell.exchange");
        // PAIR cell: reads like `load`, writes like `store`.
        let result = at_width!(self, atomic => atomic
            .compare_exchange(expected as _, new as _, AcqRel, Acquire)
            .map(u64::from)
            .map_err(u64::from));
        kill_point("cell.exchanged");
        result.map(value).map_err(value)
    }

    /// Changes the value by `change`, which runs again when another change came between.
    #[inline]
    pub(super) fn update<T: Plain, R>(self, mut change: impl FnMut(&mut T) -> R) -> R {
        let mut old = self.load();
        loop {
            let mut new = old;
            let result = change(&mut new);
            match self.compare_exchange(old, new) {
                Ok(_) => return result,
                Err(actual) => old = actual,
            }
        }
    }

    /// Puts `new` in and returns the value that was there.
    #[inline]
    pub(super) fn swap<T: Plain>(self, new: T) -> T {
        kill_point("cell.swap");
        // PAIR cell: reads like `load`, writes like `store`.
        let old = at_width!(self, atomic => u64::from(atomic.swap(word(new) as _, AcqRel)));
        kill_point("cell.swapped");
        value(old)
    }

    /// Adds `amount` and returns the value that was there. Integers wrap around.
    #[inline]
    pub(super) fn fetch_add<T: Number>(self, amount: T) -> T {
        if !T::IS_INTEGER {
            return self.update(|value: &mut T| {
                let old = *value;
                *value = old.plus(amount);
                old
            });
        }
        kill_point("cell.add");
        // PAIR cell: reads like `load`, writes like `store`.
        let old = at_width!(self, atomic => u64::from(atomic.fetch_add(word(amount) as _, AcqRel)));
        kill_point("cell.added");
        value(old)
    }
}

/// Cells one behind the other.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cells {
    One(&'static [AtomicU8]),
    Two(&'static [AtomicU16]),
    Four(&'static [AtomicU32]),
    Eight(&'static [AtomicU64]),
}

/// Runs an operation on the slice of atomics, whatever their width.
macro_rules! for_width {
    ($cells:expr, $atomics:ident => $operation:expr) => {
        match $cells {
            Cells::One($atomics) => $operation,
            Cells::Two($atomics) => $operation,
            Cells::Four($atomics) => $operation,
            Cells::Eight($atomics) => $operation,
        }
    };
}

#[allow(clippy::useless_conversion, reason = "one text for four widths")]
impl Cells {
    /// `count` cells for a `T` each from `offset` on; `None` as for [`Cell::at`].
    pub(super) fn at<T>(mapping: &'static Mapping, offset: usize, count: usize) -> Option<Self> {
        Some(match const { Cell::width::<T>() }? {
            1 => Self::One(mapping.slice(offset, count)?),
            2 => Self::Two(mapping.slice(offset, count)?),
            4 => Self::Four(mapping.slice(offset, count)?),
            _ => Self::Eight(mapping.slice(offset, count)?),
        })
    }

    /// The cell at `index`, if there is one.
    #[inline]
    pub(super) fn get<T>(self, index: usize) -> Option<Cell> {
        // Only one of these is compiled: the width is known.
        match (const { Cell::width::<T>() }, self) {
            (Some(1), Self::One(cells)) => cells.get(index).map(Cell::One),
            (Some(2), Self::Two(cells)) => cells.get(index).map(Cell::Two),
            (Some(4), Self::Four(cells)) => cells.get(index).map(Cell::Four),
            (Some(8), Self::Eight(cells)) => cells.get(index).map(Cell::Eight),
            _ => None,
        }
    }

    /// Loads one after the other from cell `start` on.
    ///
    /// # Panics
    ///
    /// Panics when `start` is behind the last cell.
    pub(super) fn load_all<T: Plain>(self, start: usize, values: &mut [T]) {
        for_width!(self, cells => {
            for (one, cell) in values.iter_mut().zip(&cells[start..]) {
                // PAIR cell: as in `Cell::load`.
                *one = value(u64::from(cell.load(Acquire)));
            }
        });
    }

    /// Stores one after the other from cell `start` on.
    ///
    /// # Panics
    ///
    /// Panics when `start` is behind the last cell.
    pub(super) fn store_all<T: Plain>(self, start: usize, values: impl Iterator<Item = T>) {
        for_width!(self, cells => {
            for (cell, one) in cells[start..].iter().zip(values) {
                // PAIR cell: as in `Cell::store`.
                cell.store(word(one) as _, Release);
                kill_point("cell.stored");
            }
        });
    }
}

/// The value's bytes as a word, lowest first, the rest zero.
#[inline]
fn word<T: Plain>(value: T) -> u64 {
    let mut bytes = [0; 8];
    bytes[..size_of::<T>()].copy_from_slice(value.as_bytes());
    u64::from_le_bytes(bytes)
}

#[inline]
fn value<T: Plain>(word: u64) -> T {
    let mut value = T::new_zeroed();
    value.as_mut_bytes().copy_from_slice(&word.to_le_bytes()[..size_of::<T>()]);
    value
}
