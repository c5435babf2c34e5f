//! The list for unrelated programs: a fixed number of slots in a named segment.
//!
//! ```text
//! +---------+-------+-------------+----------+----------+------+-----------+
//! | journal | count | note length | start of | ...      | note | slots ... |
//! |         |       |             | slot 0   | and end  |      |           |
//! +---------+-------+-------------+----------+----------+------+-----------+
//! ```
//!
//! Positions are counted in words. A slot is a row of words: a tag, and the item's bytes.
//!
//! | tag                        | meaning                                      |
//! |----------------------------|----------------------------------------------|
//! | top byte                   | the kind of the item                         |
//! | the rest                   | how many bytes it has                        |
//!
//! A slot is changed through the [`Journal`], so tag and bytes change by one store.
//!
//! # Why no wake-up is lost
//!
//! Nobody sleeps here but on the journal's lock.
//!
//! # What a dead process leaves
//!
//! Each slot with its item from before or after a change: see [`Journal`]. A list whose creator
//! died before it was complete has no name, and goes: see [`SharedMemory`].
//!
//! # Safety
//!
//! The journal's lock asks for memory that is never unmapped, since a thread that dies in it leaves
//! its address with the kernel. Here the segment is unmapped with its last handle. But the lock is
//! taken and released inside methods that borrow a handle, and a thread does not end inside them
//! unless its whole process does, and then there is no mapping left to be harmed.
#![allow(unsafe_code)]

use std::fmt;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use brigade_sys::memory::Shareable;
use brigade_sys::thread::check_robust_list;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::ShareableListError;
use super::item::Item;
use crate::data::journal::{Journal, Locked};
use crate::data::words;
use crate::named::memory::{Content, Memory};
use crate::named::{SharedMemory, SharedMemoryError};

/// The start of the segment; the positions of the slots follow it.
#[repr(C, align(64))]
struct Head {
    journal: Journal,
    count: AtomicU64,
    note: AtomicU64,
}

// SAFETY: shareable parts throughout; all zeros is an empty list.
unsafe impl Shareable for Head {}

/// Where a slot lies, in words from the start of the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    start: usize,
    words: usize,
}

/// The bits of a tag that say how many bytes the item has.
const LENGTH_BITS: u32 = 56;

/// A fixed number of mixed items that any program of the same user can open by name.
///
/// Each slot has room for the item it was created with, rounded up to a multiple of eight bytes,
/// and may later hold any item that fits, of whatever kind. Items are read and replaced as a whole.
/// A list for the processes of one program is better a [`List`](crate::List).
///
/// # Process death
///
/// A process that dies while it replaces an item leaves the old one or the new one, and never keeps
/// the others waiting. There is nothing to recover. The list lives as its [`SharedMemory`] does.
///
/// # Examples
///
/// ```
/// use brigade_shm::{Item, ShareableList};
///
/// let list = ShareableList::create_unnamed([Item::from(42), "hello".into(), Item::None])?;
///
/// // In any other program:
/// let same = ShareableList::open(list.name())?;
/// same.set(-1, 2.5)?;
/// assert_eq!(list.get(2)?, Item::Float(2.5));
/// assert!(same.set(1, "more than eight bytes").is_err());
/// assert_eq!(list.get(1)?, Item::from("hello"));
/// # Ok::<(), brigade_shm::ShareableListError>(())
/// ```
#[derive(Clone)]
pub struct ShareableList {
    memory: SharedMemory,
    /// Read once and checked, so that nobody can move a slot under us.
    slots: Arc<[Slot]>,
    /// Where the note lies.
    note: Slot,
}

