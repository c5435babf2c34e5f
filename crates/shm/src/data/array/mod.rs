//! The array: a fixed number of plain values that processes share.
//!
//! | elements of                          | are                  | and are changed by            |
//! |--------------------------------------|----------------------|-------------------------------|
//! | up to eight bytes                    | one cell each        | one store or exchange         |
//! | more                                 | a row of words each  | the [`Journal`]               |
//! | either size, several of them at once |                      | the [`Journal`]               |
//!
//! What the journal commits is a [draft](super::draft).
//!
//! # Why no wake-up is lost
//!
//! Nobody sleeps here but on the journal's lock.
//!
//! # What a dead process leaves
//!
//! Each element as it was before or after a change: see [`Cell`] and [`Journal`]. What was to change
//! at once is completed by the next holder of the lock.

mod several;

use std::fmt;

use brigade_sys::atomic::AtomicU64;
use brigade_sys::atomic::Ordering::Relaxed;
use brigade_sys::memory::Shareable;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::cell::Cell;
use super::draft::{Desk, Run};
use super::elements::Elements;
use super::journal::{Journal, Locked};
use super::number::Number;
use super::slot::Slot;
use crate::arena::block::Kind;
use crate::arena::heap::{self, MAX_LENGTH, Plan};
use crate::error::Error;
use crate::handle::Handle;
use crate::plain::{Plain, shape_of};

/// What lies in the block. The note of the drafts and the elements follow it.
#[repr(C, align(64))]
struct Shared {
    /// At the very start, since this is the part word of the object.
    draft: AtomicU64,
    length: AtomicU64,
    journal: Journal,
}

// SAFETY: shareable parts throughout; all zeros is an array without elements.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Shared {}

/// A fixed number of plain values that processes share.
///
/// Each element is read and written as a whole. Elements of at most eight bytes are read and written
/// without a lock; updates, and changes of several elements at once, take turns.
///
/// # Process death
///
/// A process that dies while it changes an element leaves the old one or the new one. Of several
/// elements that are written one after the other, it leaves the first ones new and the rest old; of
/// several that change at once, all or none new. It never keeps the others waiting, and there is
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
    desk: Desk<T>,
}

