//! The list: a growing number of plain values that processes share.
//!
//! The elements lie in chunks, each twice as long as the one before, so that growth moves nothing.
//! A chunk is a part of the list's object, named by a word at the start of its body.
//!
//! | word      | meaning                                                                |
//! |-----------|------------------------------------------------------------------------|
//! | `length`  | how many elements there are: the store that adds or removes them       |
//! | `chunks`  | where the chunks lie; one that is there stays until the list goes      |
//! | `journal` | the lock of all changes, and the change that is being made              |
//! | `draft`   | where that change is written aside, if it is long                      |
//!
//! A small element is replaced by one store, and elements are added and taken away at the end by
//! that of the length. Every other change is a [draft](super::draft) that the journal commits.
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

mod chunks;
mod several;

use std::fmt;
use std::sync::{Arc, OnceLock};

use brigade_sys::atomic::AtomicU64;
use brigade_sys::atomic::Ordering::{Acquire, Release};
use brigade_sys::kill_point::kill_point;
use brigade_sys::memory::Shareable;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::draft::{Desk, Run};
use super::elements::Elements;
use super::journal::{Journal, Locked};
use super::slot::Slot;
use crate::arena::block::Kind;
use crate::arena::heap::{MAX_LENGTH, Plan};
use crate::error::Error;
use crate::handle::Handle;
use crate::plain::{Plain, shape_of};

/// How many chunks a list has at most.
const CHUNKS: usize = 32;

/// What lies in the block. The note of the drafts follows it.
#[repr(C, align(64))]
struct Shared {
    /// At the very start, since these are the part words of the object.
    chunks: [AtomicU64; CHUNKS],
    draft: AtomicU64,
    length: AtomicU64,
    journal: Journal,
}

// SAFETY: shareable parts throughout; all zeros is an empty list.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Shared {}

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
    desk: Desk<T>,
    /// The chunks that were looked for in this process. They stay where they are.
    known: Arc<[OnceLock<Elements>; CHUNKS]>,
}

impl<T: Plain> Clone for List<T> {
    /// Returns another handle of the same list.
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), known: Arc::clone(&self.known), ..*self }
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
        let length = size_of::<Shared>() + Desk::<T>::NOTE_WORDS * 8;
        let parts = CHUNKS as u32 + 1;
        Self::from_handle(Handle::create(Plan {
            kind: Kind::List,
            shape: shape_of::<T>(),
            length,
            parts,
        })?)
    }

    /// Creates an empty list that has room for `capacity` elements.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory for it.
    pub fn with_capacity(capacity: usize) -> Result<Self, Error> {
        let list = Self::new()?;
        list.reserve(0, capacity)?;
        Ok(list)
    }

    /// Creates a list of the values in `values`.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory for it.
    pub fn from_slice(values: &[T]) -> Result<Self, Error> {
        let list = Self::new()?;
        list.extend_from_slice(values)?;
        Ok(list)
    }

    /// How many elements the list has. By the time the caller knows, it may have changed.
    pub fn len(&self) -> usize {
        self.shared.journal.read(|| self.length(), || self.lock())
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
        match self.shared.journal.try_read(|| self.look_at_known(index)) {
            Some(Some(found)) => found,
            _ => self.get_slowly(index),
        }
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
        self.check(index)?;
        self.write(&locked, index, self.slot(index).ok_or(OUTSIDE)?, &value);
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
        self.check(index)?;
        let slot = self.slot(index).ok_or(OUTSIDE)?;
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

    /// Takes the last element away, if there is one.
    pub fn pop(&self) -> Option<T> {
        let _locked = self.lock();
        let last = self.length().checked_sub(1)?;
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
        if length < self.length() {
            self.commit(length);
        }
    }

    /// Reads the elements one after the other, each when its turn comes.
    ///
    /// An element that others push before the end is reached is read too, and the reading ends at
    /// the first index that has none. Where others insert or remove elements meanwhile, one that
    /// moves may be read twice or not at all. See [`to_vec`](Self::to_vec) for the elements of one
    /// instant.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        (0..).map_while(|index| self.get(index))
    }

    /// The length as it stands there: without the lock, that of a change that may not be complete.
    #[inline]
    fn length(&self) -> usize {
        // PAIR length: the elements before the end were written before the length that shows them.
        usize::try_from(self.shared.length.load(Acquire)).unwrap_or(usize::MAX)
    }

    fn commit(&self, length: usize) {
        kill_point("list.commit");
        // PAIR length: with the load in `length`.
        self.shared.length.store(length as u64, Release);
        kill_point("list.committed");
    }

    /// Replaces one element. The caller holds the lock.
    fn write(&self, locked: &Locked, index: usize, slot: Slot, value: &T) {
        if let Slot::Small(_) = slot {
            return slot.fill(value);
        }
        let run = Run { start: index, values: std::slice::from_ref(value) };
        let draft = self.desk.write(&self.handle, self.length(), &[run]);
        let target = draft.expect("a draft of one element needs no memory");
        locked.commit(target, || self.make(target));
    }

    /// Makes the change in place that a draft holds.
    fn make(&self, target: u64) {
        let length = self.desk.read(&self.handle, target, |index, value| {
            // An index that makes no sense was written by a faulty process.
            if let Some(slot) = self.slot(index) {
                slot.fill(value);
            }
        });
        if let Some(length) = length {
            self.commit(length);
        }
    }

    /// The element without the lock, or a mixture: see the head of this file. `None` when its chunk
    /// is not known yet.
    #[inline]
    fn look_at_known(&self, index: usize) -> Option<Option<T>> {
        if index >= self.length() {
            return Some(None);
        }
        self.known_slot(index).map(|slot| Some(slot.load()))
    }

    /// As [`get`](Self::get), when a change comes between or the chunk is not known.
    #[cold]
    fn get_slowly(&self, index: usize) -> Option<T> {
        let look = || (index < self.length()).then(|| self.slot(index))?.map(Slot::load);
        self.shared.journal.read(look, || self.lock())
    }

    /// How many elements there are, if `index` is one of them. The caller holds the lock.
    fn check(&self, index: usize) -> Result<usize, Error> {
        let length = self.length();
        if index < length { Ok(length) } else { Err(self.out_of_range(index)) }
    }

    #[cold]
    fn out_of_range(&self, index: usize) -> Error {
        Error::OutOfRange { kind: "list", index, length: self.length() }
    }

    fn lock(&self) -> Locked {
        self.shared.journal.lock(|target| self.make(target))
    }

    fn from_handle(handle: Handle) -> Result<Self, Error> {
        let shared = handle.arena().mapping().get(handle.body()).ok_or(OUTSIDE)?;
        let desk = Desk::new(&handle, handle.body() + size_of::<Shared>(), CHUNKS);
        let known = Arc::new([const { OnceLock::new() }; CHUNKS]);
        Ok(Self { shared, desk: desk.ok_or(OUTSIDE)?, known, handle })
    }
}

const OUTSIDE: Error = Error::Corrupt("a list or a part of it lies outside its arena");

fn too_large() -> Error {
    Error::TooLarge { size: usize::MAX, limit: MAX_LENGTH }
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
mod tests;
