//! What is done to a shelf under its lock.
//!
//! Every change has the same three parts: what is computed from the slots is marked untidy, one
//! store of an item's word commits the change inside a ring of the bell that it concerns, and the
//! mark is taken away.

use std::marker::PhantomData;

use brigade_sys::atomic::Ordering::Relaxed;
use brigade_sys::kill_point::kill_point;
use brigade_sys::robust::Acquired;
use brigade_sys::time::Deadline;

use super::chain::Slots;
use super::contents;
use super::item::{End, Event, Rules, State, next};
use super::layout::{Caches, Shared};
use super::slots::Numbered;
use super::waiting::is_due;
use super::{CORRUPT, Discipline, LOOKS_AFTER, Shelf};
use crate::arena::census::Tag;
use crate::error::Error;

/// The right to change a shelf. Dropped, it lets the next one in.
pub(super) struct Locked<'a, D> {
    pub(super) shelf: &'a Shelf,
    discipline: PhantomData<D>,
}

impl<D> Slots for Locked<'_, D> {
    fn slot(&self, number: usize) -> Result<Numbered, Error> {
        self.shelf.chunks.slot(&self.shelf.handle, number).ok_or(CORRUPT)
    }
}

impl<D> Drop for Locked<'_, D> {
    fn drop(&mut self) {
        kill_point("shelf.unlock");
        self.shelf.shared.lock.unlock();
    }
}

impl<'a, D: Discipline> Locked<'a, D> {
    /// Waits for the lock until `deadline`, and puts in order what was left untidy.
    pub(super) fn new(shelf: &'a Shelf, deadline: Deadline) -> Result<Option<Self>, Error> {
        let Some(acquired) = shelf.shared.lock.lock(deadline) else { return Ok(None) };
        let locked = Self { shelf, discipline: PhantomData };
        kill_point("shelf.locked");
        let is_untidy = locked.caches().untidy.load(Relaxed) != 0;
        // One who died while it threw away what waits has left some.
        let is_littered = locked.rules().end == End::Discarded && locked.ready() > 0;
        if acquired == Acquired::OwnerDied || is_untidy || is_littered {
            locked.tidy_up()?;
        }
        Ok(Some(locked))
    }

