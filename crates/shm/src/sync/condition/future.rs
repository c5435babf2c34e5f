//! The asynchronous forms of a condition's waits.

use std::time::Duration;

use brigade_sys::reactor;
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Sleep, Waitable};

use super::seats::{Outcome, Ticket};
use super::{Condition, WITHOUT_SEAT};
use crate::future::until;
use crate::sync::owner_died::{OwnerDied, WaitGuard};

impl Condition {
    /// Gives the guard's lock up, waits until notified, and acquires the lock again, without a
    /// thread.
    ///
    /// The lock is a thread's, so the future stays in the thread that polled it first. Tasks of one
    /// thread are one owner of an [`RLock`](crate::RLock).
    ///
    /// # Errors
    ///
    /// [`OwnerDied`] as for [`wait`](Self::wait).
    ///
    /// # Cancellation
    ///
    /// Dropped before it is done, it leaves the lock released. A notification that it had received
    /// goes to the one who has waited longest.
    ///
    /// # Process death
    ///
    /// As for [`wait`](Self::wait).
    pub async fn wait_async<G: WaitGuard>(&self, guard: G) -> Result<G, OwnerDied<G>> {
        // Seated before the lock is free: whoever changes something then finds this waiter.
        let seated = Seated { condition: self, ticket: self.seats().sit_down() };
        let released = guard.release();
        if let Some(ticket) = &seated.ticket {
            let wait = || Call { condition: self.clone(), ticket: ticket.clone() };
            let _: Outcome = until(wait, || self.seats().try_wait(ticket)).await;
        } else {
            reactor::ready(Moment(Deadline::after(WITHOUT_SEAT))).await;
        }
        let again = until(|| G::lock_of(&released), || G::try_reacquire(&released)).await;
        seated.leave();
        again
    }

    /// Waits as long as `predicate` says so, without a thread; looks before the first wait and after
    /// each.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`] as for [`wait_while`](Self::wait_while).
    ///
    /// # Cancellation
    ///
    /// As for [`wait_async`](Self::wait_async).
    ///
    /// # Examples
    ///
    /// ```
    /// use brigade_shm::{Condition, Lock, OwnerDied};
    /// use brigade_sys::reactor::block_on;
    ///
    /// let (jobs, more) = (Lock::new(0_u32)?, Condition::new()?);
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         *jobs.lock().unwrap_or_else(OwnerDied::recover) += 1;
    ///         more.notify_one();
    ///     });
    ///     block_on(async {
    ///         let guard = jobs.lock_async().await.unwrap_or_else(OwnerDied::recover);
    ///         let guard = more.wait_while_async(guard, |jobs| **jobs == 0).await;
    ///         *guard.unwrap_or_else(OwnerDied::recover) -= 1;
    ///     });
    /// });
    /// # Ok::<(), brigade_shm::Error>(())
    /// ```
    pub async fn wait_while_async<G: WaitGuard>(
        &self,
        mut guard: G,
        mut predicate: impl FnMut(&mut G) -> bool,
    ) -> Result<G, OwnerDied<G>> {
        while predicate(&mut guard) {
            guard = self.wait_async(guard).await?;
        }
        Ok(guard)
    }
}

/// The seat of a future. Dropped, it is left, and a call that had come is passed on.
struct Seated<'a> {
    condition: &'a Condition,
    ticket: Option<Ticket>,
}

impl Seated<'_> {
    /// Leaves the seat, whose call has been followed.
    fn leave(mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.condition.seats().leave(&ticket);
        }
    }
}

impl Drop for Seated<'_> {
    fn drop(&mut self) {
        let seats = self.condition.seats();
        let Some(ticket) = self.ticket.take() else { return };
        // A forked child has a copy of its parent's future, and not its seat.
        if seats.arena.cached_tag() == Some(ticket.tag) && seats.give_up(&ticket) == Outcome::Called
        {
            seats.leave(&ticket);
            seats.call(1);
        }
    }
}

/// The call of a seat, to wait for.
struct Call {
    condition: Condition,
    ticket: Ticket,
}

impl Waitable for Call {
    fn is_ready(&self) -> bool {
        self.condition.seats().has_sign(&self.ticket)
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.condition.seats().prepare(&self.ticket, sleep);
    }
}

/// A moment, to wait for.
struct Moment(Deadline);

impl Waitable for Moment {
    fn is_ready(&self) -> bool {
        self.0.is_past()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        sleep.nap(self.0.remaining().unwrap_or(Duration::ZERO));
    }
}
