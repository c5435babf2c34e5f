//! The barrier: a place where parties wait until all have come.

mod future;
mod rounds;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use brigade_sys::atomic::AtomicU64;
use brigade_sys::atomic::Ordering::Relaxed;
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Sleep, Waitable};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use self::rounds::{Arrival, Patience, Rounds, Shared, Task};
use crate::arena::block::Kind;
use crate::arena::heap::Plan;
use crate::error::Error;
use crate::handle::Handle;

/// The most parties a barrier may have.
const MAX_PARTIES: usize = 4096;

/// A place where a number of parties wait for each other, round after round, across processes.
///
/// A party is whoever calls [`wait`](Self::wait): a thread of any process. When as many wait as the
/// barrier is for, all pass, and the next round begins; a party that comes back before the others
/// have left waits until they have. If one of them does not come in time, all are turned away:
/// the barrier is broken until it is [reset](Self::reset).
///
/// # Process death
///
/// If a process dies while a thread of it waits, the barrier is broken, and the others are told at
/// once. One that dies after it has passed, or before it came, breaks nothing: those who wait for
/// it use a time-out.
///
/// # Examples
///
/// ```
/// use brigade_shm::Barrier;
///
/// let all_here = Barrier::new(3)?;
/// std::thread::scope(|scope| {
///     for _ in 0..2 {
///         scope.spawn(|| all_here.wait().expect("nobody breaks it"));
///     }
///     let passed = all_here.wait().expect("nobody breaks it");
///     assert!(passed.index < 3);
/// });
/// # Ok::<(), brigade_shm::Error>(())
/// ```
#[derive(Clone)]
pub struct Barrier {
    handle: Handle,
    rounds: Rounds,
    action: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("parties", &self.parties())
            .field("waiting", &self.waiting())
            .field("broken", &self.is_broken())
            .finish_non_exhaustive()
    }
}

/// That all parties have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarrierWait {
    /// How many had come before: another number for each party of the round, from zero on.
    pub index: usize,
}

/// Why a barrier turned a party away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum BrokenBarrier {
    /// A party's time-out had passed before all had come.
    #[error("the barrier is broken: a party's time-out has passed")]
    TimedOut,
    /// Someone called [`Barrier::abort`].
    #[error("the barrier is broken: it was aborted")]
    Aborted,
    /// Someone called [`Barrier::reset`]. Later parties are let in again.
    #[error("the barrier was reset while this party waited")]
    Reset,
    /// A party died while it waited.
    #[error("the barrier is broken: a party died while it waited")]
    Died,
    /// The action of the last party panicked.
    #[error("the barrier is broken: its action panicked")]
    ActionPanicked,
}

/// Why [`Barrier::try_wait`] did not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TryBarrierError {
    /// Not all the others are there.
    #[error("the barrier waits for other parties")]
    NotYet,
    /// The barrier is broken.
    #[error(transparent)]
    Broken(#[from] BrokenBarrier),
}

impl Barrier {
    /// Creates a barrier for `parties` parties.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for none or more than 4096 parties; otherwise fails when there is no
    /// memory.
    pub fn new(parties: usize) -> Result<Self, Error> {
        Self::create(parties, 0)
    }

    /// Creates a barrier whose [`wait`](Self::wait) waits at most for `timeout`.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    #[doc(alias = "Barrier(timeout)")]
    pub fn with_timeout(parties: usize, timeout: Duration) -> Result<Self, Error> {
        // Zero stands for none, and the longest is longer than any machine runs.
        let nanoseconds = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        Self::create(parties, nanoseconds.max(1))
    }

    fn create(parties: usize, timeout: u64) -> Result<Self, Error> {
        if parties == 0 || parties > MAX_PARTIES {
            let expectation = "it is for at least one and at most 4096 parties";
            return Err(Error::Invalid { kind: "barrier", expectation });
        }
        let length = size_of::<Shared>() + parties * size_of::<AtomicU64>();
        let plan = Plan { kind: Kind::Barrier, shape: 0, length, parts: 0 };
        let handle = Handle::create(plan)?;
        let shared: &Shared = handle.arena().mapping().get(handle.body()).ok_or(OUTSIDE)?;
        shared.parties.store(parties as u64, Relaxed);
        shared.timeout.store(timeout, Relaxed);
        Self::from_handle(handle)
    }

    /// Gives this handle an action: when a wait through it is the last of a round, it runs the action
    /// before anyone passes.
    ///
    /// The action belongs to the handle and its clones. It does not travel, so each process
    /// gives its handle the same one. If it panics, the barrier is broken, and the panic goes on in
    /// the party that ran it. It must not wait for the barrier itself.
    #[must_use = "the action belongs to the handle that is returned"]
    pub fn with_action(self, action: impl Fn() + Send + Sync + 'static) -> Self {
        Self { action: Some(Arc::new(action)), ..self }
    }

    /// Waits until all parties have come, or for the time-out that the barrier was made with.
    ///
    /// # Errors
    ///
    /// [`BrokenBarrier`] says why they did not. If it is the time-out, the barrier is broken for
    /// all who wait.
    ///
    /// # Panics
    ///
    /// Panics when this party is the last and its action panics.
    pub fn wait(&self) -> Result<BarrierWait, BrokenBarrier> {
        self.wait_until(Deadline::after_option(self.rounds.default_timeout()))
    }

