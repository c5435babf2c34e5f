//! Waiting: for an item, for room, for the last answer, for an item that was given up.

use std::time::Duration;

use brigade_sys::atomic::Ordering::{AcqRel, Acquire};
use brigade_sys::kill_point::kill_point;
use brigade_sys::time::{Deadline, now};
use brigade_sys::wait::Sleep;

use super::contents;
use super::item::End;
use super::layout::Shared;
use super::locked::Locked;
use super::{Discipline, Draft, Letter, PATIENCE, Patience, Shelf, Taken, Taking};
use crate::arena::census::{self, Tag};
use crate::arena::heap;
use crate::channel::{GetRefusal, PutRefusal};
use crate::error::Error;
use crate::sides::{ROUND, Side};

/// How long one sleeps at most who waits for an item that was given up: see the head of the shelf.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

impl Shelf {
    /// Puts a message, waiting for room until `deadline`.
    pub(crate) fn put<D: Discipline>(
        &self,
        draft: &Draft<'_>,
        deadline: Deadline,
    ) -> Result<(), PutRefusal> {
        let payload = contents::prepare(self.handle.arena(), draft);
        let mut payload = payload.map_err(PutRefusal::Failed)?;
        loop {
            match self.put_now::<D>(draft, &mut payload, deadline) {
                Err(PutRefusal::Full) if !deadline.is_past() => {}
                done => return done,
            }
            self.handle.before_sleep();
            let sides = self.sides();
            let round = sides.look_after(Side::Receiving);
            let look =
                || (self.may_put() || sides.needs_round(Side::Receiving, round)).then_some(());
            let watch = |sleep: &mut Sleep<'static>| sides.watch(Side::Receiving, sleep);
            self.shared.not_full.wait(deadline.min(round), look, watch);
        }
    }

    /// Puts a message if there is room. Waits for another process inside the shelf, but not for one
    /// that stands still.
    pub(crate) fn try_put<D: Discipline>(&self, draft: &Draft<'_>) -> Result<(), PutRefusal> {
        let is_full = || !self.may_put();
        if is_full() && (self.sides().look_after(Side::Receiving) == Deadline::NEVER || is_full()) {
            return Err(PutRefusal::Full);
        }
        let payload = contents::prepare(self.handle.arena(), draft);
        let mut payload = payload.map_err(PutRefusal::Failed)?;
        self.put_now::<D>(draft, &mut payload, Deadline::after(PATIENCE))
    }

    /// Takes the first message, waiting for one until `deadline`.
    pub(crate) fn take<D: Discipline>(
        &self,
        taking: Taking,
        deadline: Deadline,
    ) -> Result<Taken, GetRefusal> {
        let by = self.handle.arena().tag().map_err(GetRefusal::Failed)?;
        loop {
            match self.take_now::<D>(taking, deadline) {
                Err(GetRefusal::Empty) if !deadline.is_past() => {}
                done => return done,
            }
            self.handle.before_sleep();
            let (sides, due) = (self.sides(), self.first_due());
            let round = sides.look_after(Side::Sending);
            let until = due.map_or(round, |due| Deadline::at(Duration::from_nanos(due)).min(round));
            let look = || {
                // An item that is due earlier than the one that was first wakes its waiter too.
                let is_other = self.first_due() != due || sides.needs_round(Side::Sending, round);
                (is_other || self.may_take::<D>(by)).then_some(())
            };
            self.shared.not_empty.wait(until.min(deadline), look, |sleep| self.watch_all(sleep));
        }
    }

    /// Takes the first message if there is one. Waits for another process inside the shelf, but
    /// not for one that stands still.
    pub(crate) fn try_take<D: Discipline>(&self, taking: Taking) -> Result<Taken, GetRefusal> {
        match self.take_now::<D>(taking, Deadline::after(PATIENCE)) {
            Err(GetRefusal::Empty) if self.sides().look_after(Side::Sending) != Deadline::NEVER => {
                self.take_now::<D>(taking, Deadline::after(PATIENCE))
            }
            done => done,
        }
    }