impl fmt::Debug for ShareableList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShareableList")
            .field("name", &self.name())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl ShareableList {
    /// Creates a list of `items` that others can open as `name`.
    ///
    /// # Errors
    ///
    /// [`Memory`](ShareableListError::Memory), as for [`SharedMemory::create`].
    pub fn create<I>(name: &str, items: I) -> Result<Self, ShareableListError>
    where
        I: IntoIterator,
        I::Item: Into<Item>,
    {
        let draft = Draft::new(items);
        let fill = |memory: &Memory| draft.fill(memory);
        Self::from_memory(SharedMemory::create_with(name, draft.size(), Content::List, fill)?)
    }

    /// Creates a list of `items` under a random name that no other has.
    ///
    /// # Errors
    ///
    /// As for [`create`](Self::create).
    pub fn create_unnamed<I>(items: I) -> Result<Self, ShareableListError>
    where
        I: IntoIterator,
        I::Item: Into<Item>,
    {
        let draft = Draft::new(items);
        let fill = |memory: &Memory| draft.fill(memory);
        Self::from_memory(SharedMemory::create_random(draft.size(), Content::List, fill)?)
    }

    /// Opens the list that has this name.
    ///
    /// # Errors
    ///
    /// [`Memory`](ShareableListError::Memory) when there is no segment of this name,
    /// [`Corrupt`](ShareableListError::Corrupt) when it is not a list.
    #[doc(alias = "attach")]
    pub fn open(name: &str) -> Result<Self, ShareableListError> {
        Self::from_memory(SharedMemory::open(name)?)
    }

    /// The list's name.
    pub fn name(&self) -> &str {
        self.memory.name()
    }

    /// How many items the list has.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether the list has no items.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The item at `index`; a negative index counts from the end.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](ShareableListError::OutOfRange), or
    /// [`Corrupt`](ShareableListError::Corrupt).
    pub fn get(&self, index: isize) -> Result<Item, ShareableListError> {
        let row = self.row(self.position(index)?);
        let (kind, bytes) = self.journal().read(|| look(row), || self.lock());
        Item::decode(kind, bytes).map_err(ShareableListError::Corrupt)
    }

    /// Replaces the item at `index`; a negative index counts from the end.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](ShareableListError::OutOfRange), or
    /// [`TooLong`](ShareableListError::TooLong) when the slot has no room for the item; then nothing
    /// is changed.
    pub fn set(&self, index: isize, item: impl Into<Item>) -> Result<(), ShareableListError> {
        let position = self.position(index)?;
        let (kind, bytes) = item.into().encode();
        let capacity = self.capacity(index)?;
        if bytes.len() > capacity {
            let size = bytes.len();
            return Err(ShareableListError::TooLong { index, size, capacity });
        }
        self.write(&self.lock(), position, &row_bytes(kind, &bytes));
        Ok(())
    }

    /// How many bytes the slot at `index` has room for. It was fixed when the list was created.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](ShareableListError::OutOfRange).
    pub fn capacity(&self, index: isize) -> Result<usize, ShareableListError> {
        Ok((self.slots[self.position(index)?].words - 1) * 8)
    }

    /// Reads the items one after the other, each when its turn comes.
    pub fn iter(&self) -> impl Iterator<Item = Result<Item, ShareableListError>> {
        (0..).take(self.len()).map(|index| self.get(index))
    }

    /// The items of one instant.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ShareableListError::Corrupt).
    pub fn to_vec(&self) -> Result<Vec<Item>, ShareableListError> {
        let _locked = self.lock();
        let items = (0..self.len()).map(|position| {
            let (kind, bytes) = look(self.row(position));
            Item::decode(kind, bytes)
        });
        items.collect::<Result<_, _>>().map_err(ShareableListError::Corrupt)
    }

    /// How often the list has an item that equals `item`.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ShareableListError::Corrupt).
    pub fn count(&self, item: impl Into<Item>) -> Result<usize, ShareableListError> {
        let item = item.into();
        Ok(self.to_vec()?.into_iter().filter(|other| *other == item).count())
    }

    /// The index of the first item that equals `item`, if there is one.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ShareableListError::Corrupt).
    pub fn index(&self, item: impl Into<Item>) -> Result<Option<usize>, ShareableListError> {
        let item = item.into();
        Ok(self.to_vec()?.into_iter().position(|other| other == item))
    }

    /// The memory that the list lies in.
    #[doc(alias = "shm")]
    pub fn memory(&self) -> &SharedMemory {
        &self.memory
    }

    /// Takes the list's name away: see [`SharedMemory::unlink`].
    ///
    /// # Errors
    ///
    /// [`Memory`](ShareableListError::Memory) when it has no name any more.
    pub fn unlink(&self) -> Result<(), ShareableListError> {
        Ok(self.memory.unlink()?)
    }

    fn position(&self, index: isize) -> Result<usize, ShareableListError> {
        let length = self.len();
        let position = match usize::try_from(index) {
            Ok(position) => Some(position),
            Err(_) => length.checked_sub(index.unsigned_abs()),
        };
        position
            .filter(|&position| position < length)
            .ok_or(ShareableListError::OutOfRange { index, length })
    }

    fn row(&self, position: usize) -> &[AtomicU64] {
        self.words(self.slots[position])
    }

    fn words(&self, slot: Slot) -> &[AtomicU64] {
        let words = self.memory.memory().words(slot.start * 8, slot.words);
        words.expect("the slots were found inside the segment when it was opened")
    }

    fn lock(&self) -> Locked {
        self.journal().lock(|position| {
            // A position that makes no sense has no row.
            let slot = usize::try_from(position).ok().and_then(|position| self.slots.get(position));
            if let Some(&slot) = slot {
                words::copy(self.words(self.note), self.words(slot));
            }
        })
    }

    /// Makes `row` what is at `position`.
    fn write(&self, locked: &Locked, position: usize, row: &[u8]) {
        let note = self.words(self.note);
        words::store_bytes(note, row);
        locked.commit(position as u64, || words::copy(note, self.row(position)));
    }

    fn journal(&self) -> &'static Journal {
        let head: Option<&Head> = self.memory.memory().get(0);
        let head = head.expect("the head was found inside the segment when it was opened");
        // SAFETY: valid while the segment is mapped, and every caller is a method that borrows a
        // handle for longer than it uses the journal: see the head of this file.
        unsafe { &*ptr::from_ref(&head.journal) }
    }

    fn from_memory(memory: SharedMemory) -> Result<Self, ShareableListError> {
        check_robust_list().map_err(|error| {
            let error = brigade_sys::Error::new("use", "robust locks", error);
            SharedMemoryError::from(error)
        })?;
        if !memory.memory().is(Content::List) {
            return Err(ShareableListError::Corrupt("the segment is not a list"));
        }
        let (slots, note) = positions(memory.memory())
            .ok_or(ShareableListError::Corrupt("the slots do not lie in the segment"))?;
        Ok(Self { memory, slots: slots.into(), note })
    }
}

