//! Where everything lies in a channel's block.

use brigade_sys::atomic::Ordering::Relaxed;
use brigade_sys::atomic::{AtomicU32, AtomicU64};
use brigade_sys::bell::Bell;
use brigade_sys::memory::Shareable;
use brigade_sys::robust::RobustLock;

use crate::arena::Arena;
use crate::arena::block::Block;
use crate::arena::heap::{Place, body};
use crate::error::Error;
use crate::message::PARTS;
use crate::sides::{self, Seen};

/// A word with a cache line of its own.
#[repr(C, align(64))]
pub(super) struct Line(pub(super) AtomicU64);

/// The channel's words, each side's on lines of its own.
#[repr(C, align(64))]
pub(super) struct Shared {
    pub(super) producer: RobustLock,
    pub(super) tail: Line,
    pub(super) not_empty: Bell,
    pub(super) consumer: RobustLock,
    pub(super) head: Line,
    pub(super) not_full: Bell,
    /// The process that last handed parts over to the slot of number `tail`: see
    /// [`super::burial`].
    pub(super) sender: Line,
    pub(super) ring_bytes: AtomicU64,
    /// How far the channel has ended. See [`super`].
    pub(super) closed: AtomicU32,
    pub(super) seen: Seen,
}

/// Where a message lies and how long it is.
#[repr(C)]
pub(super) struct Slot {
    /// The position in the ring at which the message begins, counted from the first byte ever.
    pub(super) position: AtomicU64,
    /// The message's [`Form`](crate::message::Form). A long message takes no bytes of the ring.
    pub(super) form: AtomicU64,
}

// SAFETY: shareable parts throughout; all zeros is an open, empty channel.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Shared {}

// SAFETY: two atomics.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Slot {}

/// The words before the slots' own: the endpoints.
const ENDPOINTS: usize = sides::PARTS;

const MAX_CAPACITY: usize = 1 << 24;
const MIN_RING: usize = 64;
const MAX_RING: usize = 1 << 32;

/// How many messages, and how many bytes of ring: everything follows from these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    capacity: usize,
    ring_bytes: usize,
}

impl Layout {
    /// A layout for `capacity` messages and at least `bytes` bytes of ring.
    pub(super) fn new(capacity: usize, bytes: usize) -> Result<Self, Error> {
        if capacity == 0 || capacity > MAX_CAPACITY {
            let expectation = "its capacity is between 1 and 16777216 messages";
            return Err(Error::Invalid { kind: "queue", expectation });
        }
        if bytes > MAX_RING {
            let expectation = "its ring has at most 4294967296 bytes";
            return Err(Error::Invalid { kind: "queue", expectation });
        }
        Ok(Self { capacity, ring_bytes: bytes.max(MIN_RING).next_power_of_two() })
    }

    /// The layout of an existing channel; `None` when what stands there makes no sense.
    pub(super) fn read(arena: &'static Arena, place: Place) -> Option<Self> {
        let block: &Block = arena.mapping().get(place.offset)?;
        let parts = usize::try_from(block.parts.load(Relaxed)).ok()?;
        let capacity = parts.checked_sub(ENDPOINTS)? / PARTS;
        let half = Self { capacity, ring_bytes: MIN_RING };
        let shared: &Shared = arena.mapping().get(body(place.offset) + half.shared_at())?;
        let ring_bytes = usize::try_from(shared.ring_bytes.load(Relaxed)).ok()?;
        let layout = Self { capacity, ring_bytes };
        let sensible = Self::new(capacity, ring_bytes).ok()? == layout
            && layout.parts() as usize == parts
            && block.length.load(Relaxed) == layout.length() as u64;
        sensible.then_some(layout)
    }

    pub(super) fn capacity(self) -> usize {
        self.capacity
    }

    pub(super) fn ring_bytes(self) -> usize {
        self.ring_bytes
    }

    pub(super) fn parts(self) -> u32 {
        // The capacity is at most 2^24.
        (ENDPOINTS + self.capacity * PARTS) as u32
    }

    /// The number of the first part that belongs to the message in slot `index`.
    pub(super) fn part_of_slot(self, index: usize) -> usize {
        ENDPOINTS + index * PARTS
    }

    /// The slot whose message part number `part` belongs to.
    pub(super) fn slot_of_part(self, part: usize) -> Option<usize> {
        Some(part.checked_sub(ENDPOINTS)? / PARTS).filter(|&index| index < self.capacity)
    }

    /// The slot of message number `number`.
    pub(super) fn slot_of(self, number: u64) -> usize {
        // The remainder is less than a capacity that is a usize.
        (number % self.capacity as u64) as usize
    }

    pub(super) fn shared_at(self) -> usize {
        ((ENDPOINTS + self.capacity * PARTS) * 8).next_multiple_of(64)
    }

    pub(super) fn slots_at(self) -> usize {
        self.shared_at() + size_of::<Shared>()
    }

    pub(super) fn ring_at(self) -> usize {
        (self.slots_at() + self.capacity * size_of::<Slot>()).next_multiple_of(64)
    }

    pub(super) fn length(self) -> usize {
        self.ring_at() + self.ring_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_overlaps() {
        for capacity in [1, 2, 6, 7, 1000, MAX_CAPACITY] {
            let layout = Layout::new(capacity, 1000).expect("valid");
            assert_eq!(layout.ring_bytes(), 1024);
            assert!(layout.shared_at() >= (2 + capacity) * 8);
            assert!(layout.slots_at() >= layout.shared_at() + size_of::<Shared>());
            assert!(layout.ring_at() >= layout.slots_at() + capacity * size_of::<Slot>());
            assert_eq!(layout.shared_at() % 64, 0);
        }
    }

    #[test]
    fn a_capacity_out_of_range_is_refused() {
        assert!(Layout::new(0, 64).is_err());
        assert!(Layout::new(MAX_CAPACITY + 1, 64).is_err());
        assert!(Layout::new(1, MAX_RING + 1).is_err());
    }
}
