//! The seats of a condition: who waits, and who has been called.
//!
//! | word     | meaning                                                                        |
//! |----------|--------------------------------------------------------------------------------|
//! | `owner`  | which process the thread in the seat belongs to; zero when the seat is free    |
//! | `ticket` | when the seat was taken: no two have the same, later ones have larger ones     |
//! | `floor`  | what `called` was then: earlier calls are none of this seat's business         |
//! | `called` | who has a smaller ticket has been called; the others wait                      |
//! | `next`   | the next ticket                                                                |
//! | `top`    | seats from here on are free: only so that fewer are looked at                  |
//!
//! A seat is taken and left by one change of the log, and so is it decided who is called: the oldest
//! `n` by raising `called` once. One who was called leaves its seat by itself, with one store, when
//! it has its lock again.
//!
//! # Why no wake-up is lost
//!
//! Each seat has a bell, which it may share with others. `called` is raised inside the ring of the
//! first who is called; each who is called rings for the next before it does anything else, so that
//! the others wake also if the caller dies. A thread that waits looks at `called` between arming
//! and sleeping.
//!
//! # What a dead process leaves
//!
//! *Inside the log*: the change, or none; whoever comes next rings again for all who are called.
//! One who is woken by an unfinished ring sees that the log is orphaned, and does so.
//! *In a seat, waiting*: a seat that whoever calls or looks for one sets free.
//! *In a seat, called*: a call that was not followed. Those who waited when it was made are younger,
//! found the seat taken when they came, and watch the life of its owner: so the death wakes them,
//! and the first one passes the call on to the oldest, in the change that frees the seat. Nobody
//! who came later inherits it.
//!
//! Where one death follows another so closely that nobody is left who was told, those who wait look
//! for themselves now and then, as all do who sleep on a [`Bell`].

use brigade_sys::atomic::AtomicU64;
use brigade_sys::atomic::Ordering::{Acquire, Relaxed, Release};
use brigade_sys::bell::Bell;
use brigade_sys::kill_point::kill_point;
use brigade_sys::memory::Shareable;
use brigade_sys::time::Deadline;
use brigade_sys::wait::Sleep;

use crate::arena::Arena;
use crate::arena::census::{self, Tag};
use crate::redo::{ENTRIES, RedoLog, Transaction};

/// How many threads can wait at a time.
pub(super) const SEATS: usize = 512;

/// How many seats have a bell of their own.
const BELLS: usize = 16;

/// What lies in the block.
#[repr(C, align(64))]
pub(super) struct Shared {
    log: RedoLog,
    called: AtomicU64,
    next: AtomicU64,
    top: AtomicU64,
    bells: [Bell; BELLS],
    seats: [Seat; SEATS],
}

#[repr(C)]
struct Seat {
    owner: AtomicU64,
    ticket: AtomicU64,
    floor: AtomicU64,
}

// SAFETY: shareable parts throughout; all zeros is a condition that nobody waits for.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Shared {}

/// A taken seat, as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Taken {
    index: usize,
    ticket: u64,
    floor: u64,
    tag: Tag,
}

/// The seats of one condition, as this process reaches them.
#[derive(Clone, Copy)]
pub(super) struct Seats {
    pub(super) shared: &'static Shared,
    pub(super) arena: &'static Arena,
}

/// A seat of the calling thread. It stays taken until it is left: see [`Seats::leave`].
#[derive(Clone)]
pub(super) struct Ticket {
    /// The process that the seat is taken for.
    pub(super) tag: Tag,
    index: usize,
    ticket: u64,
    /// Those of other processes whose calls may be inherited.
    older: Vec<Taken>,
}

/// How the wait in a seat ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was called, and is still in its seat.
    Called,
    /// It was not called in time, and has left its seat.
    TimedOut,
}

/// What one who sleeps wakes for.
enum Sign {
    Called,
    Death,
}

