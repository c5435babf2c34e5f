//! Where everything lies in a shelf's block and in its chunks.
//!
//! ```text
//! shelf   +------------------------------+--------+
//!         | parts: chunks, its two sides | Shared |
//!         +------------------------------+--------+
//! chunk   +------------------------------+----------------+------------------------+
//!         | parts: two for each slot     | slot 0 .. n-1  | n entries of the index |
//!         +------------------------------+----------------+------------------------+
//! ```
//!
//! Chunk number `c` has `16 << c` slots, so that growth moves nothing.

use brigade_sys::atomic::AtomicU64;
use brigade_sys::atomic::Ordering::Relaxed;
use brigade_sys::bell::Bell;
use brigade_sys::memory::Shareable;
use brigade_sys::robust::RobustLock;

use super::count::Count;
use crate::arena::layout::{MAX_PROCESSES, SLOT_WORDS};
use crate::message;
use crate::sides::{self, Seen};

/// How many chunks a shelf has at most: with all of them, sixty-seven million slots.
pub(super) const CHUNKS: usize = 22;

/// How many words at the start of a shelf name its parts: the chunks, then its sides.
pub(super) const PARTS: usize = CHUNKS + sides::PARTS;

/// How many words at the start of a chunk name the parts of the message in one slot.
pub(super) const PARTS_OF_SLOT: usize = message::PARTS;

/// How many slots the first chunk has.
const FIRST: usize = 16;

/// How many bytes of a message lie in its slot.
pub(super) const INLINE: usize = 72;

/// The words of a shelf, behind its parts.
#[repr(C, align(64))]
pub(super) struct Shared {
    pub(super) lock: RobustLock,
    /// Rings for those who wait for an item.
    pub(super) not_empty: Bell,
    /// Rings for those who wait for room.
    pub(super) not_full: Bell,
    /// Rings for those who wait until every item is done with.
    pub(super) all_done: Bell,
    /// Rings for those who wait for an item that was given up.
    pub(super) given_up: Bell,
    /// How many items may wait at a time.
    pub(super) capacity: AtomicU64,
    /// After how many deliveries an item is given up, if it is not zero.
    pub(super) most_deliveries: AtomicU64,
    /// How far the end has come: an [`End`](super::item::End).
    pub(super) end: AtomicU64,
    pub(super) seen: Seen,
    pub(super) caches: Caches,
}

/// What can be computed from the slots, and is whenever someone was stopped while changing it.
#[repr(C, align(64))]
pub(super) struct Caches {
    /// One while the rest of this is being changed.
    pub(super) untidy: AtomicU64,
    /// How many items wait, are taken, were given up.
    pub(super) ready: Count,
    pub(super) taken: Count,
    pub(super) failed: Count,
    /// When the first item that waits is due.
    pub(super) first_due: AtomicU64,
    /// How many items were ever put, or more: the next one's number in the order of arrival.
    pub(super) arrivals: AtomicU64,
    /// How many slots were ever used.
    pub(super) used: AtomicU64,
    /// How often items were taken, more or less.
    pub(super) takes: AtomicU64,
    /// The vacant ones among the used slots.
    pub(super) vacant: Chain,
    /// The items that were given up, the first of them first.
    pub(super) failures: Chain,
    /// A bit for each slot of the census whose process has taken items.
    pub(super) holding: [AtomicU64; SLOT_WORDS],
    /// What the process in each of these slots has taken, in that order.
    pub(super) holders: [Holder; MAX_PROCESSES],
}

impl Caches {
    /// When the first item that waits is due.
    pub(super) fn first_due(&self) -> u64 {
        self.first_due.load(Relaxed)
    }
}

/// The ends of a chain of slots: their numbers plus one, or zero.
#[repr(C)]
pub(super) struct Chain {
    pub(super) first: AtomicU64,
    pub(super) last: AtomicU64,
}

/// A process that has taken items: its tag, and the items.
#[repr(C)]
pub(super) struct Holder {
    pub(super) tag: AtomicU64,
    pub(super) chain: Chain,
}

/// One item, or room for one.
#[repr(C, align(64))]
pub(super) struct Slot {
    /// A [`State`](super::item::State): the word by which everything happens to the item.
    pub(super) state: AtomicU64,
    /// Its number in the order of arrival.
    pub(super) arrival: AtomicU64,
    /// From when on it may be taken, in nanoseconds of the monotonic clock.
    pub(super) due: AtomicU64,
    /// The [`Form`](crate::message::Form) of the message.
    pub(super) form: AtomicU64,
    /// How many of its bytes, from the first on, are its key.
    pub(super) key: AtomicU64,
    /// The neighbours in the slot's chain. A cache.
    pub(super) next: AtomicU64,
    pub(super) previous: AtomicU64,
    pub(super) bytes: [AtomicU64; INLINE / 8],
}

const _: () = assert!(size_of::<Slot>() == 128);

// SAFETY: shareable parts throughout; all zeros is an open shelf without items.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Shared {}

// SAFETY: atomics throughout; all zeros is a vacant slot.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Slot {}

/// Where the words of a shelf begin in its block.
pub(super) const SHARED_AT: usize = (PARTS * 8).next_multiple_of(64);

/// The bytes of a shelf's block.
pub(super) const LENGTH: usize = SHARED_AT + size_of::<Shared>();

/// How many slots chunk number `chunk` has.
pub(super) const fn slots_of(chunk: usize) -> usize {
    FIRST << chunk
}

/// Where the slots begin in a chunk's block.
pub(super) const fn slots_at(chunk: usize) -> usize {
    (slots_of(chunk) * PARTS_OF_SLOT * 8).next_multiple_of(64)
}

/// Where the entries of the index begin in a chunk's block.
pub(super) const fn index_at(chunk: usize) -> usize {
    slots_at(chunk) + slots_of(chunk) * size_of::<Slot>()
}

/// The bytes of a chunk's block.
pub(super) const fn length_of(chunk: usize) -> usize {
    index_at(chunk) + slots_of(chunk) * 8
}

/// The chunk that has slot `number`, and the slot's place in it.
pub(super) const fn chunk_of(number: usize) -> (usize, usize) {
    // Chunks 0 to n together have one slot less than `FIRST` times a power of two.
    let chunk = (number / FIRST + 1).ilog2() as usize;
    (chunk, number - FIRST * ((1 << chunk) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_lies_in_one_chunk() {
        let numbers = (0..CHUNKS).flat_map(|chunk| {
            let slots = slots_of(chunk);
            [0, 1, slots / 2, slots - 1].map(|within| (chunk, within))
        });
        let mut first = 0;
        let mut last = 0;
        for (chunk, within) in numbers {
            if within == 0 {
                first = last;
                last += slots_of(chunk);
            }
            assert_eq!(chunk_of(first + within), (chunk, within));
        }
        assert_eq!(chunk_of(last), (CHUNKS, 0));
    }

    #[test]
    fn nothing_overlaps() {
        for chunk in 0..CHUNKS {
            assert!(slots_at(chunk) >= slots_of(chunk) * PARTS_OF_SLOT * 8);
            assert_eq!(slots_at(chunk) % 64, 0);
            assert!(length_of(chunk) <= crate::arena::heap::MAX_LENGTH);
        }
    }
}
