//! A place in the stream of messages, as one word.
//!
//! ```text
//! 63             32 31              0
//! +----------------+----------------+
//! | number         | position       |
//! +----------------+----------------+
//! ```
//!
//! `number` counts messages and `position` units of the ring, both from the first ever and modulo
//! 2^32. A channel has fewer messages and units than that at a time, so a difference of two places
//! in it is exact. One store moves both.

/// A place between two messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) number: u32,
    pub(super) position: u32,
}

impl Mark {
    #[inline]
    pub(super) fn from_word(word: u64) -> Self {
        // The upper half fits, and of the lower half the rest is cut off.
        Self { number: (word >> 32) as u32, position: word as u32 }
    }

    #[inline]
    pub(super) fn to_word(self) -> u64 {
        u64::from(self.number) << 32 | u64::from(self.position)
    }

    /// The place after a message of `units` units that begins here.
    #[inline]
    pub(super) fn after(self, units: u32) -> Self {
        Self { number: self.number.wrapping_add(1), position: self.position.wrapping_add(units) }
    }

    /// How many messages lie between `other` and this place.
    #[inline]
    pub(super) fn messages_since(self, other: Self) -> u32 {
        self.number.wrapping_sub(other.number)
    }

    /// How many units of the ring lie between `other` and this place.
    #[inline]
    pub(super) fn units_since(self, other: Self) -> u32 {
        self.position.wrapping_sub(other.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_one_word_and_counts_on_over_the_end_of_both_halves() {
        let last = Mark { number: u32::MAX, position: u32::MAX - 1 };
        assert_eq!(Mark::from_word(last.to_word()), last);
        let next = last.after(5);
        assert_eq!(next, Mark { number: 0, position: 3 });
        assert_eq!((next.messages_since(last), next.units_since(last)), (1, 5));
    }
}