impl<T: Plain> Clone for Array<T> {
    /// Returns another handle of the same array.
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), ..*self }
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
        let plan = Plan { kind: Kind::Array, shape: shape_of::<T>(), length: size, parts: 1 };
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
        array.elements.fill(0, values);
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
        self.elements.get::<T>(index).map(|slot| self.read(slot))
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
        match self.slot(index)? {
            Slot::Small(cell) => {
                self.settle();
                cell.store(value);
            }
            Slot::Large(_) => self.write(&self.lock(), index, &value),
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
        let slot = self.slot(index)?;
        let locked = self.lock();
        match slot {
            Slot::Small(cell) => Ok(cell.update(change)),
            slot @ Slot::Large(_) => {
                let mut value = slot.load();
                let result = change(&mut value);
                self.write(&locked, index, &value);
                Ok(result)
            }
        }
    }

    /// Replaces the element at `index`, and returns the one from before.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`].
    ///
    /// # Deadlock
    ///
    /// As for [`set`](Self::set).
    #[inline]
    pub fn replace(&self, index: usize, value: T) -> Result<T, Error> {
        match self.slot(index)? {
            Slot::Small(cell) => {
                self.settle();
                Ok(cell.swap(value))
            }
            slot @ Slot::Large(_) => {
                let locked = self.lock();
                let old = slot.load();
                self.write(&locked, index, &value);
                Ok(old)
            }
        }
    }

    /// Reads the elements one after the other, each when its turn comes: others may change one that
    /// was not read yet, or was.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = T> + ExactSizeIterator {
        (0..self.length).map(|index| {
            let slot = self.elements.get::<T>(index);
            self.read(slot.expect("there are as many elements as the array is long"))
        })
    }

    #[inline]
    fn read(&self, slot: Slot) -> T {
        match slot {
            Slot::Small(cell) => {
                self.settle();
                cell.load()
            }
            slot @ Slot::Large(_) => self.shared.journal.read(|| slot.load(), || self.lock()),
        }
    }

    /// Waits for the end of a change of several elements that has happened and is not all made, and
    /// makes it if its maker died. Before any use of a small element without the lock: then whoever
    /// has seen a part of the change sees all of it, and what is written after it stays.
    #[inline]
    fn settle(&self) {
        self.shared.journal.settle(|| self.lock());
    }

    fn lock(&self) -> Locked {
        self.shared.journal.lock(|target| self.make(target))
    }

    /// Replaces a large element. The caller holds the lock.
    fn write(&self, locked: &Locked, index: usize, value: &T) {
        let run = Run { start: index, values: std::slice::from_ref(value) };
        let draft = self.desk.write(&self.handle, self.length, &[run]);
        let target = draft.expect("a draft of one element needs no memory");
        locked.commit(target, || self.make(target));
    }

    /// Makes the change in place that a draft holds.
    fn make(&self, target: u64) {
        let _ = self.desk.read(&self.handle, target, |index, value| {
            // An index that makes no sense was written by a faulty process.
            if let Some(slot) = self.elements.get::<T>(index) {
                slot.fill(value);
            }
        });
    }

    #[inline]
    fn slot(&self, index: usize) -> Result<Slot, Error> {
        self.elements.get::<T>(index).ok_or_else(|| self.out_of_range(index))
    }

    #[cold]
    fn out_of_range(&self, index: usize) -> Error {
        Error::OutOfRange { kind: "array", index, length: self.length }
    }

    /// Where the elements start, behind the head and the note.
    const fn elements() -> usize {
        size_of::<Shared>() + Desk::<T>::NOTE_WORDS * 8
    }

    fn shared_of(handle: &Handle) -> Result<&'static Shared, Error> {
        handle.arena().mapping().get(handle.body()).ok_or(OUTSIDE)
    }

    fn from_handle(handle: Handle) -> Result<Self, Error> {
        let shared = Self::shared_of(&handle)?;
        let length = usize::try_from(shared.length.load(Relaxed)).map_err(|_| OUTSIDE)?;
        let desk = Desk::new(&handle, handle.body() + size_of::<Shared>(), 0).ok_or(OUTSIDE)?;
        let block = heap::length_of(handle.arena(), handle.place()).ok_or(OUTSIDE)?;
        let room = block.saturating_sub(Self::elements()) / Slot::stride::<T>();
        if length > room {
            // A length that a faulty process wrote must not lead into other objects.
            return Err(OUTSIDE);
        }
        let start = handle.body() + Self::elements();
        let elements = Elements::at::<T>(handle.arena().mapping(), start, length);
        Ok(Self { shared, length, elements: elements.ok_or(OUTSIDE)?, desk, handle })
    }
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
        Ok(self.cell(index)?.fetch_add(amount))
    }

    /// Subtracts `amount` from the element at `index` and returns the element from before. Integers
    /// wrap around.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`].
    #[inline]
    pub fn fetch_sub(&self, index: usize, amount: T) -> Result<T, Error> {
        Ok(self.cell(index)?.fetch_add(amount.negated()))
    }

    /// Replaces the element at `index` by `new` if it is `current`, and returns the element from
    /// before: as an inner error when it was another.
    ///
    /// Floats are compared by their bytes: zero is not minus zero, and the same not-a-number is.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`].
    #[inline]
    pub fn compare_exchange(
        &self,
        index: usize,
        current: T,
        new: T,
    ) -> Result<Result<T, T>, Error> {
        Ok(self.cell(index)?.compare_exchange(current, new))
    }

    #[inline]
    fn cell(&self, index: usize) -> Result<Cell, Error> {
        let slot = self.slot(index)?;
        self.settle();
        match slot {
            Slot::Small(cell) => Ok(cell),
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
mod tests;
