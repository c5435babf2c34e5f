//! The slots of a queue that lends memory: who has which, and in what order they were sent.
//!
//! | word of a slot    | meaning                                                      | next             |
//! |-------------------|--------------------------------------------------------------|------------------|
//! | free              | nobody's                                                     | lent             |
//! | lent to p         | p alone writes the elements                                  | sent, free       |
//! | sent, number n    | the elements are message n                                   | read             |
//! | read by p         | p alone reads the elements                                   | free             |
//!
//! | word        | meaning                                                                          |
//! |-------------|----------------------------------------------------------------------------------|
//! | `tail`      | how many messages were sent: a cache                                             |
//! | `head`      | how many were received: a cache                                                  |
//! | `seen_tail` | a `tail` of earlier, so that receivers look at the senders' word less often      |
//! | `order[n % m]` | the slot of message `n`, while a slot says that it is message `n`             |
//!
//! The word of a slot is the truth, and each step is one store of it. Two locks order the sends and
//! the receives among themselves; neither is held while anybody writes or reads elements. A slot is
//! lent and returned without a lock.
//!
//! # Why no wake-up is lost
//!
//! A send is stored inside a ring of `not_empty`, a return inside a ring of `not_full`; who waits
//! looks between arming and sleeping. Who waits for a slot watches the lives of those that have
//! one, each time anew. Who waits for a message also looks whether `sending` is orphaned.
//!
//! # What a dead process leaves
//!
//! *A slot that was lent to it or that it read*: free again as soon as somebody needs it; what it
//! had received is gone with it. *A send after the store of the state*: a `tail` that is one too
//! low, under a lock that the next one finds orphaned: it looks whether slot `order[tail]` says that
//! it is that message. *A receive after the store*: a `head` that is one too low, which the next one
//! sees, because the slot does not say that it is that message any more. *A closing between its two
//! rings*: those who wait for a slot hear of it when they look for themselves, which every sleeper on a
//! bell does now and then.

use std::time::Duration;

use brigade_sys::atomic::AtomicU64;
use brigade_sys::atomic::Ordering::{Acquire, Relaxed, Release};
use brigade_sys::kill_point::kill_point;
use brigade_sys::robust::{Acquired, RobustLock};
use brigade_sys::time::Deadline;
use brigade_sys::wait::Sleep;

use super::layout::{Layout, SHARED_AT, Shared, Slot, State};
use crate::arena::census::{self, Tag};
use crate::error::Error;
use crate::handle::Handle;
use crate::sides::{ROUND, Side, Sides};

/// How long an operation that does not wait lets another finish that holds the lock: much longer
/// than any takes, unless its process is stopped.
const PATIENCE: Duration = Duration::from_millis(200);

pub(super) const CORRUPT: Error = Error::Corrupt("a queue's bookkeeping makes no sense");

/// A queue that lends memory, as this process reaches it.
pub(super) struct Slots {
    pub(super) handle: Handle,
    pub(super) shared: &'static Shared,
    pub(super) layout: Layout,
    order: &'static [AtomicU64],
    slots: &'static [Slot],
}

/// Why there is no slot.
#[derive(Debug)]
pub(super) enum Lack {
    /// All slots are somebody's.
    Full,
    Closed,
    Failed(Error),
}

/// Why there is no message.
#[derive(Debug)]
pub(super) enum Silence {
    Empty,
    Closed,
    Failed(Error),
}

