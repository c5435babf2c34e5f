//! The list: a growing number of plain values that processes share.
//!
//! The elements lie in chunks, each twice as long as the one before, so that growth moves nothing.
//! A chunk is a part of the list's object, named by a word at the start of its body.
//!
//! | word      | meaning                                                                |
//! |-----------|------------------------------------------------------------------------|
//! | `length`  | how many elements there are: the store that adds or removes them       |
//! | `chunks`  | where the chunks lie; one that is there stays until the list goes      |
//! | `journal` | the lock of all changes, and the one change of a large element          |
//!
//! A slot behind the end may be filled by the holder of the lock at any time. A reader that thinks
//! it is still an element finds the journal's sequence changed, and looks at the length again.
//!
//! # Why no wake-up is lost
//!
//! Nobody sleeps here but on the journal's lock.
//!
//! # What a dead process leaves
//!
//! An element behind the end, which nobody reads and the next push overwrites; a chunk without
//! elements, which the next push uses; a change in the journal, which the next holder of the lock
//! completes. A chunk that was taken but not named belongs to the dead process, and goes with it.

use std::fmt;
use std::marker::PhantomData;

use brigade_sys::atomic::AtomicU64;
use brigade_sys::atomic::Ordering::{Acquire, Relaxed, Release};
use brigade_sys::kill_point::kill_point;
use brigade_sys::memory::Shareable;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::journal::{Journal, Locked};
use super::slot::Slot;
use crate::arena::block::{Block, Kind};
use crate::arena::heap::{self, MAX_LENGTH, Plan};
use crate::error::Error;
use crate::handle::Handle;
use crate::plain::{Plain, shape_of};

/// How many chunks a list has at most.
const CHUNKS: usize = 32;

/// About how many bytes the first chunk has.
const FIRST_BYTES: usize = 256;

/// What lies in the block. The note of the journal follows it.
#[repr(C, align(64))]
struct Shared {
    /// At the very start, since these are the part words of the object.
    chunks: [AtomicU64; CHUNKS],
    journal: Journal,
    length: AtomicU64,
}

// SAFETY: shareable parts throughout; all zeros is an empty list.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Shared {}

const OUTSIDE: Error = Error::Corrupt("a part of a list lies outside its arena");

/// A growing number of plain values that processes share.
///
/// Reading takes no lock unless a writer is in the way; changes take turns.
///
/// # Process death
///
/// A process that dies while it changes the list leaves it as it was before or after the change:
/// an element is there whole or not at all. It never keeps the others waiting, and there is nothing
/// to recover. An element that a process has popped is gone with it.
///
/// # Examples
///
/// ```
/// use brigade_shm::List;
///
/// let primes = List::new()?;
/// primes.extend([2_u64, 3, 5])?;
/// primes.push(7)?;
/// assert_eq!(primes.get(3), Some(7));
/// assert_eq!(primes.pop(), Some(7));
/// assert_eq!(primes.to_vec()?, [2, 3, 5]);
/// # Ok::<(), brigade_shm::Error>(())
/// ```
pub struct List<T: Plain> {
    handle: Handle,
    shared: &'static Shared,
    note: &'static [AtomicU64],
    plain: PhantomData<T>,
}

