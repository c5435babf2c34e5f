//! The store of a map: a table of slots, and the entries that they lead to, in one row of words.
//!
//! ```text
//! +------+--------------------------------+-------+-------+-------+--------- - -
//! | head | slots: a power of two of them  | entry | entry | entry | room
//! +------+--------------------------------+-------+-------+-------+--------- - -
//! ```
//!
//! | slot                | meaning                                                             |
//! |---------------------|---------------------------------------------------------------------|
//! | 0                   | never used: a search ends here                                      |
//! | 1                   | an entry was here: a search goes on                                 |
//! | a tag, a position   | an entry at this word; the upper half is the tag, part of the hash  |
//!
//! An entry is one word with the lengths of its key (the lower half) and its value, the words of the
//! key, and the words of the value. A search begins at the key's home, which the upper bits of the
//! tag say, and goes from slot to slot: open addressing with linear probing (Knuth, The Art of
//! Computer Programming, volume 3, 6.4).
//!
//! What a slot leads to is written before the slot is, and not written over as long as the store is
//! in use, with one exception: a value of one word may be replaced by another of one word. So
//! whoever reads needs no lock, and whoever changes an entry does it by one store.
//!
//! # Why no wake-up is lost
//!
//! Nobody sleeps here.
//!
//! # What a dead process leaves
//!
//! An entry that no slot leads to, until its words are used again.

use brigade_sys::atomic::AtomicU64;
use brigade_sys::atomic::Ordering::{Acquire, Relaxed, Release};
use brigade_sys::atomic::fence;
use brigade_sys::kill_point::kill_point;
use brigade_sys::memory::Mapping;

use super::super::words;

/// The words before the slots: how many slots there are, as a power of two, and how many words.
const HEAD: usize = 8;

/// The fewest and the most slots, as powers of two. An object has no room for more and as many
/// entries as they are for.
const BITS: std::ops::RangeInclusive<u32> = 3..=30;

/// The fewest words for entries.
const LEAST_ENTRIES: usize = 112;

const EMPTY: u64 = 0;

/// No position, since the head is there.
const REMOVED: u64 = 1;

/// A key's bytes, and the part of its hash that slots hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) tag: u32,
}

/// How large a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    bits: u32,
    /// How many words there are for entries.
    entries: usize,
}

impl Size {
    /// Twice the room that `count` entries of `words` words need, and at least a kibibyte.
    pub(super) fn for_entries(count: usize, words: usize) -> Self {
        let slots = count.saturating_mul(2).checked_next_power_of_two().unwrap_or(usize::MAX);
        let bits = slots.ilog2().clamp(*BITS.start(), *BITS.end());
        Self { bits, entries: words.saturating_mul(2).max(LEAST_ENTRIES) }
    }

    /// How many words a store of this size has.
    pub(super) fn words(self) -> usize {
        self.entries.saturating_add(HEAD + (1 << self.bits))
    }
}

/// How many words an entry takes.
pub(super) fn entry_words(key: usize, value: usize) -> usize {
    1 + words::words_for(key) + words::words_for(value)
}

/// A store that lies in the mapped memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Store {
    words: &'static [AtomicU64],
    slots: &'static [AtomicU64],
    bits: u32,
}

/// An entry that lies in a store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    row: &'static [AtomicU64],
    key: usize,
    value: usize,
}

/// What a search has found.
#[derive(Debug)]
pub(super) enum Found {
    /// The entry of the key, and its slot.
    Entry(usize, Entry),
    /// No entry; and the slot for one, if any is free.
    Nothing(Option<usize>),
    /// A slot of the key leads nowhere: a faulty process has overwritten the store.
    Nonsense,
}

impl Store {
    /// Makes the words at `offset`, which are all zero, a store of `size` without entries.
    pub(super) fn make(mapping: &'static Mapping, offset: usize, size: Size) -> Option<Self> {
        let head: &[AtomicU64] = mapping.slice(offset, HEAD)?;
        head[0].store(u64::from(size.bits), Relaxed);
        head[1].store(size.words() as u64, Relaxed);
        Self::at(mapping, offset)
    }

