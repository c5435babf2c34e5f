//! What a queue has given up.

use std::fmt;
use std::time::Duration;

use brigade_sys::time::Deadline;
use brigade_sys::wait::{Sleep, Waitable};
use serde::{Deserialize, Serialize};

use super::error::{GetError, GetTimeoutError, TryGetError};
use super::ordered::{Order, OrderedQueue, Wait, read};
use super::refusal::Missed;
use crate::error::Error;

/// The values that an [`OrderedQueue`] has given up: those that were
/// [rejected](super::Lease::reject), or came back after too many
/// [deliveries](OrderedQueue::max_deliveries). What was given up first comes first.
///
/// # Process death
///
/// A value is given up by one store, and taken from here by another. A process killed while it
/// takes one has taken it or has not, and what it had taken is gone with it.
///
/// # Examples
///
/// ```
/// use brigade_shm::LeasedQueue;
///
/// let jobs = LeasedQueue::bounded(10)?.max_deliveries(2)?;
/// jobs.put("impossible".to_owned())?;
/// for attempt in 1..=2 {
///     let job = jobs.lease()?;
///     assert_eq!(job.delivery_count(), attempt);
///     drop(job);
/// }
/// assert!(jobs.is_empty());
/// assert_eq!(jobs.dead_letters().get()?, "impossible");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Serialize, Deserialize)]
#[serde(bound(deserialize = "O: Order<T>"))]
pub struct DeadLetters<T, O> {
    queue: OrderedQueue<T, O>,
}

impl<T, O: Order<T>> OrderedQueue<T, O> {
    /// Gives a value up when it comes back after `most` deliveries: it then is one of the
    /// [dead letters](Self::dead_letters). Without this, the limit is 65,535.
    ///
    /// It is a property of the queue, not of this handle.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for zero deliveries.
    pub fn max_deliveries(self, most: u16) -> Result<Self, Error> {
        if most == 0 {
            let expectation = "a value is delivered at least once";
            return Err(Error::Invalid { kind: "queue", expectation });
        }
        self.shelf.limit_deliveries(most);
        Ok(self)
    }

    /// The values that the queue has given up.
    pub fn dead_letters(&self) -> DeadLetters<T, O> {
        DeadLetters { queue: self.clone() }
    }
}

impl<T, O: Order<T>> DeadLetters<T, O> {
    /// How many values there are now.
    pub fn len(&self) -> usize {
        self.queue.shelf.failed::<O>()
    }

    /// Whether there is none now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the first value, blocking until there is one.
    ///
    /// # Errors
    ///
    /// [`GetError::Closed`] when the queue has ended, and everything in it is done with.
    pub fn get(&self) -> Result<O::Item, GetError> {
        Ok(self.collect(Wait::Until(Deadline::NEVER))?)
    }

    /// Takes the first value if there is one.
    ///
    /// # Errors
    ///
    /// [`TryGetError::Empty`] when there is none yet, [`TryGetError::Closed`] at the end.
    pub fn try_get(&self) -> Result<O::Item, TryGetError> {
        Ok(self.collect(Wait::Not)?)
    }

    /// Takes the first value, blocking at most for `timeout`.
    ///
    /// # Errors
    ///
    /// [`GetTimeoutError::TimedOut`] when there is none in time, [`GetTimeoutError::Closed`] at
    /// the end.
    pub fn get_timeout(&self, timeout: Duration) -> Result<O::Item, GetTimeoutError> {
        Ok(self.collect(Wait::Until(Deadline::after(timeout)))?)
    }

    /// Takes values until the queue has ended and everything in it is done with.
    pub fn iter(&self) -> impl Iterator<Item = O::Item> {
        std::iter::from_fn(|| self.get().ok())
    }

    fn collect(&self, wait: Wait) -> Result<O::Item, Missed> {
        let letter = match wait {
            Wait::Not => self.queue.shelf.try_collect::<O>()?,
            Wait::Until(deadline) => self.queue.shelf.collect::<O>(deadline)?,
        };
        read::<T, O>(letter).map_err(Missed::Failed)
    }
}

impl<T, O> Clone for DeadLetters<T, O> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

impl<T, O: Order<T>> fmt::Debug for DeadLetters<T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetters").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T, O: Order<T>> Waitable for DeadLetters<T, O> {
    fn is_ready(&self) -> bool {
        self.queue.shelf.can_collect::<O>()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.queue.shelf.prepare_collect(sleep);
    }
}