impl<T: Plain> Clone for List<T> {
    /// Returns another handle of the same list.
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), plain: PhantomData, ..*self }
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T: Plain> List<T> {
    /// Creates an empty list.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory for it.
    pub fn new() -> Result<Self, Error> {
        let length = size_of::<Shared>() + Slot::words::<T>() * 8;
        let parts = CHUNKS as u32;
        Self::from_handle(Handle::create(Plan {
            kind: Kind::List,
            shape: shape_of::<T>(),
            length,
            parts,
        })?)
    }

    /// How many elements the list has. By the time the caller knows, it may have changed.
    pub fn len(&self) -> usize {
        // PAIR length: the elements before the end were written before the length that shows them.
        usize::try_from(self.shared.length.load(Acquire)).unwrap_or(usize::MAX)
    }

    /// Whether the list has no elements. By the time the caller knows, it may have changed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at `index`, if there is one.
    ///
    /// Of a list that a faulty process has overwritten, elements may be missing.
    #[inline]
    pub fn get(&self, index: usize) -> Option<T> {
        self.shared.journal.read(|| self.look(index), || self.lock())
    }

    /// Replaces the element at `index`.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] when there is none.
    ///
    /// # Deadlock
    ///
    /// Inside the closure of [`update`](Self::update), the call waits for ever.
    pub fn set(&self, index: usize, value: T) -> Result<(), Error> {
        let locked = self.lock();
        self.write(&locked, index, self.element(index)?, &value);
        Ok(())
    }

    /// Changes the element at `index` by `change`, under the list's lock, and returns what `change`
    /// returns.
    ///
    /// # Process death
    ///
    /// A process that dies in `change` leaves the list as it was before, and the lock free.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] when there is no such element.
    ///
    /// # Panics
    ///
    /// Panics when `change` does; the element then is as it was before.
    ///
    /// # Deadlock
    ///
    /// A `change` that changes the same list waits for ever.
    pub fn update<R>(&self, index: usize, change: impl FnOnce(&mut T) -> R) -> Result<R, Error> {
        let locked = self.lock();
        let slot = self.element(index)?;
        let mut value = slot.load();
        let result = change(&mut value);
        self.write(&locked, index, slot, &value);
        Ok(result)
    }

    /// Adds an element at the end.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory for it; then the list is as it was before.
    #[doc(alias = "append")]
    pub fn push(&self, value: T) -> Result<(), Error> {
        self.extend_from_slice(&[value])
    }

    /// Adds all elements of `values` at the end, at once: nobody sees a part of them.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory for them; then the list is as it was before.
    pub fn extend(&self, values: impl IntoIterator<Item = T>) -> Result<(), Error> {
        // Collected first: the iterator may look at this very list.
        self.extend_from_slice(&values.into_iter().collect::<Vec<_>>())
    }

    /// Adds all elements of `values` at the end, at once: nobody sees a part of them.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory for them; then the list is as it was before.
    pub fn extend_from_slice(&self, values: &[T]) -> Result<(), Error> {
        let locked = self.lock();
        let length = self.len();
        let too_large = Error::TooLarge { size: usize::MAX, limit: MAX_LENGTH };
        let end = length.checked_add(values.len()).ok_or(too_large)?;
        // Each chunk is asked for once, before anything is written.
        if end > length {
            for number in chunk_of::<T>(length).0..=chunk_of::<T>(end - 1).0 {
                self.ensure_chunk(number)?;
            }
        }
        locked.begin();
        for (index, value) in (length..).zip(values) {
            self.slot(index).ok_or(OUTSIDE)?.fill(value);
        }
        self.commit(end);
        Ok(())
    }

    /// Takes the last element away, if there is one.
    pub fn pop(&self) -> Option<T> {
        let _locked = self.lock();
        let last = self.len().checked_sub(1)?;
        let value = self.slot(last)?.load();
        self.commit(last);
        Some(value)
    }

    /// Takes all elements away. Their memory stays with the list.
    pub fn clear(&self) {
        self.truncate(0);
    }

    /// Takes the elements from `length` on away. Their memory stays with the list.
    pub fn truncate(&self, length: usize) {
        let _locked = self.lock();
        if length < self.len() {
            self.commit(length);
        }
    }

    /// Reads the elements one after the other, each when its turn comes.
    ///
    /// An element that others push before the end is reached is read too, and the reading ends at
    /// the first index that has none. See [`to_vec`](Self::to_vec) for the elements of one instant.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        (0..).map_while(|index| self.get(index))
    }

    /// The elements of one instant.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when a faulty process has overwritten the list.
    pub fn to_vec(&self) -> Result<Vec<T>, Error> {
        let _locked = self.lock();
        // Grown one by one: the length may be nonsense, which the first missing chunk shows.
        let mut values = Vec::new();
        for index in 0..self.len() {
            values.push(self.slot(index).ok_or(OUTSIDE)?.load());
        }
        Ok(values)
    }

    fn commit(&self, length: usize) {
        kill_point("list.commit");
        // PAIR length: with the load in `len`.
        self.shared.length.store(length as u64, Release);
        kill_point("list.committed");
    }

    fn write(&self, locked: &Locked<'_>, index: usize, slot: Slot, value: &T) {
        match slot {
            Slot::Small(_) => slot.fill(value),
            Slot::Large(row) => locked.write(index, row, value.as_bytes()),
        }
    }

    /// The element without the lock, or a mixture: see the head of this file.
    #[inline]
    fn look(&self, index: usize) -> Option<T> {
        let slot = (index < self.len()).then(|| self.slot(index))?;
        slot.map(Slot::load)
    }

    /// The slot of an element that is there. The caller holds the lock.
    fn element(&self, index: usize) -> Result<Slot, Error> {
        let length = self.len();
        if index >= length {
            return Err(Error::OutOfRange { kind: "list", index, length });
        }
        self.slot(index).ok_or(OUTSIDE)
    }

    /// The slot for `index`, whether it is an element or not; `None` when it has no chunk.
    #[inline]
    fn slot(&self, index: usize) -> Option<Slot> {
        let (number, within) = chunk_of::<T>(index);
        if number >= CHUNKS {
            return None;
        }
        let mapping = self.handle.arena().mapping();
        let chunk = heap::part(self.handle.arena(), self.handle.place(), number)?;
        let block: &Block = mapping.get(chunk.offset)?;
        // A word that a faulty process wrote must not lead into another object.
        if block.parent.load(Relaxed) != self.handle.place().offset as u64 {
            return None;
        }
        Slot::at::<T>(mapping, heap::body(chunk.offset) + within * Slot::stride::<T>())
    }

    /// Sees to it that chunk `number` is there. The caller holds the lock.
    fn ensure_chunk(&self, number: usize) -> Result<(), Error> {
        let (arena, list) = (self.handle.arena(), self.handle.place());
        let too_large = Error::TooLarge { size: usize::MAX, limit: MAX_LENGTH };
        if self.shared.chunks.get(number).ok_or(too_large)?.load(Relaxed) != 0 {
            return Ok(());
        }
        let length = (first_length::<T>() << number) * Slot::stride::<T>();
        let slot = arena.tag()?.slot;
        let chunk =
            heap::allocate(arena, slot, Plan { kind: Kind::Bytes, shape: 0, length, parts: 0 })?;
        kill_point("list.chunk");
        let attached = heap::attach(arena, slot, chunk, list, number);
        if attached.is_err() {
            heap::release(arena, slot, chunk)?;
        }
        kill_point("list.attached");
        attached
    }

    fn lock(&self) -> Locked<'static> {
        let row = |index| match (index < self.len()).then(|| self.slot(index))? {
            Some(Slot::Large(row)) => Some(row),
            _ => None,
        };
        self.shared.journal.lock(self.note, row)
    }

    fn from_handle(handle: Handle) -> Result<Self, Error> {
        let mapping = handle.arena().mapping();
        let shared = mapping.get(handle.body()).ok_or(OUTSIDE)?;
        let note = mapping.slice(handle.body() + size_of::<Shared>(), Slot::words::<T>());
        Ok(Self { handle, shared, note: note.ok_or(OUTSIDE)?, plain: PhantomData })
    }
}

/// How many elements the first chunk holds: a power of two.
const fn first_length<T>() -> usize {
    let fitting = FIRST_BYTES / Slot::stride::<T>();
    if fitting < 4 { 4 } else { fitting.next_power_of_two() }
}

/// The number of the chunk that holds element `index`, and the element's index in it.
#[inline]
fn chunk_of<T>(index: usize) -> (usize, usize) {
    let first = const { first_length::<T>() };
    // Chunks 0 to n together hold one element less than `first` times a power of two.
    let number = (index / first + 1).ilog2();
    (number as usize, index - first * ((1 << number) - 1))
}

impl<T: Plain> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.handle.serialize(serializer)
    }
}

impl<'de, T: Plain> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let handle = Handle::deserialize(deserializer, Kind::List, shape_of::<T>())?;
        Self::from_handle(handle).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