struct Locked(&'static RobustLock);

impl Drop for Locked {
    fn drop(&mut self) {
        self.0.unlock();
    }
}

impl Slots {
    /// The slots behind a handle, whose elements have `element` bytes. Checks what it reads.
    pub(super) fn open(handle: Handle, element: usize) -> Result<Self, Error> {
        let (mapping, body) = (handle.arena().mapping(), handle.body());
        let shared: &Shared = mapping.get(body + SHARED_AT).ok_or(CORRUPT)?;
        let number = |word: &AtomicU64| usize::try_from(word.load(Relaxed)).ok();
        let (slots, length) = number(&shared.slots).zip(number(&shared.length)).ok_or(CORRUPT)?;
        let layout = Layout { slots, length, element };
        let total = (slots > 0).then(|| layout.total()).flatten();
        if crate::arena::heap::length_of(handle.arena(), handle.place()) != total {
            return Err(CORRUPT);
        }
        let order = mapping.slice(body + layout.order_at(), layout.order()).ok_or(CORRUPT)?;
        let slots = mapping.slice(body + layout.slots_at(), slots).ok_or(CORRUPT)?;
        Ok(Self { handle, shared, layout, order, slots })
    }

    pub(super) fn sides(&self) -> Sides<'_> {
        Sides::new(&self.handle, &self.shared.seen, 0)
    }

    /// Lends a free slot to this process, waiting for one until `deadline`.
    #[inline]
    pub(super) fn lend(&self, deadline: Deadline) -> Result<(usize, Tag), Lack> {
        let tag = self.handle.arena().tag().map_err(Lack::Failed)?;
        // So that those who wait for the slot hear of this process's death at once.
        census::hold_life(self.handle.arena(), tag);
        if !self.is_closed()
            && !self.sides().is_deserted(Side::Receiving)
            && let Some(index) = self.take_free(tag)
        {
            return Ok((index, tag));
        }
        self.lend_later(tag, deadline).map(|index| (index, tag))
    }

    #[cold]
    fn lend_later(&self, tag: Tag, deadline: Deadline) -> Result<usize, Lack> {
        loop {
            if self.is_closed() || self.sides().is_surely_deserted(Side::Receiving) {
                self.sides().bury(Side::Receiving);
                return Err(Lack::Closed);
            }
            self.take_back();
            if let Some(index) = self.take_free(tag) {
                return Ok(index);
            }
            if deadline.is_past() {
                return Err(Lack::Full);
            }
            self.handle.before_sleep();
            let round = self.sides().look_after(Side::Receiving);
            let look = || {
                let again = self.sides().needs_round(Side::Receiving, round);
                (again || self.may_lend()).then_some(())
            };
            let watch = |sleep: &mut Sleep<'static>| self.watch_for_room(sleep);
            let _ = self.shared.not_full.wait(deadline.min(round), look, watch);
        }
    }

    /// Makes a free slot this process's.
    fn take_free(&self, tag: Tag) -> Option<usize> {
        let count = self.slots.len();
        // Who comes second to a slot looks further; the cursor only saves steps.
        let first = self.shared.cursor.0.load(Relaxed) as usize % count;
        let lent = State::Lent(tag).to_word();
        let mut all = (first..count).chain(0..first);
        let index = all.find(|&index| {
            let state = &self.slots[index].state;
            // PAIR returned: what the last one did with the elements is over.
            state.load(Relaxed) == 0 && state.compare_exchange(0, lent, Acquire, Relaxed).is_ok()
        })?;
        self.shared.cursor.0.store(index as u64 + 1, Relaxed);
        kill_point("loan.lent");
        Some(index)
    }

    /// Sends the first `used` elements of a slot that is lent to `tag`; false when it is not.
    ///
    /// # Errors
    ///
    /// [`Lack::Closed`] when nobody will receive.
    #[inline]
    pub(super) fn send(&self, index: usize, tag: Tag, used: usize) -> Result<bool, Lack> {
        let locked = self.lock_sending();
        if self.is_closed()
            || self.sides().is_deserted(Side::Receiving)
                && self.sides().is_surely_deserted(Side::Receiving)
        {
            return Err(Lack::Closed);
        }
        if !self.is_mine(index, State::Lent(tag)) {
            return Ok(false);
        }
        let slot = &self.slots[index];
        let tail = self.shared.tail.0.load(Relaxed);
        slot.used.store(used as u64, Relaxed);
        self.order[self.place_of(tail)].store(index as u64, Relaxed);
        kill_point("loan.ordered");
        self.shared.not_empty.ring_after(|| {
            // PAIR sent: the elements are written before they are a message.
            slot.state.store(State::Sent(tail).to_word(), Release);
            kill_point("loan.sent");
            // PAIR tail: who sees the number sees the slot.
            self.shared.tail.0.store(tail.wrapping_add(1), Release);
            kill_point("loan.counted");
        });
        drop(locked);
        Ok(true)
    }

    fn lock_sending(&self) -> Locked {
        let acquired = self.shared.sending.lock(Deadline::NEVER);
        let locked = Locked(&self.shared.sending);
        if acquired == Some(Acquired::OwnerDied) {
            let tail = self.shared.tail.0.load(Relaxed);
            let sent = self.slot_of(tail).is_some_and(|index| self.is_sent(index, tail));
            if sent {
                self.shared.not_empty.ring_after(|| {
                    // PAIR tail: as in `send`.
                    self.shared.tail.0.store(tail.wrapping_add(1), Release);
                });
            }
        }
        locked
    }

    /// Receives the next message, waiting for one until `deadline`: its slot, now this process's,
    /// and how many elements it has.
    #[inline]
    pub(super) fn receive(&self, deadline: Deadline) -> Result<(usize, Tag, usize), Silence> {
        let tag = self.handle.arena().tag().map_err(Silence::Failed)?;
        census::hold_life(self.handle.arena(), tag); // As in `lend`.
        loop {
            let received = self.receive_now(tag, deadline).map_err(Silence::Failed)?;
            if let Some((index, used)) = received {
                return Ok((index, tag, used));
            }
            self.wait_for_message(deadline)?;
        }
    }

    fn receive_now(&self, tag: Tag, deadline: Deadline) -> Result<Option<(usize, usize)>, Error> {
        let head = self.shared.head.0.load(Relaxed);
        if self.shared.seen_tail.0.load(Relaxed) == head && self.is_empty() {
            return Ok(None);
        }
        let receiving = &self.shared.receiving;
        let acquired = receiving.try_lock().or_else(|| {
            let past = deadline.is_past();
            receiving.lock(if past { Deadline::after(PATIENCE) } else { deadline })
        });
        // A dead owner leaves a head that is too low, which is looked for in every case.
        if acquired.is_none() {
            return Ok(None);
        }
        let _locked = Locked(receiving);
        let mut head = self.shared.head.0.load(Relaxed);
        // More than there are slots have no message only in memory that was overwritten.
        for _ in 0..=self.order.len() {
            if self.shared.seen_tail.0.load(Relaxed) == head {
                // PAIR tail: with the store in `send`. Who sees it as `seen_tail` has this lock.
                let tail = self.shared.tail.0.load(Acquire);
                self.shared.seen_tail.0.store(tail, Relaxed);
                if tail == head {
                    return Ok(None);
                }
            }
            let index = self.slot_of(head).ok_or(CORRUPT)?;
            if self.is_sent(index, head) {
                kill_point("loan.found");
                let slot = &self.slots[index];
                let used = slot.used.load(Relaxed) as usize;
                slot.state.store(State::Read(tag).to_word(), Relaxed);
                kill_point("loan.received");
                self.shared.head.0.store(head.wrapping_add(1), Relaxed);
                kill_point("loan.advanced");
                return Ok(Some((index, used.min(self.layout.length))));
            }
            head = head.wrapping_add(1);
            self.shared.head.0.store(head, Relaxed);
        }
        Err(CORRUPT)
    }

    #[cold]
    fn wait_for_message(&self, deadline: Deadline) -> Result<(), Silence> {
        let was_empty = self.is_empty();
        if self.shared.sending.is_orphaned() {
            // Counts what the dead one had sent.
            drop(self.lock_sending());
        } else if self.has_ended() && self.is_empty() {
            // Under the lock: a producer that died inside may have sent what it has not counted.
            let locked = self.lock_sending();
            let surely = self.is_closed() || self.sides().is_surely_deserted(Side::Sending);
            drop(locked);
            if surely && self.is_empty() {
                self.sides().bury(Side::Sending);
                return Err(Silence::Closed);
            }
        }
        if was_empty && !self.is_empty() {
            return Ok(());
        }
        if deadline.is_past() {
            return Err(Silence::Empty);
        }
        self.handle.before_sleep();
        let round = self.sides().look_after(Side::Sending);
        let look =
            || (self.may_receive() || self.sides().needs_round(Side::Sending, round)).then_some(());
        let watch = |sleep: &mut Sleep<'static>| self.sides().watch(Side::Sending, sleep);
        let _ = self.shared.not_empty.wait(deadline.min(round), look, watch);
        Ok(())
    }

    /// Gives a slot back that was lent to `tag` or read by it.
    #[inline]
    pub(super) fn give_back(&self, index: usize, tag: Tag) {
        if !self.is_mine(index, State::Lent(tag)) && !self.is_mine(index, State::Read(tag)) {
            return;
        }
        let slot = &self.slots[index];
        self.shared.not_full.ring_after(|| {
            kill_point("loan.returning");
            // PAIR returned: with the exchange in `take_free`.
            slot.state.store(0, Release);
            kill_point("loan.returned");
        });
    }

    /// Whether the slot is in `state`, which names a process, and that is this one: a forked child
    /// has a copy of what its parent holds, and not the slot.
    fn is_mine(&self, index: usize, state: State) -> bool {
        self.slots[index].state.load(Relaxed) == state.to_word()
            && self.handle.arena().cached_tag() == state.holder()
    }

    /// Frees the slots of the dead.
    fn take_back(&self) {
        for slot in self.slots {
            let word = slot.state.load(Relaxed);
            let is_nobodys = match State::from_word(word) {
                // A word that names nobody was written by a faulty process.
                State::Free => word != 0,
                State::Sent(_) => false,
                // Burying the dead wakes the others who watch them.
                State::Lent(tag) | State::Read(tag) => census::is_gone(self.handle.arena(), tag),
            };
            if is_nobodys {
                self.shared.not_full.ring_after(|| {
                    // PAIR returned: as in `give_back`; another may have been quicker.
                    let _ = slot.state.compare_exchange(word, 0, Release, Relaxed);
                    kill_point("loan.taken-back");
                });
            }
        }
    }

    pub(super) fn close(&self) {
        let shared = self.shared;
        shared.not_empty.ring_all_after(|| {
            // PAIR closed: what was sent before is seen by who sees the end.
            shared.closed.store(1, Release);
            kill_point("loan.closed");
        });
        shared.not_full.ring_all_after(|| ());
    }

    pub(super) fn is_closed(&self) -> bool {
        self.shared.closed.load(Acquire) != 0 // PAIR closed: with the store in `close`.
    }

    /// How many messages wait.
    pub(super) fn len(&self) -> usize {
        let head = self.shared.head.0.load(Relaxed);
        let waiting = self.shared.tail.0.load(Relaxed).wrapping_sub(head);
        usize::try_from(waiting).unwrap_or(usize::MAX).min(self.slots.len())
    }

    fn is_empty(&self) -> bool {
        // PAIR tail: with the store in `send`.
        self.shared.tail.0.load(Acquire) == self.shared.head.0.load(Relaxed)
    }

    fn has_ended(&self) -> bool {
        self.is_closed() || self.sides().is_deserted(Side::Sending)
    }

    /// Whether one who wants a slot would not wait.
    pub(super) fn may_lend(&self) -> bool {
        let arena = self.handle.arena();
        let is_free = |slot: &Slot| match State::from_word(slot.state.load(Relaxed)) {
            State::Free => true,
            State::Sent(_) => false,
            State::Lent(tag) | State::Read(tag) => census::has_died(arena, tag),
        };
        self.slots.iter().any(is_free)
            || self.is_closed()
            || self.sides().is_deserted(Side::Receiving)
    }

    /// Whether one who wants a message would not wait.
    pub(super) fn may_receive(&self) -> bool {
        !self.is_empty() || self.has_ended() || self.shared.sending.is_orphaned()
    }

    /// Adds what will change when there is a slot to `sleep`.
    pub(super) fn prepare_lend<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.handle.before_sleep();
        self.shared.not_full.prepare(sleep);
        self.watch_for_room(sleep);
        if self.sides().look_after(Side::Receiving) != Deadline::NEVER {
            sleep.nap(ROUND);
        }
    }

    /// Adds what will change when there is a message to `sleep`.
    pub(super) fn prepare_receive<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.handle.before_sleep();
        self.shared.not_empty.prepare(sleep);
        self.sides().watch(Side::Sending, sleep);
        if self.sides().look_after(Side::Sending) != Deadline::NEVER {
            sleep.nap(ROUND);
        }
    }

    fn watch_for_room(&self, sleep: &mut Sleep<'_>) {
        let arena = self.handle.arena();
        let states = self.slots.iter().map(|slot| State::from_word(slot.state.load(Relaxed)));
        let mut holders: Vec<u16> = states.filter_map(State::holder).map(|tag| tag.slot).collect();
        holders.sort_unstable();
        holders.dedup();
        holders.into_iter().for_each(|slot| census::watch(arena, slot, sleep));
        self.sides().watch(Side::Receiving, sleep);
    }

    fn is_sent(&self, index: usize, number: u64) -> bool {
        // PAIR sent: with the store in `send`.
        State::from_word(self.slots[index].state.load(Acquire)) == State::Sent(number)
    }

    /// The slot that message `number` would be in.
    fn slot_of(&self, number: u64) -> Option<usize> {
        let index = self.order[self.place_of(number)].load(Relaxed) as usize;
        (index < self.slots.len()).then_some(index)
    }

    fn place_of(&self, number: u64) -> usize {
        // A power of two.
        number as usize & (self.order.len() - 1)
    }
}