    /// The store at `offset`; `None` when there can be none.
    #[inline]
    pub(super) fn at(mapping: &'static Mapping, offset: usize) -> Option<Self> {
        let head: &[AtomicU64] = mapping.slice(offset, HEAD)?;
        let bits = u32::try_from(head[0].load(Relaxed)).ok().filter(|bits| BITS.contains(bits))?;
        let words = usize::try_from(head[1].load(Relaxed)).ok()?;
        let words: &[AtomicU64] = mapping.slice(offset, words)?;
        let slots = words.get(HEAD..HEAD + (1 << bits))?;
        Some(Self { words, slots, bits })
    }

    pub(super) fn words(&self) -> usize {
        self.words.len()
    }

    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The first word for entries.
    pub(super) fn first(&self) -> usize {
        HEAD + self.slots.len()
    }

    /// Looks for the entry of `key`. Looks at each slot once at most.
    #[inline]
    pub(super) fn find(&self, key: &Key<'_>) -> Found {
        let mut removed = None;
        for slot in self.chain(self.home(key.tag)) {
            let word = self.load(slot);
            if word == EMPTY {
                return Found::Nothing(removed.or(Some(slot)));
            }
            if word == REMOVED {
                removed = removed.or(Some(slot));
            } else if tag_of(word) == key.tag {
                match self.entry(word) {
                    Some(entry) if entry.has_key(key.bytes) => return Found::Entry(slot, entry),
                    Some(_) => {}
                    None => return Found::Nonsense,
                }
            }
        }
        Found::Nothing(removed)
    }

    /// Every entry with its tag.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u32, Entry)> {
        (0..self.slots.len()).filter_map(|slot| self.look(slot))
    }

    /// The entries of the first home from that of `tag` on that has any with a tag of at least
    /// `tag`, and the first tag behind that home, if there is one.
    pub(super) fn next_home(&self, tag: u32) -> (Vec<Entry>, Option<u32>) {
        for home in self.home(tag)..self.slots.len() {
            let chain = self.chain(home).take_while(|&slot| self.load(slot) != EMPTY);
            let here = chain.filter_map(|slot| self.look(slot));
            let here = here.filter(|&(other, _)| self.home(other) == home && other >= tag);
            let entries: Vec<_> = here.map(|(_, entry)| entry).collect();
            if !entries.is_empty() {
                let next = u32::try_from((home as u64 + 1) << (u32::BITS - self.bits));
                return (entries, next.ok());
            }
        }
        (Vec::new(), None)
    }

    /// How many slots have been used, with those whose entries are gone.
    pub(super) fn used(&self) -> usize {
        (0..self.slots.len()).filter(|&slot| self.load(slot) != EMPTY).count()
    }

    /// Whether nothing was ever in the slot.
    pub(super) fn is_empty(&self, slot: usize) -> bool {
        self.load(slot) == EMPTY
    }

    /// Writes an entry to the words from `position` on, which no slot leads to.
    pub(super) fn write(&self, position: usize, key: &[u8], value: &[u8]) -> Option<()> {
        let row = self.words.get(position..)?.get(..entry_words(key.len(), value.len()))?;
        row[0].store((value.len() as u64) << 32 | key.len() as u64, Relaxed);
        let (key_row, value_row) = row[1..].split_at(words::words_for(key.len()));
        words::store_bytes(key_row, key);
        words::store_bytes(value_row, value);
        Some(())
    }

    /// Makes `slot` lead to the entry with `tag` at `position`: the one store that puts or replaces
    /// an entry.
    pub(super) fn lead(&self, slot: usize, tag: u32, position: usize) {
        kill_point("map.lead");
        // PAIR slot: the entry was written before the slot leads to it.
        self.slots[slot].store(u64::from(tag) << 32 | position as u64, Release);
        kill_point("map.led");
    }

    /// Makes `slot` lead nowhere, and says whether it is as if it had never been used: where no
    /// search goes past it.
    pub(super) fn remove(&self, slot: usize) -> bool {
        let is_last = self.is_empty((slot + 1) & (self.slots.len() - 1));
        kill_point("map.remove");
        // PAIR slot: what was written before the entry went is visible to who misses it.
        self.slots[slot].store(if is_last { EMPTY } else { REMOVED }, Release);
        kill_point("map.removed");
        is_last
    }

    /// Copies an entry of another store to `position`, in a store that has no entry of its key and
    /// that nobody else looks at.
    pub(super) fn adopt(&self, tag: u32, entry: Entry, position: usize) -> Option<()> {
        let row = self.words.get(position..)?.get(..entry.row.len())?;
        words::copy(entry.row, row);
        let slot = self.chain(self.home(tag)).find(|&slot| self.is_empty(slot))?;
        self.slots[slot].store(u64::from(tag) << 32 | position as u64, Relaxed);
        Some(())
    }

    /// Where the entries end: the first word behind the last of them.
    pub(super) fn end(&self) -> usize {
        let positions = (0..self.slots.len()).filter_map(|slot| {
            let word = self.load(slot);
            self.entry(word).map(|entry| position_of(word) + entry.row.len())
        });
        positions.max().unwrap_or(self.first())
    }

    /// The slots in the order in which a search from `home` looks at them.
    fn chain(&self, home: usize) -> impl Iterator<Item = usize> {
        let mask = self.slots.len() - 1;
        (home..home + self.slots.len()).map(move |slot| slot & mask)
    }

    fn home(&self, tag: u32) -> usize {
        (tag >> (u32::BITS - self.bits)) as usize
    }

    #[inline]
    fn load(&self, slot: usize) -> u64 {
        // PAIR slot: what the slot leads to is visible.
        self.slots[slot].load(Acquire)
    }

    fn look(&self, slot: usize) -> Option<(u32, Entry)> {
        let word = self.load(slot);
        self.entry(word).map(|entry| (tag_of(word), entry))
    }

    /// The entry that a slot with `word` leads to.
    #[inline]
    fn entry(&self, word: u64) -> Option<Entry> {
        let position = position_of(word);
        if position < self.first() {
            return None;
        }
        let lengths = self.words.get(position)?.load(Relaxed);
        let (key, value) = ((lengths as u32) as usize, (lengths >> 32) as usize);
        let row = self.words[position..].get(..entry_words(key, value))?;
        Some(Entry { row, key, value })
    }
}

