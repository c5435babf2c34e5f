//! Where everything lies in a broadcast's block, and in a subscriber's.

use brigade_sys::atomic::Ordering::{Acquire, Relaxed, Release};
use brigade_sys::atomic::{AtomicU32, AtomicU64};
use brigade_sys::bell::Bell;
use brigade_sys::memory::Shareable;
use brigade_sys::robust::RobustLock;

use crate::arena::Arena;
use crate::arena::block::Block;
use crate::arena::heap::Place;
use crate::error::Error;
use crate::message::PARTS;

/// How many subscribers a broadcast has at most.
pub(super) const SUBSCRIBERS: usize = 64;

/// How many bytes of a message lie in its slot; a longer one has a block of its own.
pub(super) const SHORT: usize = 120;

/// A word with a cache line of its own.
#[repr(C, align(64))]
pub(super) struct Line(pub(super) AtomicU64);

/// The broadcast's words. See [`super::ring`].
#[repr(C, align(64))]
pub(super) struct Shared {
    pub(super) lock: RobustLock,
    pub(super) tail: Line,
    pub(super) not_empty: Bell,
    pub(super) first: Line,
    pub(super) not_full: Bell,
    /// The process that last handed parts over to the slot of number `tail`.
    pub(super) sender: Line,
    pub(super) overflow: AtomicU32,
    pub(super) closed: AtomicU32,
    /// Whether there ever was a publisher: their end means something only then.
    published: AtomicU32,
}

impl Shared {
    /// Notes that there is a publisher, whose hold is already there.
    pub(super) fn mark_published(&self) {
        // PAIR published: the hold is there before its absence means anything.
        self.published.store(1, Release);
    }

    /// Whether there ever was a publisher.
    pub(super) fn was_published(&self) -> bool {
        // PAIR published: with the store in `mark_published`.
        self.published.load(Acquire) != 0
    }
}

/// One message: its [`Form`](crate::message::Form), and its bytes if they are few.
#[repr(C)]
pub(super) struct Slot {
    pub(super) form: AtomicU64,
    bytes: [AtomicU64; SHORT / 8],
}

/// What a subscriber shares with its other selves and with the publishers.
#[repr(C, align(64))]
pub(super) struct Seat {
    pub(super) lock: RobustLock,
    /// The number of the message that it gets next.
    pub(super) position: AtomicU64,
    /// How many messages were gone before it came to them.
    pub(super) missed: AtomicU64,
}

// SAFETY: shareable parts throughout; all zeros is an open broadcast without messages.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Shared {}

// SAFETY: atomics throughout.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Slot {}

// SAFETY: shareable parts throughout.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Seat {}

/// The part that the publishers hold.
pub(super) const PUBLISHERS: usize = 0;

/// The parts that are subscribers.
pub(super) fn seats() -> std::ops::Range<usize> {
    1..1 + SUBSCRIBERS
}

const FIRST_OF_SLOTS: usize = 1 + SUBSCRIBERS;
const MAX_CAPACITY: usize = 1 << 20;

/// How many messages: everything follows from that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    capacity: usize,
}

impl Layout {
    pub(super) fn new(capacity: usize) -> Result<Self, Error> {
        if capacity == 0 || capacity > MAX_CAPACITY {
            let expectation = "its capacity is between 1 and 1048576 messages";
            return Err(Error::Invalid { kind: "broadcast", expectation });
        }
        Ok(Self { capacity })
    }

    /// The layout of an existing broadcast; `None` when what stands there makes no sense.
    pub(super) fn read(arena: &'static Arena, place: Place) -> Option<Self> {
        let block: &Block = arena.mapping().get(place.offset)?;
        let parts = usize::try_from(block.parts.load(Relaxed)).ok()?;
        let layout = Self::new(parts.checked_sub(FIRST_OF_SLOTS)? / PARTS).ok()?;
        let sensible = layout.parts() as usize == parts
            && block.length.load(Relaxed) == layout.length() as u64;
        sensible.then_some(layout)
    }

    pub(super) fn capacity(self) -> usize {
        self.capacity
    }

    pub(super) fn parts(self) -> u32 {
        // The capacity is at most 2^20.
        (FIRST_OF_SLOTS + self.capacity * PARTS) as u32
    }

    /// The slot of message number `number`.
    pub(super) fn slot_of(self, number: u64) -> usize {
        // The remainder is less than a capacity that is a usize.
        (number % self.capacity as u64) as usize
    }

    /// The first part that belongs to the message in slot `index`.
    pub(super) fn part_of_slot(self, index: usize) -> usize {
        FIRST_OF_SLOTS + index * PARTS
    }

    pub(super) fn shared_at(self) -> usize {
        (self.parts() as usize * 8).next_multiple_of(64)
    }

    pub(super) fn slots_at(self) -> usize {
        self.shared_at() + size_of::<Shared>()
    }

    /// Where the bytes of the message in slot `index` lie.
    pub(super) fn bytes_at(self, index: usize) -> usize {
        self.slots_at() + index * size_of::<Slot>() + std::mem::offset_of!(Slot, bytes)
    }

    pub(super) fn length(self) -> usize {
        self.slots_at() + self.capacity * size_of::<Slot>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_overlaps() {
        for capacity in [1, 2, 7, 1000, MAX_CAPACITY] {
            let layout = Layout::new(capacity).expect("valid");
            assert!(layout.shared_at() >= (1 + SUBSCRIBERS + 2 * capacity) * 8);
            assert!(layout.bytes_at(capacity - 1) + SHORT <= layout.length());
            assert_eq!(layout.shared_at() % 64, 0);
            assert_eq!(layout.part_of_slot(0), seats().end);
        }
        assert!(Layout::new(0).is_err());
        assert!(Layout::new(MAX_CAPACITY + 1).is_err());
    }
}
