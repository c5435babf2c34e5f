//! The rounds of a barrier: who has arrived, and whether the round is over.
//!
//! | phase      | meaning                                                                       |
//! |------------|-------------------------------------------------------------------------------|
//! | `Filling`  | parties take seats, one after the other, and wait                             |
//! | `Draining` | the last one has come: those in the seats pass, and leave them                |
//! | `Thrown`   | those in the seats are thrown out; then the barrier is as new                 |
//! | `Broken`   | those in the seats are thrown out, and so is everyone who comes               |
//!
//! A seat holds the tag of the process whose thread sits there; zero is a free one. How many have
//! arrived is how many seats are taken. Who comes when the seats are `Draining` or `Thrown` waits
//! until they are free, and begins the next round. Seats are taken, and phases changed, under one
//! lock, each by one store; a seat is left by its party alone.
//!
//! # Why no wake-up is lost
//!
//! Every change of the phase is made inside a ring for all. The last who leaves a drained seat rings
//! too: of two who leave at once, each frees its seat before it looks at the other's (fence L
//! between), so that at least one sees itself as the last.
//!
//! # What a dead process leaves
//!
//! *Inside the lock*: one store was made or was not. *In a seat*: a tag that names no living process.
//! Everyone in a seat watches the lives of the others. One who takes a seat rings for one of
//! those who sleep, and that one watches its life from then on; if it dies before it does, the
//! kernel wakes the next. Whoever sees the death of a party that waits breaks the barrier. The seat of
//! one that had passed is only freed.

use std::time::Duration;

use brigade_sys::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use brigade_sys::atomic::{AtomicU64, fence};
use brigade_sys::bell::Bell;
use brigade_sys::kill_point::kill_point;
use brigade_sys::memory::Shareable;
use brigade_sys::robust::RobustLock;
use brigade_sys::time::Deadline;
use brigade_sys::wait::Sleep;

use super::BrokenBarrier;
use crate::arena::Arena;
use crate::arena::census::{self, Tag};

/// What lies in the block; the seats follow it.
#[repr(C, align(64))]
pub(super) struct Shared {
    lock: RobustLock,
    bell: Bell,
    phase: AtomicU64,
    pub(super) parties: AtomicU64,
    /// The default time-out in nanoseconds; zero for none.
    pub(super) timeout: AtomicU64,
}

// SAFETY: shareable parts throughout; all zeros is a barrier for nobody.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Shared {}

/// What the phase word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Filling,
    Draining,
    Thrown(BrokenBarrier),
    Broken(BrokenBarrier),
}

const REASONS: [BrokenBarrier; 5] = [
    BrokenBarrier::TimedOut,
    BrokenBarrier::Aborted,
    BrokenBarrier::Reset,
    BrokenBarrier::Died,
    BrokenBarrier::ActionPanicked,
];

impl Phase {
    fn pack(self) -> u64 {
        let number = |reason| REASONS.iter().position(|&one| one == reason).unwrap_or(0) as u64;
        match self {
            Self::Filling => 0,
            Self::Draining => 1,
            Self::Thrown(reason) => 2 | number(reason) << 8,
            Self::Broken(reason) => 3 | number(reason) << 8,
        }
    }

    fn unpack(word: u64) -> Self {
        // A number that is none was written by a faulty process.
        let reason = REASONS[usize::try_from(word >> 8).unwrap_or(0).min(REASONS.len() - 1)];
        match word & 0xff {
            0 => Self::Filling,
            1 => Self::Draining,
            2 => Self::Thrown(reason),
            _ => Self::Broken(reason),
        }
    }
}

/// What a party finds at the barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It waits in this seat.
    Seated(usize),
    /// It is the last, and still in its seat: what is to be done before anyone passes is its task.
    Last(usize),
    /// It was the last, and everyone passes.
    Passed(usize),
    /// It must wait until the seats are free; or for others, which it does not do.
    Late,
    /// The barrier is broken.
    Broken(BrokenBarrier),
}

/// What the last party does before it lets the others pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    Nothing,
    Something,
}

/// What a party does if it is not the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    Waits,
    Leaves,
}

/// One barrier, as this process reaches it.
#[derive(Clone, Copy)]
pub(super) struct Rounds {
    pub(super) shared: &'static Shared,
    pub(super) seats: &'static [AtomicU64],
    pub(super) arena: &'static Arena,
}

