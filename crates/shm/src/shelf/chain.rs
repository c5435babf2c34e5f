//! Chains: slots in a row, linked by their numbers.
//!
//! Links hold numbers plus one, so that zeros are an empty chain. They are caches: a link that
//! leads nowhere is told by an error, and all chains are then made anew from the slots.

use brigade_sys::atomic::AtomicU64;
use brigade_sys::atomic::Ordering::Relaxed;

use super::CORRUPT;
use super::layout::Chain;
use super::slots::Numbered;
use crate::error::Error;

/// How a chain finds its slots.
pub(super) trait Slots {
    /// Slot `number`.
    fn slot(&self, number: usize) -> Result<Numbered, Error>;
}

impl Chain {
    /// The first of the chain, if it has any.
    pub(super) fn first(&self, slots: &impl Slots) -> Result<Option<Numbered>, Error> {
        follow(&self.first, slots)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.load(Relaxed) == 0
    }

    pub(super) fn clear(&self) {
        self.first.store(0, Relaxed);
        self.last.store(0, Relaxed);
    }

    pub(super) fn push_front(&self, slots: &impl Slots, item: Numbered) -> Result<(), Error> {
        let link = link(item);
        match follow(&self.first, slots)? {
            Some(first) => first.slot.previous.store(link, Relaxed),
            None => self.last.store(link, Relaxed),
        }
        item.slot.next.store(self.first.load(Relaxed), Relaxed);
        item.slot.previous.store(0, Relaxed);
        self.first.store(link, Relaxed);
        Ok(())
    }

    pub(super) fn push_back(&self, slots: &impl Slots, item: Numbered) -> Result<(), Error> {
        let link = link(item);
        match follow(&self.last, slots)? {
            Some(last) => last.slot.next.store(link, Relaxed),
            None => self.first.store(link, Relaxed),
        }
        item.slot.previous.store(self.last.load(Relaxed), Relaxed);
        item.slot.next.store(0, Relaxed);
        self.last.store(link, Relaxed);
        Ok(())
    }

    /// Takes `item`, which is in the chain, out of it.
    pub(super) fn remove(&self, slots: &impl Slots, item: Numbered) -> Result<(), Error> {
        let (next, previous) = (&item.slot.next, &item.slot.previous);
        let behind = match follow(previous, slots)? {
            Some(previous) => &previous.slot.next,
            None => &self.first,
        };
        let before = match follow(next, slots)? {
            Some(next) => &next.slot.previous,
            None => &self.last,
        };
        behind.store(next.load(Relaxed), Relaxed);
        before.store(previous.load(Relaxed), Relaxed);
        Ok(())
    }
}

fn link(item: Numbered) -> u64 {
    item.number as u64 + 1
}

fn follow(link: &AtomicU64, slots: &impl Slots) -> Result<Option<Numbered>, Error> {
    match link.load(Relaxed) {
        0 => Ok(None),
        number => {
            let number = usize::try_from(number - 1).map_err(|_| CORRUPT)?;
            slots.slot(number).map(Some)
        }
    }
}
