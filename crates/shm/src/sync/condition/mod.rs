//! The condition: a place to wait, with a lock given up, until another says that something changed.

mod future;
mod seats;

use std::fmt;
use std::time::Duration;

use brigade_sys::time::Deadline;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use self::seats::{Outcome, SEATS, Seats, Shared};
use crate::arena::block::Kind;
use crate::arena::heap::Plan;
use crate::error::Error;
use crate::handle::Handle;
use crate::sync::owner_died::{OwnerDied, WaitGuard};

/// How long one who found no seat gives the lock up.
const WITHOUT_SEAT: Duration = Duration::from_millis(1);

/// A place to wait until another says that something has changed, across processes.
///
/// A waiter holds a [`Lock`](crate::Lock) or an [`RLock`](crate::RLock), gives it up while it waits,
/// however often it has taken it, and has it again when the wait returns. What is waited for lies
/// behind the lock, so that nobody can change it between the look and the wait.
///
/// A wait ends when it was notified, or at its time-out, and for no other reason. A notification
/// reaches those who wait at that moment, the longest waiting first, and is not kept for anyone who
/// comes later. Only if more than 512 threads wait does a wait end by itself, after a moment.
///
/// Whoever changes what is waited for holds the lock while it does. To notify, it may hold the lock
/// or have released it: the first keeps others out a little longer, the second lets who is woken
/// get the lock at once.
///
/// # Process death
///
/// A waiter that dies is no longer waited for: a notification that it was given and did not follow,
/// because it had not got its lock again, goes to another who was waiting then. One who dies while
/// it notifies has notified all whom it meant to, or nobody.
///
/// # Examples
///
/// ```
/// use brigade_shm::{Condition, Lock, OwnerDied};
///
/// let (jobs, more) = (Lock::new(0_u32)?, Condition::new()?);
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         *jobs.lock().unwrap_or_else(OwnerDied::recover) += 1;
///         more.notify_one();
///     });
///     let guard = jobs.lock().unwrap_or_else(OwnerDied::recover);
///     let mut guard = more.wait_while(guard, |jobs| **jobs == 0).unwrap_or_else(OwnerDied::recover);
///     *guard -= 1;
/// });
/// # Ok::<(), brigade_shm::Error>(())
/// ```
#[derive(Clone)]
pub struct Condition {
    handle: Handle,
    shared: &'static Shared,
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Woken {
    /// It was notified; or, for a wait with a predicate, there is nothing to wait for any more.
    Notified,
    /// The time had passed before.
    TimedOut,
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition").field("waiting", &self.waiting()).finish_non_exhaustive()
    }
}

impl Condition {
    /// Creates a condition that nobody waits for.
    ///
    /// It belongs to no lock: those who wait and those who notify agree on one.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory for it.
    pub fn new() -> Result<Self, Error> {
        let plan = Plan { kind: Kind::Condition, shape: 0, length: size_of::<Shared>(), parts: 0 };
        Self::from_handle(Handle::create(plan)?)
    }

    /// Gives the guard's lock up, waits until notified, and acquires the lock again.
    ///
    /// What is waited for may have changed once more before the lock was had again:
    /// [`wait_while`](Self::wait_while) looks.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`] when another holder died with the lock meanwhile. The error holds the guard.
    pub fn wait<G: WaitGuard>(&self, guard: G) -> Result<G, OwnerDied<G>> {
        self.wait_until(guard, Deadline::NEVER).0
    }

    /// As [`wait`](Self::wait), but waits at most for `timeout` to be notified.
    ///
    /// The lock is acquired again in every case, however long that takes.
    pub fn wait_timeout<G: WaitGuard>(
        &self,
        guard: G,
        timeout: Duration,
    ) -> (Result<G, OwnerDied<G>>, Woken) {
        self.wait_until(guard, Deadline::after(timeout))
    }