    /// Waits until all parties have come, at most for `timeout`.
    ///
    /// # Errors
    ///
    /// As for [`wait`](Self::wait).
    ///
    /// # Panics
    ///
    /// As for [`wait`](Self::wait).
    #[doc(alias = "wait(timeout)")]
    pub fn wait_timeout(&self, timeout: Duration) -> Result<BarrierWait, BrokenBarrier> {
        self.wait_until(Deadline::after(timeout))
    }

    /// Passes if all the other parties wait; otherwise leaves them waiting.
    ///
    /// # Errors
    ///
    /// [`TryBarrierError::NotYet`] when some are missing, or have not left the last round;
    /// [`TryBarrierError::Broken`] as for [`wait`](Self::wait).
    ///
    /// # Panics
    ///
    /// As for [`wait`](Self::wait).
    pub fn try_wait(&self) -> Result<BarrierWait, TryBarrierError> {
        match self.arrive(Patience::Leaves)? {
            Arrival::Passed(index) => Ok(BarrierWait { index }),
            Arrival::Last(index) => Ok(self.act(index)?),
            Arrival::Broken(reason) => Err(reason.into()),
            Arrival::Late | Arrival::Seated(_) => Err(TryBarrierError::NotYet),
        }
    }

    /// Turns away all who wait, and begins anew: also a barrier that was broken.
    ///
    /// Those who have come too early for the next round are not turned away, and begin it. One who
    /// has not quite left the last round is told that the barrier was reset.
    pub fn reset(&self) {
        self.rounds.reset();
    }

    /// Breaks the barrier: turns away all who wait, and all who come until it is
    /// [reset](Self::reset).
    pub fn abort(&self) {
        self.rounds.abort();
    }

    /// How many parties the barrier is for.
    pub fn parties(&self) -> usize {
        self.rounds.seats.len()
    }

    /// How many parties wait now for the others.
    #[doc(alias = "n_waiting")]
    pub fn waiting(&self) -> usize {
        self.rounds.waiting()
    }

    /// Whether whoever comes is turned away.
    #[doc(alias = "broken")]
    pub fn is_broken(&self) -> bool {
        self.rounds.is_broken()
    }

    fn wait_until(&self, deadline: Deadline) -> Result<BarrierWait, BrokenBarrier> {
        loop {
            match self.arrive(Patience::Waits)? {
                Arrival::Passed(index) => return Ok(BarrierWait { index }),
                Arrival::Last(index) => return self.act(index),
                Arrival::Seated(index) => {
                    self.rounds.wait(index, deadline)?;
                    return Ok(BarrierWait { index });
                }
                Arrival::Late => self.rounds.wait_for_next(deadline)?,
                Arrival::Broken(reason) => return Err(reason),
            }
        }
    }

    fn arrive(&self, patience: Patience) -> Result<Arrival, BrokenBarrier> {
        // A process that has no place in the arena is one whose parent gave it up.
        let tag = self.handle.arena().tag().map_err(|_| BrokenBarrier::Died)?;
        self.handle.before_sleep();
        let task = if self.action.is_some() { Task::Something } else { Task::Nothing };
        Ok(self.rounds.arrive(tag, task, patience))
    }

    /// Runs the action, as the last party, and lets everyone pass.
    fn act(&self, index: usize) -> Result<BarrierWait, BrokenBarrier> {
        struct Acting(Rounds, usize);

        impl Drop for Acting {
            fn drop(&mut self) {
                self.0.break_off(BrokenBarrier::ActionPanicked);
                self.0.leave(self.1);
            }
        }

        let acting = Acting(self.rounds, index);
        if let Some(action) = &self.action {
            action();
        }
        std::mem::forget(acting);
        self.rounds.pass(index)?;
        Ok(BarrierWait { index })
    }

    fn from_handle(handle: Handle) -> Result<Self, Error> {
        let (arena, body) = (handle.arena(), handle.body());
        let shared: &Shared = arena.mapping().get(body).ok_or(OUTSIDE)?;
        let parties = usize::try_from(shared.parties.load(Relaxed)).unwrap_or(0);
        let seats = arena.mapping().slice(body + size_of::<Shared>(), parties.min(MAX_PARTIES));
        let seats = seats.filter(|seats| !seats.is_empty()).ok_or(OUTSIDE)?;
        Ok(Self { handle, rounds: Rounds { shared, seats, arena }, action: None })
    }
}

const OUTSIDE: Error = Error::Corrupt("a barrier lies outside its arena");

/// Ready when a party that came now would not wait.
impl Waitable for Barrier {
    fn is_ready(&self) -> bool {
        self.rounds.is_ready()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.handle.before_sleep();
        self.rounds.bell().prepare(sleep);
        self.rounds.watch(sleep);
    }
}

/// Without the action, which stays where it is.
impl Serialize for Barrier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.handle.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Barrier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let handle = Handle::deserialize(deserializer, Kind::Barrier, 0)?;
        Self::from_handle(handle).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
