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

/// A line between those of different writers. Processors fetch lines in pairs, so that a look at one
/// would take its neighbour away as well.
#[repr(C, align(64))]
struct Gap([AtomicU64; 8]);

/// How far one side has come, and what it remembers of the other.
#[repr(C, align(64))]
pub(super) struct Progress {
    /// The other side's mark as this side saw it last: a look at the other's line costs as much as
    /// many messages. Under the side's lock.
    pub(super) other: AtomicU64,
    /// The side's number when it had nothing to do last, and how many messages it had moved then
    /// since the time before. No more than a hint.
    pub(super) idle_at: AtomicU32,
    pub(super) run: AtomicU32,
    _gap: Gap,
    /// The side's [`Mark`](super::mark::Mark): its store commits.
    pub(super) mark: Line,
}

/// The channel's words. What a side has for itself comes first, what the other looks at last.
#[repr(C, align(64))]
pub(super) struct Shared {
    pub(super) producer: RobustLock,
    pub(super) tail: Progress,
    pub(super) not_empty: Bell,
    _between: Gap,
    pub(super) consumer: RobustLock,
    pub(super) head: Progress,
    pub(super) not_full: Bell,
    _behind: Gap,
    /// The process that last handed parts over to the slot of number `tail`: see
    /// [`super::burial`].
    pub(super) sender: Line,
    capacity: AtomicU64,
    ring_units: AtomicU64,
    /// How far the channel has ended. See [`super`].
    pub(super) closed: AtomicU32,
    /// Whether a message ever had parts: without any, no slot has to be cleared of them.
    pub(super) had_parts: AtomicU32,
    pub(super) seen: Seen,
}

// SAFETY: shareable parts throughout; all zeros is an open, empty channel.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Shared {}

/// The words before the slots' own: the endpoints.
const ENDPOINTS: usize = sides::PARTS;

const MAX_CAPACITY: usize = 1 << 24;
const MIN_RING: usize = 64;
const MAX_RING: usize = 1 << 32;

/// The ring is counted in these many bytes.
pub(super) const UNIT: usize = 8;

/// How many messages, and how long a ring: everything follows from these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    capacity: u32,
    /// A power of two, and at least one unit for each message.
    ring_units: u32,
}

impl Layout {
    /// A layout for `capacity` messages that have at least `bytes` bytes of ring in all.
    pub(super) fn new(capacity: usize, bytes: usize) -> Result<Self, Error> {
        if capacity == 0 || capacity > MAX_CAPACITY {
            let expectation = "its capacity is between 1 and 16777216 messages";
            return Err(Error::Invalid { kind: "queue", expectation });
        }
        if bytes > MAX_RING {
            let expectation = "its ring has at most 4294967296 bytes";
            return Err(Error::Invalid { kind: "queue", expectation });
        }
        let units = (bytes.max(MIN_RING).div_ceil(UNIT) + capacity).next_power_of_two();
        // At most 2^24, and 2^30.
        Ok(Self { capacity: capacity as u32, ring_units: units as u32 })
    }

    /// The layout of an existing channel; `None` when what stands there makes no sense.
    pub(super) fn read(arena: &'static Arena, place: Place) -> Option<Self> {
        let block: &Block = arena.mapping().get(place.offset)?;
        let parts = usize::try_from(block.parts.load(Relaxed)).ok()?;
        let slots = u32::try_from(parts.checked_sub(ENDPOINTS)? / PARTS).ok()?;
        if !slots.is_power_of_two() || slots as usize > MAX_CAPACITY {
            return None;
        }
        let half = Self { capacity: slots, ring_units: 0 };
        let shared: &Shared = arena.mapping().get(body(place.offset) + half.shared_at())?;
        let capacity = u32::try_from(shared.capacity.load(Relaxed)).ok()?;
        let ring_units = u32::try_from(shared.ring_units.load(Relaxed)).ok()?;
        let layout = Self { capacity, ring_units };
        let sensible = (1..=slots).contains(&capacity)
            && layout.slots() == slots as usize
            && ring_units.is_power_of_two()
            && ring_units >= capacity
            && layout.parts() as usize == parts
            && block.length.load(Relaxed) == layout.length() as u64;
        sensible.then_some(layout)
    }