    /// Waits as long as `predicate` says so; looks before the first wait and after each.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`] as for [`wait`](Self::wait), at once and without another look: the predicate
    /// may not make sense of a half-written value.
    #[doc(alias = "wait_for")]
    pub fn wait_while<G: WaitGuard>(
        &self,
        guard: G,
        predicate: impl FnMut(&mut G) -> bool,
    ) -> Result<G, OwnerDied<G>> {
        self.wait_while_until(guard, Deadline::NEVER, predicate).0
    }

    /// As [`wait_while`](Self::wait_while), but waits at most for `timeout` altogether.
    ///
    /// With [`Woken::TimedOut`] the predicate still said to wait at the last look.
    #[doc(alias = "wait_for(timeout)")]
    pub fn wait_while_timeout<G: WaitGuard>(
        &self,
        guard: G,
        timeout: Duration,
        predicate: impl FnMut(&mut G) -> bool,
    ) -> (Result<G, OwnerDied<G>>, Woken) {
        self.wait_while_until(guard, Deadline::after(timeout), predicate)
    }

    /// Wakes the one who has waited longest, and says whether there was one.
    pub fn notify_one(&self) -> bool {
        self.seats().call(1) > 0
    }

    /// Wakes the `count` who have waited longest, and says how many there were.
    pub fn notify(&self, count: usize) -> usize {
        self.seats().call(count)
    }

    /// Wakes everyone who waits now, and says how many there were.
    pub fn notify_all(&self) -> usize {
        self.seats().call(usize::MAX)
    }

    /// How many wait now and have not been notified.
    pub fn waiting(&self) -> usize {
        self.seats().count()
    }

    fn wait_while_until<G: WaitGuard>(
        &self,
        mut guard: G,
        deadline: Deadline,
        mut predicate: impl FnMut(&mut G) -> bool,
    ) -> (Result<G, OwnerDied<G>>, Woken) {
        let mut woken = Woken::Notified;
        while predicate(&mut guard) {
            if woken == Woken::TimedOut {
                return (Ok(guard), woken);
            }
            let result;
            (result, woken) = self.wait_until(guard, deadline);
            match result {
                Ok(again) => guard = again,
                Err(died) => return (Err(died), woken),
            }
        }
        (Ok(guard), Woken::Notified)
    }

    fn wait_until<G: WaitGuard>(
        &self,
        guard: G,
        deadline: Deadline,
    ) -> (Result<G, OwnerDied<G>>, Woken) {
        let seats = self.seats();
        // Seated before the lock is free: whoever changes something then finds this waiter.
        let ticket = seats.sit_down();
        let released = guard.release();
        let outcome = match &ticket {
            Some(ticket) => seats.wait(ticket, deadline),
            None => {
                seats.nap(Deadline::after(WITHOUT_SEAT).min(deadline));
                if deadline.is_past() { Outcome::TimedOut } else { Outcome::Called }
            }
        };
        let guard = G::reacquire(released);
        // Only now, so that the call is another's if this process dies without the lock.
        match (ticket, outcome) {
            (Some(ticket), Outcome::Called) => {
                seats.leave(&ticket);
                (guard, Woken::Notified)
            }
            (None, Outcome::Called) => (guard, Woken::Notified),
            (_, Outcome::TimedOut) => (guard, Woken::TimedOut),
        }
    }

    fn seats(&self) -> Seats {
        Seats { shared: self.shared, arena: self.handle.arena() }
    }

    fn from_handle(handle: Handle) -> Result<Self, Error> {
        let shared = handle.arena().mapping().get(handle.body());
        let shared = shared.ok_or(Error::Corrupt("a condition lies outside its arena"))?;
        Ok(Self { handle, shared })
    }
}

const _: () = assert!(SEATS == 512, "the documentation says how many can wait");

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.handle.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let handle = Handle::deserialize(deserializer, Kind::Condition, 0)?;
        Self::from_handle(handle).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
