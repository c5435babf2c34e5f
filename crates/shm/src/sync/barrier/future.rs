//! The asynchronous form of a barrier's wait.

use brigade_sys::reactor;
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Sleep, Waitable};

use super::rounds::{Arrival, Patience};
use super::{Barrier, BarrierWait, BrokenBarrier};
use crate::arena::census::Tag;

impl Barrier {
    /// Waits until all parties have come, without a thread and without a time-out.
    ///
    /// # Errors
    ///
    /// As for [`wait`](Self::wait).
    ///
    /// # Panics
    ///
    /// As for [`wait`](Self::wait).
    ///
    /// # Cancellation
    ///
    /// Dropped while it waits, it is as one whose time has passed: the barrier is broken for all
    /// who wait.
    ///
    /// # Process death
    ///
    /// As for [`wait`](Self::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use brigade_shm::Barrier;
    /// use brigade_sys::reactor::block_on;
    ///
    /// let barrier = Barrier::new(2)?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| barrier.wait().expect("both come"));
    ///     block_on(barrier.wait_async()).expect("both come");
    /// });
    /// # Ok::<(), brigade_shm::Error>(())
    /// ```
    pub async fn wait_async(&self) -> Result<BarrierWait, BrokenBarrier> {
        loop {
            match self.arrive(Patience::Waits)? {
                Arrival::Passed(index) => return Ok(BarrierWait { index }),
                Arrival::Last(index) => return self.act(index),
                Arrival::Seated(index) => return self.sit(index).await,
                Arrival::Late => reactor::ready(NextRound(self.clone())).await,
                Arrival::Broken(reason) => return Err(reason),
            }
        }
    }

    async fn sit(&self, index: usize) -> Result<BarrierWait, BrokenBarrier> {
        let tag = self.handle.arena().cached_tag();
        let seated = Seated { barrier: self, index, tag };
        reactor::ready(RoundOver(self.clone())).await;
        std::mem::forget(seated);
        // It is over, or broken by a death: there is nothing to wait for.
        self.rounds.wait(index, Deadline::NEVER)?;
        Ok(BarrierWait { index })
    }
}

/// The seat of a future. Dropped, it breaks the round, and is left.
struct Seated<'a> {
    barrier: &'a Barrier,
    index: usize,
    tag: Option<Tag>,
}

impl Drop for Seated<'_> {
    fn drop(&mut self) {
        // A forked child has a copy of its parent's future, and not its seat.
        if self.tag == self.barrier.handle.arena().cached_tag() {
            self.barrier.rounds.break_off(BrokenBarrier::TimedOut);
            self.barrier.rounds.leave(self.index);
        }
    }
}

/// The end of the round that is filling, to wait for.
struct RoundOver(Barrier);

impl Waitable for RoundOver {
    fn is_ready(&self) -> bool {
        self.0.rounds.is_over()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.0.prepare(sleep);
    }
}

/// Room for those who came late, to wait for.
struct NextRound(Barrier);

impl Waitable for NextRound {
    fn is_ready(&self) -> bool {
        self.0.rounds.has_room()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.0.prepare(sleep);
    }
}