impl Seats {
    /// Takes a seat for the calling thread; nothing when all are taken.
    pub(super) fn sit_down(self) -> Option<Ticket> {
        let tag = self.arena.tag().ok()?;
        census::hold_life(self.arena, tag);
        let mut transaction = self.begin();
        let index = self.free_seat().or_else(|| {
            self.settle(&mut transaction);
            self.free_seat()
        })?;
        let older = self.waiting().filter(|taken| taken.tag != tag).collect();
        let (seat, ticket) = (&self.shared.seats[index], self.shared.next.load(Relaxed));
        if index >= self.top() {
            self.shared.top.store(index as u64 + 1, Relaxed);
        }
        transaction.set(&seat.owner, tag.to_word());
        transaction.set(&seat.ticket, ticket);
        transaction.set(&seat.floor, self.shared.called.load(Relaxed));
        transaction.set(&self.shared.next, ticket.wrapping_add(1));
        transaction.commit();
        kill_point("condition.seated");
        Some(Ticket { tag, index, ticket, older })
    }

    /// Waits in a seat until it is called, or until `deadline`.
    pub(super) fn wait(self, own: &Ticket, deadline: Deadline) -> Outcome {
        loop {
            let look = || self.look(own);
            let watch = |sleep: &mut Sleep<'static>| self.watch(own, sleep);
            match self.bell(own.index).wait(deadline, look, watch) {
                Some(Sign::Called) => return self.follow(own),
                Some(Sign::Death) => self.settle_after_death(own),
                None => return self.give_up(own),
            }
        }
    }

    /// Whether the seat has been called. Follows the call, and sees to what the dead have left.
    pub(super) fn try_wait(self, own: &Ticket) -> Option<Outcome> {
        loop {
            match self.look(own)? {
                Sign::Called => return Some(self.follow(own)),
                Sign::Death => self.settle_after_death(own),
            }
        }
    }

    /// Whether [`try_wait`](Self::try_wait) has something to do.
    pub(super) fn has_sign(self, own: &Ticket) -> bool {
        self.look(own).is_some()
    }

    /// Adds what will change with the sign to what ends a sleep.
    pub(super) fn prepare(self, own: &Ticket, sleep: &mut Sleep<'_>) {
        self.bell(own.index).prepare(sleep);
        self.watch(own, sleep);
    }

    fn look(self, own: &Ticket) -> Option<Sign> {
        if self.is_called(own.ticket) {
            return Some(Sign::Called);
        }
        let death = || self.older(own).any(|taken| census::has_died(self.arena, taken.tag));
        (self.shared.log.is_orphaned() || death()).then_some(Sign::Death)
    }

    fn watch(self, own: &Ticket, sleep: &mut Sleep<'_>) {
        self.older(own).for_each(|taken| census::watch(self.arena, taken.tag.slot, sleep));
    }

    fn settle_after_death(self, own: &Ticket) {
        // Burying the dead wakes the others who watch them.
        for taken in self.older(own) {
            census::is_gone(self.arena, taken.tag);
        }
        self.settle(&mut self.begin());
    }

    /// Those who sat there before, and still do.
    fn older(self, own: &Ticket) -> impl Iterator<Item = Taken> {
        own.older.iter().copied().filter(move |&taken| self.is_taken(taken))
    }

    /// Rings for the next who is called: its caller may have died.
    fn follow(self, own: &Ticket) -> Outcome {
        kill_point("condition.woken");
        let next = self.taken().filter(|taken| self.is_called(taken.ticket));
        let next = next.filter(|taken| taken.ticket > own.ticket);
        if let Some(next) = next.min_by_key(|taken| taken.ticket) {
            self.ring(next.index);
        }
        kill_point("condition.passed-on");
        Outcome::Called
    }

    /// Leaves the seat, unless it was called at last.
    pub(super) fn give_up(self, own: &Ticket) -> Outcome {
        let mut transaction = self.begin();
        if self.is_called(own.ticket) {
            drop(transaction);
            return self.follow(own);
        }
        transaction.set(&self.shared.seats[own.index].owner, 0);
        transaction.commit();
        Outcome::TimedOut
    }

    /// Leaves a seat that was called: the call has been followed.
    pub(super) fn leave(self, own: &Ticket) {
        kill_point("condition.leave");
        // PAIR seat: one who takes the seat again finds that its last user has done with it.
        self.shared.seats[own.index].owner.store(0, Release);
        kill_point("condition.left");
    }