    pub(super) fn shared(&self) -> &'static Shared {
        self.shelf.shared
    }

    pub(super) fn caches(&self) -> &'static Caches {
        &self.shelf.shared.caches
    }

    pub(super) fn ready(&self) -> usize {
        // More than there is room for in the memory was written by a faulty process.
        self.caches().ready.get() as usize
    }

    pub(super) fn rules(&self) -> Rules {
        let most = self.shared().most_deliveries.load(Relaxed);
        let most_deliveries = u16::try_from(most).ok().filter(|&most| most > 0);
        Rules {
            most_deliveries: most_deliveries.unwrap_or(u16::MAX),
            end: End::from_word(self.shared().end.load(Relaxed)),
        }
    }

    /// What `event` makes of the item.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when it cannot happen to it: what was computed does not fit the slots.
    pub(super) fn decide(&self, item: Numbered, event: Event) -> Result<State, Error> {
        next(item.state(), event, self.rules()).ok_or(CORRUPT)
    }

    /// The item that `by` would take now.
    pub(super) fn next_for(&self, by: Tag) -> Result<Option<Numbered>, Error> {
        let caches = self.caches();
        let takes = caches.takes.load(Relaxed).wrapping_add(1);
        caches.takes.store(takes, Relaxed);
        if caches.taken.get() > 0 {
            self.take_back_from_predecessor(by)?;
            if self.ready() == 0 || takes.is_multiple_of(LOOKS_AFTER) {
                self.take_back()?;
            }
        }
        Ok(self.first()?.filter(|item| is_due(item.due())))
    }

    /// The first item that was given up.
    pub(super) fn first_failed(&self) -> Result<Option<Numbered>, Error> {
        if self.caches().failures.is_empty() && self.caches().taken.get() > 0 {
            self.take_back()?;
        }
        self.caches().failures.first(self)
    }

    /// The first of the items that `by` has taken and not answered for.
    pub(super) fn first_taken_by(&self, by: Tag) -> Result<Option<Numbered>, Error> {
        let holder = self.caches().taken_by(by);
        holder.map_or(Ok(None), |holder| holder.chain.first(self))
    }

    /// Makes a change of what is computed from the slots. If it is cut short, by a death, a panic
    /// or an error, the next one in computes everything anew.
    pub(super) fn change(&self, change: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
        self.caches().untidy.store(1, Relaxed);
        kill_point("shelf.untidy");
        change()?;
        kill_point("shelf.changed");
        self.caches().untidy.store(0, Relaxed);
        kill_point("shelf.tidy");
        Ok(())
    }

    /// Writes an item into a vacant slot by `write`, and commits it.
    pub(super) fn put(
        &self,
        write: impl FnOnce(Numbered) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let caches = self.caches();
        self.change(|| {
            let item = self.room()?;
            let state = self.decide(item, Event::Put)?;
            self.occupy(item)?;
            let arrival = caches.arrivals.load(Relaxed);
            item.slot.arrival.store(arrival, Relaxed);
            caches.arrivals.store(arrival.wrapping_add(1), Relaxed);
            kill_point("shelf.put.occupied");
            write(item)?;
            kill_point("shelf.put.written");
            let ready = self.ready();
            self.insert(item, ready)?;
            kill_point("shelf.put.indexed");
            let due = self.due_of_first(ready + 1)?;
            self.shared().not_empty.ring_after(|| {
                item.set_state(state);
                self.set_ready(ready + 1, due);
            });
            kill_point("shelf.put.rung");
            Ok(())
        })
    }

    /// Commits that the first item is taken: for good, or by `by`.
    pub(super) fn take(&self, item: Numbered, event: Event) -> Result<(), Error> {
        self.change(|| {
            let state = self.decide(item, event)?;
            let ready = self.ready();
            self.remove_first(ready)?;
            kill_point("shelf.take.unlisted");
            let due = self.due_of_first(ready - 1)?;
            self.shared().not_full.ring_after(|| {
                item.set_state(state);
                self.set_ready(ready - 1, due);
            });
            kill_point("shelf.take.rung");
            match state {
                State::Taken { by, .. } => self.entrust(item, by),
                _ => self.vacate(item),
            }
        })
    }

    /// Commits what has become of an item that was taken, or of one that was given up.
    pub(super) fn settle(&self, item: Numbered, event: Event) -> Result<(), Error> {
        self.change(|| {
            let before = item.state();
            let state = self.decide(item, event)?;
            match before {
                State::Taken { by, .. } => self.release(item, by)?,
                _ => self.caches().failures.remove(self, item)?,
            }
            kill_point("shelf.settle.released");
            match state {
                State::Ready { .. } => self.return_to_the_others(item, state)?,
                State::Failed { .. } => self.give_up(item, state)?,
                _ => self.dispose(item, state, before)?,
            }
            kill_point("shelf.settle.rung");
            Ok(())
        })
    }

    fn return_to_the_others(&self, item: Numbered, state: State) -> Result<(), Error> {
        let ready = self.ready();
        self.insert(item, ready)?;
        let due = self.due_of_first(ready + 1)?;
        self.shared().not_empty.ring_after(|| {
            item.set_state(state);
            self.set_ready(ready + 1, due);
            self.caches().taken.lower();
        });
        Ok(())
    }

    fn give_up(&self, item: Numbered, state: State) -> Result<(), Error> {
        let caches = self.caches();
        caches.failures.push_back(self, item)?;
        self.shared().all_done.ring_all_after(|| {
            item.set_state(state);
            caches.failed.raise();
            caches.taken.lower();
        });
        kill_point("shelf.settle.given-up");
        self.shared().given_up.ring_all_after(|| ());
        self.ring_if_last();
        Ok(())
    }

    fn dispose(&self, item: Numbered, state: State, before: State) -> Result<(), Error> {
        let caches = self.caches();
        self.shared().all_done.ring_all_after(|| {
            item.set_state(state);
            match before {
                State::Taken { .. } => caches.taken.lower(),
                _ => caches.failed.lower(),
            }
        });
        kill_point("shelf.settle.disposed");
        self.ring_if_last();
        contents::clear(self.shelf.handle.arena(), item)?;
        self.vacate(item)
    }

    /// Wakes those who waited for the end: an item that is taken may come back, and none is.
    fn ring_if_last(&self) {
        if self.caches().taken.get() == 0 {
            self.shared().not_empty.ring_all_after(|| ());
            self.shared().given_up.ring_all_after(|| ());
        }
    }

    /// A vacant slot, which may still have something of an earlier item attached.
    fn room(&self) -> Result<Numbered, Error> {
        let caches = self.caches();
        match caches.vacant.first(self)? {
            Some(item) => Ok(item),
            None => {
                let used = usize::try_from(caches.used.load(Relaxed)).map_err(|_| CORRUPT)?;
                self.shelf.chunks.provide(&self.shelf.handle, used)
            }
        }
    }

    /// Takes the slot that [`room`](Self::room) returned.
    fn occupy(&self, item: Numbered) -> Result<(), Error> {
        let caches = self.caches();
        if caches.vacant.is_empty() {
            caches.used.store(item.number as u64 + 1, Relaxed);
            return Ok(());
        }
        caches.vacant.remove(self, item)
    }

    fn vacate(&self, item: Numbered) -> Result<(), Error> {
        // The last one used is the next one: it is likely to be in the processor's cache.
        self.caches().vacant.push_front(self, item)
    }

    /// When the first of the `count` items in the index is due.
    pub(super) fn due_of_first(&self, count: usize) -> Result<u64, Error> {
        if count == 0 { Ok(0) } else { Ok(self.item_at(0)?.due()) }
    }

    pub(super) fn set_ready(&self, ready: usize, due: u64) {
        self.caches().first_due.store(due, Relaxed);
        self.caches().ready.set(ready as u64);
    }
}
