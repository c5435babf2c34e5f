//! Which items were put, and which were taken.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU8, AtomicU64};

use crate::shared::words;

/// How many items there can be in a round.
const ITEMS: usize = 1 << 20;

const PUT: u8 = 1;
const TAKEN: u8 = 2;

/// What is known of the items of one game. Lies in memory of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ledger {
    next: &'static AtomicU64,
    items: &'static [AtomicU8],
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self { next: &words(1)[0], items: words(ITEMS) }
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.items[..self.len()].iter().for_each(|item| item.store(0, Relaxed));
        self.next.store(0, Relaxed);
    }

    /// The number of an item that nobody has made before, and larger than those before; `None` when
    /// there were enough.
    pub(super) fn new_item(&self) -> Option<u64> {
        let item = self.next.fetch_add(1, Relaxed);
        (item < ITEMS as u64).then_some(item)
    }

    /// Notes that somebody has put `item`, and has been told so.
    pub(super) fn note_put(&self, item: u64) {
        self.items[item as usize].fetch_or(PUT, Relaxed);
    }

    /// Notes that somebody has taken `item`.
    ///
    /// # Panics
    ///
    /// Panics when it was taken before, or never made.
    pub(super) fn note_taken(&self, item: u64) {
        assert!(item < self.len() as u64, "item {item} was never made");
        let before = self.items[item as usize].fetch_or(TAKEN, Relaxed);
        assert!(before & TAKEN == 0, "item {item} was taken twice");
    }

    /// How many items were put, and taken by nobody who lived to say so.
    pub(super) fn lost(&self) -> usize {
        self.items[..self.len()].iter().filter(|item| item.load(Relaxed) == PUT).count()
    }

    fn len(&self) -> usize {
        self.next.load(Relaxed).min(ITEMS as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_that_was_put_is_lost_until_it_is_taken() {
        let ledger = Ledger::new();
        let (one, two) = (ledger.new_item().unwrap(), ledger.new_item().unwrap());
        assert!(two > one);
        ledger.note_put(one);
        ledger.note_put(two);
        assert_eq!(ledger.lost(), 2);
        ledger.note_taken(one);
        assert_eq!(ledger.lost(), 1);
        ledger.clear();
        assert_eq!(ledger.lost(), 0);
        assert_eq!(ledger.new_item(), Some(0));
    }

    #[test]
    #[should_panic(expected = "taken twice")]
    fn an_item_is_taken_once() {
        let ledger = Ledger::new();
        let item = ledger.new_item().unwrap();
        ledger.note_taken(item);
        ledger.note_taken(item);
    }
}
