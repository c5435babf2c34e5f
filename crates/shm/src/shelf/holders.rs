//! Who has taken items and not yet answered for them, and what becomes of them when it dies.

use brigade_sys::atomic::Ordering::{Acquire, Relaxed, Release};
use brigade_sys::kill_point::kill_point;

use super::item::Event;
use super::layout::{Caches, Holder};
use super::locked::Locked;
use super::slots::Numbered;
use super::{CORRUPT, Discipline};
use crate::arena::Arena;
use crate::arena::census::{self, Tag};
use crate::error::Error;

impl Caches {
    /// The processes that have taken items, as far as that can be said without the lock.
    pub(super) fn takers(&self) -> impl Iterator<Item = Tag> {
        let words = (0..).zip(&self.holding);
        let slots = words.flat_map(|(index, word): (u16, _)| {
            let bits = word.load(Acquire); // PAIR holding: with the store in `mark`.
            (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| index * 64 + bit)
        });
        slots.filter_map(|slot| {
            let holder = self.holders.get(usize::from(slot))?;
            Tag::from_word(holder.tag.load(Relaxed))
        })
    }

    /// Whether a process has died that had taken items.
    pub(super) fn have_lost_a_taker(&self, arena: &'static Arena) -> bool {
        self.taken.get() > 0 && self.takers().any(|tag| census::has_died(arena, tag))
    }

    /// What the process with `tag` has taken and not answered for, if anything. Under the lock.
    pub(super) fn taken_by(&self, tag: Tag) -> Option<&Holder> {
        let holder = self.holders.get(usize::from(tag.slot))?;
        (holder.tag.load(Relaxed) == tag.to_word() && !holder.chain.is_empty()).then_some(holder)
    }

    /// Changes the bit that says whether the process in the slot of `by` has taken items.
    fn mark(&self, by: Tag, change: impl FnOnce(u64, u64) -> u64) {
        if let Some(holding) = self.holding.get(usize::from(by.slot / 64)) {
            let changed = change(holding.load(Relaxed), 1 << (by.slot % 64));
            // PAIR holding: who sees the bit sees the holder's tag.
            holding.store(changed, Release);
        }
    }
}

impl<D: Discipline> Locked<'_, D> {
    /// Notes that `by` has taken the item.
    pub(super) fn entrust(&self, item: Numbered, by: Tag) -> Result<(), Error> {
        let caches = self.caches();
        let holder = caches.holders.get(usize::from(by.slot)).ok_or(CORRUPT)?;
        let is_first = holder.chain.is_empty();
        holder.tag.store(by.to_word(), Relaxed);
        holder.chain.push_back(self, item)?;
        caches.mark(by, |holding, bit| holding | bit);
        caches.taken.raise();
        kill_point("shelf.take.entrusted");
        if is_first && self.rules().most_deliveries < u16::MAX {
            // Its death may end the last item: those who wait for that must watch it.
            self.shared().all_done.ring_all_after(|| ());
        }
        Ok(())
    }

    /// Notes that `by` no longer has the item.
    pub(super) fn release(&self, item: Numbered, by: Tag) -> Result<(), Error> {
        let caches = self.caches();
        let holder = caches.holders.get(usize::from(by.slot)).ok_or(CORRUPT)?;
        holder.chain.remove(self, item)?;
        if holder.chain.is_empty() {
            caches.mark(by, |holding, bit| holding & !bit);
        }
        Ok(())
    }

    /// Takes back what the dead had taken.
    pub(super) fn take_back(&self) -> Result<(), Error> {
        let arena = self.shelf.handle.arena();
        let dead = |tag: &Tag| census::has_died(arena, *tag);
        self.caches().takers().filter(dead).try_for_each(|tag| self.take_back_from(tag))?;
        if self.caches().have_lost_a_taker(arena) {
            // What is noted of the takers was written by a faulty process.
            self.tidy_up()?;
        }
        Ok(())
    }

    /// Takes back what the process had taken that was in the same slot of the census before `by`.
    pub(super) fn take_back_from_predecessor(&self, by: Tag) -> Result<(), Error> {
        let holder = self.caches().holders.get(usize::from(by.slot)).ok_or(CORRUPT)?;
        match Tag::from_word(holder.tag.load(Relaxed)) {
            Some(other) if other != by => self.take_back_from(other),
            _ => Ok(()),
        }
    }

    fn take_back_from(&self, dead: Tag) -> Result<(), Error> {
        while let Some(holder) = self.caches().taken_by(dead)
            && let Some(item) = holder.chain.first(self)?
        {
            self.settle(item, Event::GiveBack { by: dead })?;
            kill_point("shelf.taken-back");
        }
        Ok(())
    }
}