impl Entry {
    /// How many words the entry takes.
    pub(super) fn words(&self) -> usize {
        self.row.len()
    }

    #[inline]
    fn has_key(&self, key: &[u8]) -> bool {
        self.key == key.len() && words::equal(self.key_row(), key)
    }

    fn key_row(&self) -> &'static [AtomicU64] {
        &self.row[1..1 + words::words_for(self.key)]
    }

    fn value_row(&self) -> &'static [AtomicU64] {
        &self.row[1 + words::words_for(self.key)..]
    }

    pub(super) fn key(&self) -> Vec<u8> {
        bytes(self.key_row(), self.key)
    }

    /// The value's bytes. They are those of one value, since only a single word is ever replaced.
    #[inline]
    pub(super) fn value(&self) -> Vec<u8> {
        let bytes = bytes(self.value_row(), self.value);
        // PAIR value: what was written before the value was is visible to who reads it.
        fence(Acquire);
        bytes
    }

    /// Replaces the value where it lies, by one store, if both are a single word.
    pub(super) fn replace(&self, value: &[u8]) -> bool {
        let [word] = self.value_row() else { return false };
        if self.value != value.len() {
            return false;
        }
        kill_point("map.replace");
        // PAIR value: with the fence in `value`.
        word.store(words::word(value), Release);
        kill_point("map.replaced");
        true
    }
}

fn bytes(row: &[AtomicU64], length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    words::load_bytes(row, &mut bytes);
    bytes
}

fn tag_of(word: u64) -> u32 {
    (word >> 32) as u32
}

fn position_of(word: u64) -> usize {
    (word as u32) as usize
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
