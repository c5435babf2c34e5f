//! The array: a fixed number of plain values that processes share.
//!
//! | elements of      | are            | and are changed by                        |
//! |------------------|----------------|-------------------------------------------|
//! | up to eight bytes| one [`Cell`](super::cell::Cell) each | one store or exchange |
//! | more             | a row of words | the [`Journal`]                           |
//!
//! # Why no wake-up is lost
//!
//! Nobody sleeps here but on the journal's lock.
//!
//! # What a dead process leaves
//!
//! Each element as it was before or after a change: see [`Cell`](super::cell::Cell) and
//! [`Journal`].

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};

use brigade_sys::atomic::AtomicU64;
use brigade_sys::atomic::Ordering::Relaxed;
use brigade_sys::memory::Shareable;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::cell::Cells;
use super::journal::{Journal, Locked};
use super::number::Number;
use super::slot::Slot;
use crate::arena::block::Kind;
use crate::arena::heap::{MAX_LENGTH, Plan};
use crate::error::Error;
use crate::handle::Handle;
use crate::plain::{Plain, shape_of};

/// What lies in the block. The note of the journal and the elements follow it.
#[repr(C, align(64))]
struct Shared {
    journal: Journal,
    length: AtomicU64,
}

// SAFETY: shareable parts throughout; all zeros is an array without elements.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Shared {}

/// A fixed number of plain values that processes share.
///
/// Each element is read and written as a whole; several elements are not, unless each of them is
/// changed by [`update`](Self::update). Elements of at most eight bytes are read and written
/// without a lock.
///
/// # Process death
///
/// A process that dies while it changes an element leaves the old one or the new one; of several
/// elements, the first ones new and the rest old. It never keeps the others waiting, and there is
/// nothing to recover.
///
/// # Examples
///
/// ```
/// use brigade_shm::Array;
///
/// let scores = Array::from_slice(&[3_i32, 5, 8])?;
/// scores.set(0, 4)?;
/// scores.fetch_add(2, 1)?;
/// assert_eq!(scores.to_vec(), [4, 5, 9]);
/// assert_eq!(scores.get(3), None);
/// assert!(scores.set(3, 0).is_err());
/// # Ok::<(), brigade_shm::Error>(())
/// ```
pub struct Array<T: Plain> {
    handle: Handle,
    shared: &'static Shared,
    length: usize,
    elements: Elements,
    plain: PhantomData<T>,
}

/// Where the elements lie.
#[derive(Clone, Copy)]
enum Elements {
    Small(Cells),
    /// One row behind the other, and the note of the journal.
    Large {
        rows: &'static [AtomicU64],
        note: &'static [AtomicU64],
    },
}