    /// Takes a message that was given up, waiting for one until `deadline`.
    pub(crate) fn collect<D: Discipline>(&self, deadline: Deadline) -> Result<Letter, GetRefusal> {
        loop {
            match self.collect_now::<D>(deadline) {
                Err(GetRefusal::Empty) if !deadline.is_past() => {}
                done => return done,
            }
            self.handle.before_sleep();
            let look = || {
                let is_there = self.shared.caches.failed.get() > 0 || self.is_over();
                (is_there || self.needs_care()).then_some(())
            };
            let watch = |sleep: &mut Sleep<'static>| self.watch_failures(sleep);
            let again = Deadline::after(LOOK_AGAIN).min(deadline);
            self.shared.given_up.wait(again, look, watch);
        }
    }

    /// Takes a message that was given up if there is one, as [`try_take`](Self::try_take) does.
    pub(crate) fn try_collect<D: Discipline>(&self) -> Result<Letter, GetRefusal> {
        self.collect_now::<D>(Deadline::after(PATIENCE))
    }

    /// Waits until every item that was put is done with; false when `deadline` comes first.
    pub(crate) fn join<D: Discipline>(&self, deadline: Deadline) -> Result<bool, Error> {
        loop {
            let locked = Locked::<D>::new(self, deadline)?;
            if let Some(locked) = locked {
                locked.take_back()?;
                if self.unfinished_now() == 0 {
                    return Ok(true);
                }
            }
            if deadline.is_past() {
                return Ok(false);
            }
            self.handle.before_sleep();
            let look = || (self.unfinished_now() == 0 || self.needs_care()).then_some(());
            let watch = |sleep: &mut Sleep<'static>| self.watch_takers(sleep);
            self.shared.all_done.wait(deadline, look, watch);
        }
    }

    /// Whether a put would not block: there is room, or nobody to take.
    pub(crate) fn may_put(&self) -> bool {
        self.ready() < self.capacity()
            || self.is_closed()
            || self.sides().is_deserted(Side::Receiving)
            || self.shared.lock.is_orphaned()
    }

    /// Whether the calling process would not have to wait for an item, or for the end.
    pub(crate) fn can_take<D: Discipline>(&self) -> bool {
        self.take_care::<D>();
        let ended = || self.handle.arena().tag().is_ok_and(|by| self.has_ended::<D>(by));
        self.first_due().is_some_and(is_due) || ended()
    }

    /// Whether nobody would have to wait for an item that was given up, or for the end of them.
    pub(crate) fn can_collect<D: Discipline>(&self) -> bool {
        self.take_care::<D>();
        self.shared.caches.failed.get() > 0 || self.is_over()
    }

    /// Whether nobody would have to wait until every item is done with.
    pub(crate) fn can_join<D: Discipline>(&self) -> bool {
        self.take_care::<D>();
        self.unfinished_now() == 0
    }

