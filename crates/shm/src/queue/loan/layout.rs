//! Where everything lies in the block of a queue that lends memory.
//!
//! ```text
//! +--------------------+--------+------------------+-----------------+------------------------+
//! | parts: its 2 sides | Shared | order: m numbers | slot 0 .. n-1   | elements of 0 .. n-1   |
//! +--------------------+--------+------------------+-----------------+------------------------+
//! ```
//!
//! `m` is `n`, rounded up to a power of two.

use brigade_sys::atomic::AtomicU64;
use brigade_sys::bell::Bell;
use brigade_sys::memory::Shareable;
use brigade_sys::robust::RobustLock;

use crate::arena::census::Tag;
use crate::sides::{self, Seen};

/// The most slots of a queue.
pub(super) const MAX_SLOTS: usize = 1 << 16;

/// Where the words of a queue begin in its block.
pub(super) const SHARED_AT: usize = (sides::PARTS * 8).next_multiple_of(64);

/// A word with a cache line of its own.
#[repr(C, align(64))]
pub(super) struct Line(pub(super) AtomicU64);

/// The words of a queue, behind its parts.
#[repr(C, align(64))]
pub(super) struct Shared {
    pub(super) sending: RobustLock,
    pub(super) receiving: RobustLock,
    pub(super) not_empty: Bell,
    pub(super) not_full: Bell,
    /// How many messages were sent, and received. Both may be one too low after a death.
    pub(super) tail: Line,
    pub(super) head: Line,
    /// The tail as the last receiver saw it that had to look.
    pub(super) seen_tail: Line,
    /// Where to look for a free slot first.
    pub(super) cursor: Line,
    pub(super) closed: AtomicU64,
    /// How many slots there are, and how many elements in each: written once.
    pub(super) slots: AtomicU64,
    pub(super) length: AtomicU64,
    pub(super) seen: Seen,
}

/// Room for one message.
#[repr(C, align(64))]
pub(super) struct Slot {
    /// A [`State`].
    pub(super) state: AtomicU64,
    /// How many of the elements are the message.
    pub(super) used: AtomicU64,
}

// SAFETY: shareable parts throughout; all zeros is an open queue from which nothing was lent.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Shared {}

// SAFETY: atomics throughout; all zeros is a free slot.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Slot {}

/// What the word of a slot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Free,
    /// Lent to this process, to be filled.
    Lent(Tag),
    /// The message with this number.
    Sent(u64),
    /// Read by this process.
    Read(Tag),
}

const KIND: u32 = 62;

impl State {
    pub(super) fn to_word(self) -> u64 {
        match self {
            Self::Free => 0,
            Self::Lent(tag) => 1 << KIND | tag.to_word(),
            Self::Sent(number) => 2 << KIND | number & ((1 << KIND) - 1),
            Self::Read(tag) => 3 << KIND | tag.to_word(),
        }
    }

    /// The state that a word names. What names nobody was written by a faulty process, and is free.
    pub(super) fn from_word(word: u64) -> Self {
        let rest = word & ((1 << KIND) - 1);
        match (word >> KIND, Tag::from_word(rest)) {
            (1, Some(tag)) => Self::Lent(tag),
            (2, _) => Self::Sent(rest),
            (3, Some(tag)) => Self::Read(tag),
            _ => Self::Free,
        }
    }

    /// The process that has the slot.
    pub(super) fn holder(self) -> Option<Tag> {
        match self {
            Self::Lent(tag) | Self::Read(tag) => Some(tag),
            Self::Free | Self::Sent(_) => None,
        }
    }
}

/// The measures of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) slots: usize,
    /// How many elements a slot has, and of how many bytes.
    pub(super) length: usize,
    pub(super) element: usize,
}

impl Layout {
    /// The bytes of the block; `None` for more than there can be.
    pub(super) fn total(self) -> Option<usize> {
        self.stride()?.checked_mul(self.slots)?.checked_add(self.elements_at())
    }

    pub(super) fn order(self) -> usize {
        self.slots.next_power_of_two()
    }

    pub(super) fn order_at(self) -> usize {
        SHARED_AT + size_of::<Shared>()
    }

    pub(super) fn slots_at(self) -> usize {
        (self.order_at() + self.order() * 8).next_multiple_of(64)
    }

    pub(super) fn elements_at(self) -> usize {
        self.slots_at() + self.slots * size_of::<Slot>()
    }

    /// From the elements of one slot to those of the next, in bytes.
    pub(super) fn stride(self) -> Option<usize> {
        self.length.checked_mul(self.element)?.checked_next_multiple_of(64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_comes_back_from_its_word_and_every_word_is_some_state() {
        let tag = Tag { slot: 511, generation: u32::MAX };
        let states =
            [State::Free, State::Lent(tag), State::Sent(0), State::Sent(1 << 61), State::Read(tag)];
        for state in states {
            assert_eq!(State::from_word(state.to_word()), state);
        }
        for word in [u64::MAX, 1 << 62, 3 << 62, 12345, 1 << 61] {
            let _ = State::from_word(word);
        }
    }

    #[test]
    fn nothing_overlaps_and_what_is_too_large_has_no_size() {
        for slots in [1, 2, 3, 64, 65] {
            let layout = Layout { slots, length: 3, element: 24 };
            assert!(layout.slots_at() >= layout.order_at() + slots * 8);
            assert_eq!((layout.slots_at() % 64, layout.elements_at() % 64), (0, 0));
            assert_eq!(layout.total(), Some(layout.elements_at() + slots * 128));
        }
        assert_eq!(Layout { slots: 2, length: usize::MAX, element: 1 }.total(), None);
        assert_eq!(Layout { slots: 1, length: usize::MAX / 2, element: 4 }.total(), None);
    }
}