impl Rounds {
    /// Takes part in the round that is filling, if one is.
    pub(super) fn arrive(self, tag: Tag, task: Task, patience: Patience) -> Arrival {
        let _locked = self.lock();
        self.bury();
        if self.is_drained() {
            self.enter(Phase::Filling);
        }
        match self.phase() {
            Phase::Broken(reason) => Arrival::Broken(reason),
            Phase::Draining | Phase::Thrown(_) => Arrival::Late,
            Phase::Filling => match self.free_seat() {
                None => Arrival::Late,
                Some(index) if index + 1 < self.seats.len() => {
                    if patience == Patience::Leaves {
                        return Arrival::Late;
                    }
                    self.sit_down(index, tag);
                    Arrival::Seated(index)
                }
                Some(index) if task == Task::Something => {
                    self.sit_down(index, tag);
                    Arrival::Last(index)
                }
                Some(index) => {
                    self.enter(Phase::Draining);
                    Arrival::Passed(index)
                }
            },
        }
    }

    /// Waits in a seat until the round is over, and leaves the seat.
    pub(super) fn wait(self, seat: usize, deadline: Deadline) -> Result<(), BrokenBarrier> {
        let result = loop {
            let look = || match self.phase() {
                Phase::Filling => self.has_dead().then_some(None),
                phase => Some(Some(phase)),
            };
            match self.shared.bell.wait(deadline, look, |sleep| self.watch(sleep)) {
                Some(Some(Phase::Thrown(reason) | Phase::Broken(reason))) => break Err(reason),
                Some(Some(_)) => break Ok(()),
                Some(None) => self.bury_under_lock(),
                // Found broken at the next look, or else it is over.
                None => self.break_off(BrokenBarrier::TimedOut),
            }
        };
        self.leave(seat);
        result
    }

    /// Waits until there is something else than a barrier for those who come late.
    pub(super) fn wait_for_next(self, deadline: Deadline) -> Result<(), BrokenBarrier> {
        let look = || self.has_room().then_some(());
        let waited = self.shared.bell.wait(deadline, look, |sleep| self.watch(sleep));
        if waited.is_none() {
            let _locked = self.lock();
            self.enter(Phase::Broken(BrokenBarrier::TimedOut));
        }
        waited.ok_or(BrokenBarrier::TimedOut)
    }

    /// Lets everyone pass, by the last party when its task is done, and leaves its seat.
    pub(super) fn pass(self, seat: usize) -> Result<(), BrokenBarrier> {
        let locked = self.lock();
        self.bury();
        let result = match self.phase() {
            Phase::Filling => {
                self.enter(Phase::Draining);
                Ok(())
            }
            Phase::Draining => Ok(()),
            Phase::Thrown(reason) | Phase::Broken(reason) => Err(reason),
        };
        drop(locked);
        self.leave(seat);
        result
    }

    /// Breaks the round that is filling. One that is over stays so.
    pub(super) fn break_off(self, reason: BrokenBarrier) {
        let _locked = self.lock();
        if self.phase() == Phase::Filling {
            self.enter(Phase::Broken(reason));
        }
    }

    /// Breaks the barrier.
    pub(super) fn abort(self) {
        let _locked = self.lock();
        self.enter(Phase::Broken(BrokenBarrier::Aborted));
    }

    /// Throws those in the seats out and begins anew.
    pub(super) fn reset(self) {
        let _locked = self.lock();
        self.bury();
        let reason = match self.phase() {
            Phase::Broken(reason) => reason,
            _ => BrokenBarrier::Reset,
        };
        self.enter(if self.is_empty() { Phase::Filling } else { Phase::Thrown(reason) });
    }

    pub(super) fn leave(self, seat: usize) {
        kill_point("barrier.leave");
        // PAIR seat: who takes the seat again finds that its last user has done with it.
        self.seats[seat].store(0, Release);
        kill_point("barrier.left");
        fence(SeqCst); // L
        if self.is_drained() {
            // Those who came late watch this process: they also wake if it dies here.
            self.shared.bell.ring_all_after(|| ());
        }
    }

    /// How many wait for the others.
    pub(super) fn waiting(self) -> usize {
        match self.phase() {
            Phase::Filling => self.parties().filter(|&tag| !self.has_died(tag)).count(),
            _ => 0,
        }
    }

    pub(super) fn is_broken(self) -> bool {
        match self.phase() {
            Phase::Filling => self.has_dead(),
            phase => matches!(phase, Phase::Broken(_)),
        }
    }

    /// Whether a party that came now would not wait.
    pub(super) fn is_ready(self) -> bool {
        let others = self.seats.len() - 1;
        match self.phase() {
            Phase::Filling => self.has_dead() || self.parties().count() == others,
            Phase::Broken(_) => true,
            Phase::Draining | Phase::Thrown(_) => others == 0 && self.is_empty(),
        }
    }