    /// Adds what will change when there is room to `sleep`.
    pub(crate) fn prepare_put<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.handle.before_sleep();
        self.shared.not_full.prepare(sleep);
        self.sides().watch(Side::Receiving, sleep);
        if self.sides().look_after(Side::Receiving) != Deadline::NEVER {
            sleep.nap(ROUND);
        }
    }

    /// Adds what will change when every item is done with to `sleep`.
    pub(crate) fn prepare_join<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.handle.before_sleep();
        self.shared.all_done.prepare(sleep);
        self.watch_takers(sleep);
    }

    /// Adds what will change when an item can be taken to `sleep`.
    pub(crate) fn prepare_take<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.handle.before_sleep();
        self.shared.not_empty.prepare(sleep);
        self.watch_all(sleep);
        if self.sides().look_after(Side::Sending) != Deadline::NEVER {
            sleep.nap(ROUND);
        }
        if let Some(due) = self.first_due() {
            sleep.nap(Duration::from_nanos(due).saturating_sub(now()));
        }
    }

    /// Adds what will change when an item that was given up can be taken to `sleep`.
    pub(crate) fn prepare_collect<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.handle.before_sleep();
        self.shared.given_up.prepare(sleep);
        self.watch_failures(sleep);
        sleep.nap(LOOK_AGAIN);
    }

    fn may_take<D: Discipline>(&self, by: Tag) -> bool {
        self.first_due().is_some_and(is_due) || self.needs_care() || self.has_ended::<D>(by)
    }

    /// Whether somebody has died whose place in the shelf the next one in must see to.
    fn needs_care(&self) -> bool {
        self.shared.lock.is_orphaned() || self.shared.caches.have_lost_a_taker(self.handle.arena())
    }

    /// Sees to what the dead have left.
    fn take_care<D: Discipline>(&self) {
        if self.needs_care()
            && let Ok(Some(locked)) = Locked::<D>::new(self, Deadline::after(PATIENCE))
        {
            // An error is told to whoever uses the shelf next.
            let _ = locked.take_back();
        }
    }

    /// Watches every process that could take an item, or end the shelf.
    fn watch_all(&self, sleep: &mut Sleep<'_>) {
        heap::watch_holders(self.handle.arena(), self.handle.place(), sleep);
    }

    fn watch_takers(&self, sleep: &mut Sleep<'_>) {
        for tag in self.shared.caches.takers() {
            census::watch(self.handle.arena(), tag.slot, sleep);
        }
    }

    fn watch_failures(&self, sleep: &mut Sleep<'_>) {
        self.watch_takers(sleep);
        self.sides().watch(Side::Sending, sleep);
    }

    /// How many items wait, as far as that can be said without the lock.
    pub(super) fn ready(&self) -> usize {
        match self.end() {
            End::Discarded => 0,
            // More than fit into the memory were counted by a faulty process.
            _ => self.shared.caches.ready.get() as usize,
        }
    }

    /// How many items are not done with, as far as that can be said without the lock.
    pub(super) fn unfinished_now(&self) -> usize {
        self.ready().saturating_add(self.shared.caches.taken.get() as usize)
    }

    /// When the first item that waits is due, if one waits.
    fn first_due(&self) -> Option<u64> {
        (self.ready() > 0).then(|| self.shared.caches.first_due())
    }

    /// Whether it seems that `by` will get no item any more.
    pub(super) fn has_ended<D: Discipline>(&self, by: Tag) -> bool {
        let others = || self.shared.caches.takers().any(|tag| tag != by);
        self.ready() == 0
            && self.nobody_will_put()
            && !(D::END == Patience::Answered && self.end() != End::Discarded && others())
    }

    /// Whether it seems that no item can be put, taken or given back any more.
    pub(super) fn is_over(&self) -> bool {
        self.unfinished_now() == 0 && self.nobody_will_put()
    }

    fn nobody_will_put(&self) -> bool {
        self.is_closed() || self.sides().is_deserted(Side::Sending)
    }

    /// Whether nobody will put: no producer can move meanwhile. Takes the heap's lock.
    pub(super) fn surely_nobody_will_put(&self) -> bool {
        self.is_closed() || self.sides().is_surely_deserted(Side::Sending)
    }

    pub(super) fn end(&self) -> End {
        self.shared.end()
    }

    /// Commits that the end has come as far as `end`, or further.
    pub(super) fn raise_end(&self, end: End) {
        // PAIR end: with the load in `end`.
        self.shared.end.fetch_max(end as u64, AcqRel);
        kill_point("shelf.ended");
    }

    /// Puts the shelf in order if its last user died inside, so that what is counted is so.
    pub(super) fn tidy<D: Discipline>(&self) {
        if self.shared.lock.is_orphaned() {
            // An error is told to whoever uses the shelf next.
            let _ = Locked::<D>::new(self, Deadline::NEVER);
        }
    }
}

impl Shared {
    /// How far the end has come.
    pub(super) fn end(&self) -> End {
        // PAIR end: what was put before the end is seen by who sees it.
        End::from_word(self.end.load(Acquire))
    }
}

/// Whether the moment `due`, in nanoseconds of the monotonic clock, has come.
pub(super) fn is_due(due: u64) -> bool {
    due == 0 || Duration::from_nanos(due) <= now()
}