impl<T: Plain> Clone for Array<T> {
    /// Returns another handle of the same array.
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), plain: PhantomData, ..*self }
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for Array<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T: Plain> Array<T> {
    /// Creates an array of `length` elements whose bytes are all zero.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory for it.
    pub fn zeroed(length: usize) -> Result<Self, Error> {
        let size = length
            .checked_mul(Slot::stride::<T>())
            .and_then(|size| size.checked_add(Self::elements()))
            .ok_or(Error::TooLarge { size: usize::MAX, limit: MAX_LENGTH })?;
        let plan = Plan { kind: Kind::Array, shape: shape_of::<T>(), length: size, parts: 0 };
        let handle = Handle::create(plan)?;
        Self::shared_of(&handle)?.length.store(length as u64, Relaxed);
        Self::from_handle(handle)
    }

    /// Creates an array of the values in `values`.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory for it.
    pub fn from_slice(values: &[T]) -> Result<Self, Error> {
        let array = Self::zeroed(values.len())?;
        array.write_all(0, values.iter().copied());
        Ok(array)
    }

    /// How many elements the array has.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether the array has no elements.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The element at `index`, if there is one.
    #[inline]
    pub fn get(&self, index: usize) -> Option<T> {
        (index < self.length).then(|| self.read(index))
    }

    /// Replaces the element at `index`.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`].
    ///
    /// # Deadlock
    ///
    /// Inside the closure of [`update`](Self::update), a call for elements of more than eight bytes
    /// waits for ever.
    #[inline]
    pub fn set(&self, index: usize, value: T) -> Result<(), Error> {
        self.check(index)?;
        match self.slot(index) {
            slot @ Slot::Small(_) => slot.fill(&value),
            Slot::Large(row) => self.lock().write(index, row, value.as_bytes()),
        }
        Ok(())
    }

    /// Changes the element at `index` by `change`, under the array's lock, and returns what
    /// `change` returns.
    ///
    /// No other update of the array runs meanwhile. If an element of at most eight bytes is set or
    /// added to meanwhile, `change` runs again on the newer one.
    ///
    /// # Process death
    ///
    /// A process that dies in `change` leaves the element as it was before, and the lock free.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`].
    ///
    /// # Panics
    ///
    /// Panics when `change` does; the element then is as it was before.
    ///
    /// # Deadlock
    ///
    /// A `change` that updates an element of the same array waits for ever.
    #[doc(alias = "get_lock")]
    pub fn update<R>(&self, index: usize, mut change: impl FnMut(&mut T) -> R) -> Result<R, Error> {
        self.check(index)?;
        let locked = self.lock();
        match self.slot(index) {
            Slot::Small(cell) => Ok(cell.update(change)),
            slot @ Slot::Large(row) => {
                let mut value = slot.load();
                let result = change(&mut value);
                locked.write(index, row, value.as_bytes());
                Ok(result)
            }
        }
    }

    /// Replaces all elements by `value`, one after the other.
    pub fn fill(&self, value: T) {
        self.write_all(0, std::iter::repeat_n(value, self.length));
    }

    /// Replaces the elements from `start` on by `values`, one after the other.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] when they are more than there are; then none is replaced.
    pub fn copy_from_slice(&self, start: usize, values: &[T]) -> Result<(), Error> {
        self.check_range(start, values.len())?;
        self.write_all(start, values.iter().copied());
        Ok(())
    }

    /// Copies the elements from `start` on to all of `values`, one after the other.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] when there are fewer.
    pub fn copy_to_slice(&self, start: usize, values: &mut [T]) -> Result<(), Error> {
        self.check_range(start, values.len())?;
        self.read_all(start, values);
        Ok(())
    }

    /// The elements in `range`, read one after the other.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] when not all of the range is in the array.
    #[doc(alias = "__getitem__")]
    pub fn range(&self, range: impl RangeBounds<usize>) -> Result<Vec<T>, Error> {
        let start = match range.start_bound() {
            Bound::Included(&start) => start,
            Bound::Excluded(&before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&last) => last.saturating_add(1),
            Bound::Excluded(&end) => end,
            Bound::Unbounded => self.length,
        };
        let mut values = vec![T::new_zeroed(); self.checked_range(start, end)?];
        self.read_all(start, &mut values);
        Ok(values)
    }

    /// All elements, read one after the other.
    pub fn to_vec(&self) -> Vec<T> {
        let mut values = vec![T::new_zeroed(); self.length];
        self.read_all(0, &mut values);
        values
    }

    /// Reads the elements one after the other, each when its turn comes.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = T> + ExactSizeIterator {
        (0..self.length).map(|index| self.read(index))
    }

    #[inline]
    fn read(&self, index: usize) -> T {
        match self.slot(index) {
            Slot::Small(cell) => cell.load(),
            slot @ Slot::Large(_) => self.shared.journal.read(|| slot.load(), || self.lock()),
        }
    }

    fn read_all(&self, start: usize, values: &mut [T]) {
        match self.elements {
            Elements::Small(cells) => cells.load_all(start, values),
            Elements::Large { .. } => {
                for (index, value) in (start..).zip(values) {
                    *value = self.read(index);
                }
            }
        }
    }

    fn write_all(&self, start: usize, values: impl Iterator<Item = T>) {
        match self.elements {
            Elements::Small(cells) => cells.store_all(start, values),
            Elements::Large { rows, .. } => {
                let locked = self.lock();
                for (index, value) in (start..).zip(values) {
                    locked.write(index, row_of::<T>(rows, index), value.as_bytes());
                }
            }
        }
    }

    fn lock(&self) -> Locked<'static> {
        let (rows, note) = match self.elements {
            Elements::Small(_) => (&[][..], &[][..]),
            Elements::Large { rows, note } => (rows, note),
        };
        let row = |index| (index < self.length).then(|| row_of::<T>(rows, index));
        self.shared.journal.lock(note, row)
    }

    /// # Panics
    ///
    /// Panics when there is no such element: the callers have looked.
    #[inline]
    fn slot(&self, index: usize) -> Slot {
        match self.elements {
            Elements::Small(cells) => Slot::Small(cells.get(index)),
            Elements::Large { rows, .. } => Slot::Large(row_of::<T>(rows, index)),
        }
    }

    fn check(&self, index: usize) -> Result<(), Error> {
        if index < self.length { Ok(()) } else { Err(self.out_of_range(index)) }
    }

    fn check_range(&self, start: usize, count: usize) -> Result<(), Error> {
        match start.checked_add(count) {
            Some(end) if end <= self.length => Ok(()),
            end => Err(self.out_of_range(end.map_or(usize::MAX, |end| end.saturating_sub(1)))),
        }
    }

    /// How many elements lie from `start` to before `end`.
    fn checked_range(&self, start: usize, end: usize) -> Result<usize, Error> {
        let count = end.saturating_sub(start);
        self.check_range(start, count).map(|()| count)
    }

    fn out_of_range(&self, index: usize) -> Error {
        Error::OutOfRange { kind: "array", index, length: self.length }
    }

    /// Where the elements start, behind the head and the note.
    const fn elements() -> usize {
        size_of::<Shared>() + Slot::words::<T>() * 8
    }

    fn shared_of(handle: &Handle) -> Result<&'static Shared, Error> {
        handle.arena().mapping().get(handle.body()).ok_or(OUTSIDE)
    }

    fn from_handle(handle: Handle) -> Result<Self, Error> {
        let shared = Self::shared_of(&handle)?;
        let mapping = handle.arena().mapping();
        let length = usize::try_from(shared.length.load(Relaxed)).map_err(|_| OUTSIDE)?;
        let start = handle.body() + Self::elements();
        let elements = if Slot::words::<T>() == 0 {
            Elements::Small(Cells::at::<T>(mapping, start, length).ok_or(OUTSIDE)?)
        } else {
            let words = length.checked_mul(Slot::words::<T>()).ok_or(OUTSIDE)?;
            let note = handle.body() + size_of::<Shared>();
            Elements::Large {
                rows: mapping.slice(start, words).ok_or(OUTSIDE)?,
                note: mapping.slice(note, Slot::words::<T>()).ok_or(OUTSIDE)?,
            }
        };
        Ok(Self { handle, shared, length, elements, plain: PhantomData })
    }
}

#[inline]
fn row_of<T>(rows: &'static [AtomicU64], index: usize) -> &'static [AtomicU64] {
    &rows[index * Slot::words::<T>()..][..Slot::words::<T>()]
}

const OUTSIDE: Error = Error::Corrupt("an array lies outside its arena");

impl<T: Number> Array<T> {
    /// Adds `amount` to the element at `index` and returns the element from before. Integers wrap
    /// around.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`].
    #[inline]
    pub fn fetch_add(&self, index: usize, amount: T) -> Result<T, Error> {
        self.check(index)?;
        match self.slot(index) {
            Slot::Small(cell) => Ok(cell.fetch_add(amount)),
            Slot::Large(_) => unreachable!("a number has at most eight bytes"),
        }
    }
}

impl<T: Plain> Serialize for Array<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.handle.serialize(serializer)
    }
}

impl<'de, T: Plain> Deserialize<'de> for Array<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let handle = Handle::deserialize(deserializer, Kind::Array, shape_of::<T>())?;
        Self::from_handle(handle).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[path = "array_tests.rs"]
mod tests;