/// The slots of a segment, and its note; `None` when they make no sense.
fn positions(memory: &Memory) -> Option<(Vec<Slot>, Slot)> {
    let head: &Head = memory.get(0)?;
    let size = |word: &AtomicU64| usize::try_from(word.load(Relaxed)).ok();
    let count = size(&head.count)?;
    let starts = memory.words(size_of::<Head>(), count.checked_add(1)?)?;
    let note = Slot { start: size_of::<Head>() / 8 + starts.len(), words: size(&head.note)? };
    let mut end = note.start.checked_add(note.words)?;
    let starts = starts.iter().map(size).collect::<Option<Vec<_>>>()?;
    let mut slots = Vec::with_capacity(count);
    for pair in starts.windows(2) {
        let slot = Slot { start: pair[0], words: pair[1].checked_sub(pair[0])? };
        // One behind the other, with a tag and at least a word, and none longer than the note.
        if slot.start != end || slot.words < 2 || slot.words > note.words {
            return None;
        }
        end = pair[1];
        slots.push(slot);
    }
    (end <= memory.len() / 8).then_some((slots, note))
}

/// The tag and the bytes that a row holds, or a mixture of two.
fn look(row: &[AtomicU64]) -> (u8, Vec<u8>) {
    let Some((tag, row)) = row.split_first() else { return (u8::MAX, Vec::new()) };
    let [length @ .., kind] = tag.load(Relaxed).to_le_bytes();
    let [l0, l1, l2, l3, l4, l5, l6] = length;
    let length = u64::from_le_bytes([l0, l1, l2, l3, l4, l5, l6, 0]);
    let Some(length) = usize::try_from(length).ok().filter(|&length| length <= row.len() * 8)
    else {
        // No kind has this number: the item is refused, unless this was a mixture.
        return (u8::MAX, Vec::new());
    };
    let mut bytes = vec![0; length];
    words::load_bytes(row, &mut bytes);
    (kind, bytes)
}

/// What a row is to hold for an item of `kind` with these bytes.
fn row_bytes(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let tag = u64::from(kind) << LENGTH_BITS | bytes.len() as u64;
    let mut row = tag.to_ne_bytes().to_vec();
    row.extend_from_slice(bytes);
    row
}

/// A list that is being made.
struct Draft {
    rows: Vec<Vec<u8>>,
}

impl Draft {
    fn new<I>(items: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<Item>,
    {
        let row = |item: I::Item| {
            let (kind, bytes) = item.into().encode();
            row_bytes(kind, &bytes)
        };
        Self { rows: items.into_iter().map(row).collect() }
    }

    /// The words of a row: a tag, and room for the item or for a number.
    fn words(row: &[u8]) -> usize {
        words::words_for(row.len()).max(2)
    }

    fn note(&self) -> usize {
        self.rows.iter().map(|row| Self::words(row)).max().unwrap_or(0)
    }

    /// Where the slots start, in words.
    fn first(&self) -> usize {
        size_of::<Head>() / 8 + self.rows.len() + 1 + self.note()
    }

    fn size(&self) -> usize {
        (self.first() + self.rows.iter().map(|row| Self::words(row)).sum::<usize>()) * 8
    }

    fn fill(&self, memory: &Memory) {
        let Some(head) = memory.get::<Head>(0) else { return };
        head.count.store(self.rows.len() as u64, Relaxed);
        head.note.store(self.note() as u64, Relaxed);
        let Some(starts) = memory.words(size_of::<Head>(), self.rows.len() + 1) else { return };
        let mut start = self.first();
        for (position, row) in starts.iter().zip(&self.rows) {
            position.store(start as u64, Relaxed);
            if let Some(words) = memory.words(start * 8, Self::words(row)) {
                words::store_bytes(words, row);
            }
            start += Self::words(row);
        }
        if let Some(end) = starts.last() {
            end.store(start as u64, Relaxed);
        }
    }
}

impl Serialize for ShareableList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.memory.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ShareableList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let memory = SharedMemory::deserialize(deserializer)?;
        Self::from_memory(memory).map_err(serde::de::Error::custom)
    }
}