    /// Calls the `count` who have waited longest, and says how many there were.
    pub(super) fn call(self, count: usize) -> usize {
        if count == 0 || self.load(&self.shared.called) == self.load(&self.shared.next) {
            return 0;
        }
        let mut transaction = self.begin();
        self.settle(&mut transaction);
        let mut waiting: Vec<Taken> = self.waiting().collect();
        waiting.sort_unstable_by_key(|taken| taken.ticket);
        waiting.truncate(count);
        let Some((first, last)) = waiting.first().zip(waiting.last()) else {
            // So that the next call need not look.
            transaction.set(&self.shared.called, self.shared.next.load(Relaxed));
            transaction.commit();
            return 0;
        };
        transaction.set(&self.shared.called, last.ticket.wrapping_add(1));
        // PAIR redo: the log releases what was done before to who finds itself called, in `load`.
        self.bell(first.index).ring_all_after(|| transaction.commit());
        kill_point("condition.called");
        for taken in &waiting[1..] {
            self.ring(taken.index);
            kill_point("condition.rung");
        }
        waiting.len()
    }

    /// How many wait and have not been called.
    pub(super) fn count(self) -> usize {
        self.waiting().filter(|taken| !census::has_died(self.arena, taken.tag)).count()
    }

    /// Those who wait and have not been called.
    fn waiting(self) -> impl Iterator<Item = Taken> {
        self.taken().filter(move |taken| !self.is_called(taken.ticket))
    }

    /// Sleeps for `nap` without a seat.
    pub(super) fn nap(self, deadline: Deadline) {
        self.bell(0).wait(deadline, || None::<()>, |_| ());
    }

    /// Waits for the log, and rings for all who are called if the last one inside has died.
    fn begin(self) -> Transaction {
        let Some(transaction) = self.shared.log.begin(self.arena, Deadline::NEVER) else {
            unreachable!("a wait without a deadline does not time out");
        };
        if transaction.owner_died() {
            let called = self.taken().filter(|taken| self.is_called(taken.ticket));
            called.for_each(|taken| self.ring(taken.index));
        }
        transaction
    }

    /// Frees the seats of the dead, and passes their calls on.
    fn settle(self, transaction: &mut Transaction) {
        let dead: Vec<Taken> =
            self.taken().filter(|taken| census::has_died(self.arena, taken.tag)).collect();
        let (called, waiting): (Vec<_>, Vec<_>) =
            dead.into_iter().partition(|taken| self.is_called(taken.ticket));
        // First, so that no call is passed on to one of them.
        for some in waiting.chunks(ENTRIES) {
            some.iter().for_each(|taken| transaction.set(&self.shared.seats[taken.index].owner, 0));
            transaction.commit();
        }
        for taken in called {
            transaction.set(&self.shared.seats[taken.index].owner, 0);
            let heir = self.waiting().min_by_key(|heir| heir.ticket);
            let Some(heir) = heir.filter(|heir| heir.floor <= taken.ticket) else {
                transaction.commit();
                continue;
            };
            transaction.set(&self.shared.called, heir.ticket.wrapping_add(1));
            self.bell(heir.index).ring_all_after(|| transaction.commit());
            kill_point("condition.inherited");
        }
    }

    fn taken(self) -> impl Iterator<Item = Taken> {
        let seats = self.shared.seats.iter().take(self.top()).enumerate();
        seats.filter_map(move |(index, seat)| {
            let tag = Tag::from_word(self.load(&seat.owner))?;
            let [ticket, floor] = [&seat.ticket, &seat.floor].map(|word| self.load(word));
            Some(Taken { index, ticket, floor, tag })
        })
    }

    fn is_taken(self, taken: Taken) -> bool {
        let seat = &self.shared.seats[taken.index];
        self.load(&seat.owner) == taken.tag.to_word() && self.load(&seat.ticket) == taken.ticket
    }

    fn free_seat(self) -> Option<usize> {
        // PAIR seat: with the store in `leave`.
        self.shared.seats.iter().position(|seat| seat.owner.load(Acquire) == 0)
    }

    fn top(self) -> usize {
        usize::try_from(self.shared.top.load(Relaxed)).unwrap_or(SEATS).min(SEATS)
    }

    fn is_called(self, ticket: u64) -> bool {
        ticket < self.load(&self.shared.called)
    }

    /// Reads a word that is changed through the log.
    fn load(self, word: &AtomicU64) -> u64 {
        // PAIR redo: who sees a change of the log sees what was done before it.
        word.load(Acquire)
    }

    fn bell(self, index: usize) -> &'static Bell {
        &self.shared.bells[index % BELLS]
    }

    fn ring(self, index: usize) {
        self.bell(index).ring_all_after(|| ());
    }
}