    /// Notes in a new channel what cannot be told from its block.
    pub(super) fn note(self, shared: &Shared) {
        shared.capacity.store(u64::from(self.capacity), Relaxed);
        shared.ring_units.store(u64::from(self.ring_units), Relaxed);
    }

    #[inline]
    pub(super) fn capacity(self) -> u32 {
        self.capacity
    }

    #[inline]
    pub(super) fn ring_units(self) -> usize {
        self.ring_units as usize
    }

    /// How many bytes a message has at most that lies in the ring.
    pub(super) fn most_in_ring(self) -> usize {
        self.ring_units() * UNIT / 4
    }

    /// How many slots there are for parts: as many as messages, and so many more that the number of
    /// a message, which begins anew after 2^32, tells its slot.
    fn slots(self) -> usize {
        self.capacity.next_power_of_two() as usize
    }

    pub(super) fn parts(self) -> u32 {
        // There are at most 2^24 slots.
        (ENDPOINTS + self.slots() * PARTS) as u32
    }

    /// The number of the first part that belongs to the message in slot `index`.
    pub(super) fn part_of_slot(self, index: usize) -> usize {
        ENDPOINTS + index * PARTS
    }

    /// All parts that belong to messages.
    pub(super) fn parts_of_slots(self) -> std::ops::Range<usize> {
        ENDPOINTS..self.part_of_slot(self.slots())
    }

    /// The slot whose message part number `part` belongs to.
    pub(super) fn slot_of_part(self, part: usize) -> Option<usize> {
        Some(part.checked_sub(ENDPOINTS)? / PARTS).filter(|&index| index < self.slots())
    }

    /// The slot of message number `number`.
    #[inline]
    pub(super) fn slot_of(self, number: u32) -> usize {
        number as usize & (self.slots() - 1)
    }

    /// How many messages after the one in slot `first` the one in slot `index` was put, if both are
    /// there.
    pub(super) fn slots_between(self, first: usize, index: usize) -> usize {
        index.wrapping_sub(first) & (self.slots() - 1)
    }

    pub(super) fn shared_at(self) -> usize {
        ((ENDPOINTS + self.slots() * PARTS) * 8).next_multiple_of(64)
    }

    pub(super) fn ring_at(self) -> usize {
        self.shared_at() + size_of::<Shared>()
    }

    pub(super) fn length(self) -> usize {
        self.ring_at() + self.ring_units() * UNIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_overlaps() {
        for capacity in [1, 2, 6, 7, 1000, MAX_CAPACITY] {
            let layout = Layout::new(capacity, 1000).expect("valid");
            let slots = capacity.next_power_of_two();
            assert_eq!(layout.parts_of_slots(), 2..2 + 2 * slots);
            assert!(layout.shared_at() >= (2 + 2 * slots) * 8);
            assert_eq!(layout.ring_at(), layout.shared_at() + size_of::<Shared>());
            assert!(layout.ring_units() >= capacity + 1000 / UNIT);
            assert_eq!(layout.shared_at() % 64, 0);
            assert_eq!(layout.ring_at() % 64, 0);
        }
    }

    #[test]
    fn messages_that_are_there_at_a_time_have_slots_of_their_own() {
        let layout = Layout::new(6, 64).expect("valid");
        for head in [0, 5, u32::MAX - 2, u32::MAX] {
            let first = layout.slot_of(head);
            for after in 0..6 {
                let slot = layout.slot_of(head.wrapping_add(after));
                assert_eq!(layout.slots_between(first, slot), after as usize);
            }
        }
    }

    #[test]
    fn a_capacity_out_of_range_is_refused() {
        assert!(Layout::new(0, 64).is_err());
        assert!(Layout::new(MAX_CAPACITY + 1, 64).is_err());
        assert!(Layout::new(1, MAX_RING + 1).is_err());
    }
}