    /// Adds the lives of all in the seats to what ends a sleep.
    pub(super) fn watch(self, sleep: &mut Sleep<'_>) {
        for tag in self.parties() {
            census::watch(self.arena, tag.slot, sleep);
        }
    }

    pub(super) fn bell(self) -> &'static Bell {
        &self.shared.bell
    }

    /// Takes a seat, under the lock.
    fn sit_down(self, index: usize, tag: Tag) {
        let word = tag.to_word();
        // PAIR seat: with the loads of the seats.
        let take = || self.seats[index].store(word, Release);
        kill_point("barrier.arrive");
        let lonely = self.parties().all(|other| other == tag);
        if lonely && index + 2 < self.seats.len() {
            take();
        } else {
            // One of those who sleep must watch this process; or someone waits to be the last.
            self.shared.bell.ring_after(take);
        }
        kill_point("barrier.arrived");
    }

    /// Begins a phase, under the lock.
    fn enter(self, phase: Phase) {
        self.shared.bell.ring_all_after(|| {
            kill_point("barrier.enter");
            // PAIR phase: what was done before is visible to who sees the phase.
            self.shared.phase.store(phase.pack(), Release);
            kill_point("barrier.entered");
        });
    }

    /// Frees the seats of the dead, under the lock. If they waited, the barrier is broken.
    fn bury(self) {
        for (index, seat) in self.seats.iter().enumerate() {
            let Some(tag) = tag(seat).filter(|&tag| self.has_died(tag)) else { continue };
            if self.phase() == Phase::Filling {
                self.enter(Phase::Broken(BrokenBarrier::Died));
            }
            self.seats[index].store(0, Relaxed);
            // Burying it wakes the others who watch it.
            census::is_gone(self.arena, tag);
            kill_point("barrier.buried");
        }
    }

    fn bury_under_lock(self) {
        let _locked = self.lock();
        self.bury();
    }

    fn free_seat(self) -> Option<usize> {
        self.seats.iter().position(|seat| seat.load(Acquire) == 0) // PAIR seat: with `leave`.
    }

    /// Whether one who came late finds something else now.
    pub(super) fn has_room(self) -> bool {
        self.has_dead()
            || match self.phase() {
                Phase::Filling => self.free_seat().is_some(),
                Phase::Draining | Phase::Thrown(_) => self.is_empty(),
                Phase::Broken(_) => true,
            }
    }

    /// Whether those in the seats wait no longer, or will not once a death is seen to.
    pub(super) fn is_over(self) -> bool {
        self.phase() != Phase::Filling || self.has_dead()
    }

    /// Whether those who were in the seats of a round that is over have left.
    fn is_drained(self) -> bool {
        matches!(self.phase(), Phase::Draining | Phase::Thrown(_)) && self.is_empty()
    }

    fn is_empty(self) -> bool {
        self.seats.iter().all(|seat| seat.load(Acquire) == 0) // PAIR seat: with `leave`.
    }

    fn has_dead(self) -> bool {
        self.parties().any(|tag| self.has_died(tag))
    }

    fn has_died(self, tag: Tag) -> bool {
        census::has_died(self.arena, tag)
    }

    /// Whose threads are in the seats.
    fn parties(self) -> impl Iterator<Item = Tag> {
        self.seats.iter().filter_map(tag)
    }

    fn phase(self) -> Phase {
        Phase::unpack(self.shared.phase.load(Acquire)) // PAIR phase: with `enter`.
    }

    fn lock(self) -> Locked {
        // A holder's death needs no repair: see the head.
        let _ = self.shared.lock.lock(Deadline::NEVER);
        Locked(self.shared)
    }

    /// The time-out that the barrier was made with.
    pub(super) fn default_timeout(self) -> Option<Duration> {
        let nanoseconds = self.shared.timeout.load(Relaxed);
        (nanoseconds != 0).then(|| Duration::from_nanos(nanoseconds))
    }
}

fn tag(seat: &AtomicU64) -> Option<Tag> {
    Tag::from_word(seat.load(Acquire)) // PAIR seat: with `sit_down`.
}

struct Locked(&'static Shared);

impl Drop for Locked {
    fn drop(&mut self) {
        self.0.lock.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_comes_back_from_its_word_and_every_word_is_some_phase() {
        let some =
            REASONS.into_iter().flat_map(|reason| [Phase::Thrown(reason), Phase::Broken(reason)]);
        for phase in [Phase::Filling, Phase::Draining].into_iter().chain(some) {
            assert_eq!(Phase::unpack(phase.pack()), phase);
        }
        for word in [u64::MAX, 1 << 63, 0xff00, 12345] {
            let _ = Phase::unpack(word);
        }
    }
}
