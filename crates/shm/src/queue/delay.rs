//! The queue that gives first what is due first.

use std::time::{Duration, Instant};

use brigade_codec::Message;
use brigade_sys::time::{Deadline, now};

use super::error::{PutError, PutTimeoutError, TryPutError};
use super::leased::Lends;
use super::ordered::{OrderedQueue, Values, Wait};
use crate::shelf::{Discipline, Label, Patience, Taking};

/// A queue that gives no value before it is due, and first what is due first.
///
/// A value that is [put](OrderedQueue::put) without a delay is due at once. The clock is the
/// monotonic one, which is the same for all processes of a machine and which nobody can set. A
/// get waits until something is due, also if that is put while it waits.
///
/// A value that is not due counts like any other: against the capacity, in the
/// [length](OrderedQueue::len), and at the [end](OrderedQueue::close), which comes after the last
/// one has come due and was taken.
///
/// See [`OrderedQueue`] for what it can do, and for what the death of a process leaves.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use brigade_shm::DelayQueue;
///
/// let reminders = DelayQueue::bounded(10)?;
/// reminders.put_after("tea".to_owned(), Duration::from_millis(20))?;
/// reminders.put_after("mail".to_owned(), Duration::from_millis(10))?;
/// assert!(reminders.try_get().is_err());
/// assert_eq!(reminders.get()?, "mail");
/// assert_eq!(reminders.get()?, "tea");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type DelayQueue<T> = OrderedQueue<T, ByTime>;

/// First what is due first.
#[derive(Debug)]
pub struct ByTime(());

impl Discipline for ByTime {
    type Rank = (u64, u64);

    const SHAPE: u32 = 3;
    const NAME: &'static str = "DelayQueue";
    const TAKING: Taking = Taking::ForGood;
    const END: Patience = Patience::Answered;

    fn rank(label: &Label<'_>) -> (u64, u64) {
        (label.due, label.arrival)
    }
}

impl Values for ByTime {}

impl Lends for ByTime {}

impl<T: Message> OrderedQueue<T, ByTime> {
    /// Puts a value that is due after `delay`, blocking while the queue is full.
    ///
    /// # Errors
    ///
    /// [`PutError`], with the value.
    pub fn put_after(&self, value: T, delay: Duration) -> Result<(), PutError<T>> {
        let wait = Wait::Until(Deadline::NEVER);
        self.put_due(&value, due_after(delay), wait).map_err(|why| why.for_put(value))
    }

    /// Puts a value that is due after `delay`, if there is room.
    ///
    /// # Errors
    ///
    /// [`TryPutError`], with the value.
    pub fn try_put_after(&self, value: T, delay: Duration) -> Result<(), TryPutError<T>> {
        self.put_due(&value, due_after(delay), Wait::Not).map_err(|why| why.for_try_put(value))
    }

    /// Puts a value that is due after `delay`, blocking at most for `timeout` while the queue is
    /// full. The delay begins now, not when there is room.
    ///
    /// # Errors
    ///
    /// [`PutTimeoutError`], with the value.
    pub fn put_after_timeout(
        &self,
        value: T,
        delay: Duration,
        timeout: Duration,
    ) -> Result<(), PutTimeoutError<T>> {
        let wait = Wait::Until(Deadline::after(timeout));
        self.put_due(&value, due_after(delay), wait).map_err(|why| why.for_put_timeout(value))
    }

    /// Puts a value that is due at `moment`, blocking while the queue is full.
    ///
    /// # Errors
    ///
    /// [`PutError`], with the value.
    pub fn put_at(&self, value: T, moment: Instant) -> Result<(), PutError<T>> {
        self.put_after(value, moment.saturating_duration_since(Instant::now()))
    }
}

/// The moment `delay` from now, in nanoseconds of the monotonic clock: for ever, if it is that far.
fn due_after(delay: Duration) -> u64 {
    u64::try_from(now().saturating_add(delay).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "delay_tests.rs"]
mod tests;
