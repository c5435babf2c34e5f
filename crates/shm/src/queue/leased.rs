//! Values that are lent: whoever takes one answers for it, and if it dies another gets it.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use brigade_sys::time::Deadline;

use super::error::{GetError, GetTimeoutError, TryGetError};
use super::ordered::{Order, OrderedQueue, Values, Wait, read};
use super::refusal::Missed;
use crate::error::Error;
use crate::shelf::{Answer, Discipline, Label, Patience, Shelf, Taking, Ticket};

/// A queue, first in first out, whose values are lent.
///
/// [`lease`](OrderedQueue::lease) takes a value and keeps it in the queue, for no one else to take,
/// until the [`Lease`] is answered: [acknowledged](Lease::ack), [given back](Lease::requeue) or
/// [rejected](Lease::reject). So a value is worked on by somebody until it is done, whoever dies.
/// Queues of the other orders lend in the same way, but for the [`JoinableQueue`], which asks for
/// its answers otherwise.
///
/// A queue into which nobody will put ends when it is empty and no other process has a lease: what
/// is lent may come back.
///
/// See [`OrderedQueue`] for all else it can do.
///
/// # Process death
///
/// What is lent to a process that ends, however it ends, is lent to another at once, with its
/// [count of deliveries](Lease::delivery_count) one higher. A value that was delivered too often is
/// given up: see [`max_deliveries`](OrderedQueue::max_deliveries).
///
/// # Examples
///
/// ```
/// use brigade_shm::LeasedQueue;
///
/// let jobs = LeasedQueue::bounded(10)?;
/// jobs.put("paint".to_owned())?;
/// let job = jobs.lease()?;
/// assert_eq!(*job, "paint");
/// // Not acknowledged, it is there again.
/// drop(job);
/// let job = jobs.lease()?;
/// assert_eq!(job.delivery_count(), 2);
/// job.ack()?;
/// assert!(jobs.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`JoinableQueue`]: super::JoinableQueue
pub type LeasedQueue<T> = OrderedQueue<T, Fifo>;

/// First what was put first, for good or on loan.
#[derive(Debug)]
pub struct Fifo(());

impl Discipline for Fifo {
    type Rank = u64;

    const SHAPE: u32 = 6;
    const NAME: &'static str = "LeasedQueue";
    const TAKING: Taking = Taking::ForGood;
    const END: Patience = Patience::Answered;

    fn rank(label: &Label<'_>) -> u64 {
        label.arrival
    }
}

impl Values for Fifo {}

/// The orders of queues that lend their values.
pub trait Lends: Discipline {}

impl Lends for Fifo {}

impl<T, O: Order<T> + Lends> OrderedQueue<T, O> {
    /// Takes the first value on loan, blocking until there is one.
    ///
    /// # Errors
    ///
    /// [`GetError::Closed`] at the end of the queue.
    ///
    /// # Process death
    ///
    /// The lease ends with this process, and another gets the value.
    pub fn lease(&self) -> Result<Lease<O::Item>, GetError> {
        Ok(self.borrow(Wait::Until(Deadline::NEVER))?)
    }

    /// Takes the first value on loan, if there is one.
    ///
    /// Waits for nobody, as [`try_get`](Self::try_get).
    ///
    /// # Errors
    ///
    /// [`TryGetError::Empty`] when there is none yet, [`TryGetError::Closed`] at the end.
    pub fn try_lease(&self) -> Result<Lease<O::Item>, TryGetError> {
        Ok(self.borrow(Wait::Not)?)
    }

    /// Takes the first value on loan, blocking at most for `timeout`.
    ///
    /// # Errors
    ///
    /// [`GetTimeoutError::TimedOut`] when there is none in time, [`GetTimeoutError::Closed`] at
    /// the end.
    pub fn lease_timeout(&self, timeout: Duration) -> Result<Lease<O::Item>, GetTimeoutError> {
        Ok(self.borrow(Wait::Until(Deadline::after(timeout)))?)
    }

    fn borrow(&self, wait: Wait) -> Result<Lease<O::Item>, Missed> {
        let taken = match wait {
            Wait::Not => self.shelf.try_take::<O>(Taking::OnTrust)?,
            Wait::Until(deadline) => self.shelf.take::<O>(Taking::OnTrust, deadline)?,
        };
        let loan =
            Loan { shelf: self.shelf.clone(), ticket: taken.ticket, answer: Shelf::answer::<O> };
        match read::<T, O>(taken.letter) {
            Ok(value) => Ok(Lease { value, deliveries: taken.deliveries, loan: Some(loan) }),
            Err(failure) => {
                // The next one could not read it either.
                let _ = loan.answer(Answer::Rejected);
                Err(Missed::Failed(failure))
            }
        }
    }
}

/// A value on loan. Dropped without an answer, it is given back.
///
/// Derefs to the value. The lease belongs to its process: a child does not inherit it.
#[must_use = "a lease that is dropped gives its value back"]
pub struct Lease<T> {
    value: T,
    deliveries: u16,
    /// Until it is answered.
    loan: Option<Loan>,
}

/// What answers for a value.
struct Loan {
    shelf: Shelf,
    ticket: Ticket,
    answer: fn(&Shelf, Ticket, Answer) -> Result<bool, Error>,
}

impl Loan {
    fn answer(&self, answer: Answer) -> Result<(), LeaseError> {
        match (self.answer)(&self.shelf, self.ticket, answer) {
            Ok(true) => Ok(()),
            Ok(false) => Err(LeaseError::NotHeld),
            Err(error) => Err(LeaseError::Memory(error)),
        }
    }
}

impl<T> Lease<T> {
    /// How often the value has been delivered, this time included.
    pub fn delivery_count(&self) -> u32 {
        self.deliveries.into()
    }

    /// Says that the value is done with: nobody gets it again.
    ///
    /// # Errors
    ///
    /// [`LeaseError`] when the value is not this process's any more.
    ///
    /// # Process death
    ///
    /// One store says it: a process killed in here has said so, or another gets the value.
    #[doc(alias = "acknowledge")]
    pub fn ack(self) -> Result<(), LeaseError> {
        self.answer(Answer::Done)
    }

    /// Gives the value back: the next one gets it, before what was put after it.
    ///
    /// # Errors
    ///
    /// [`LeaseError`] when the value is not this process's any more.
    ///
    /// # Process death
    ///
    /// A process killed in here has given the value back, or its death does.
    pub fn requeue(self) -> Result<(), LeaseError> {
        self.answer(Answer::Returned)
    }

    /// Gives the value up: nobody gets it again but from the
    /// [dead letters](OrderedQueue::dead_letters).
    ///
    /// # Errors
    ///
    /// [`LeaseError`] when the value is not this process's any more.
    ///
    /// # Process death
    ///
    /// One store says it: a process killed in here has said so, or another gets the value.
    pub fn reject(self) -> Result<(), LeaseError> {
        self.answer(Answer::Rejected)
    }

    fn answer(mut self, answer: Answer) -> Result<(), LeaseError> {
        self.loan.take().map_or(Ok(()), |loan| loan.answer(answer))
    }
}

impl<T> Deref for Lease<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Drop for Lease<T> {
    fn drop(&mut self) {
        if let Some(loan) = self.loan.take() {
            // Whoever uses the queue next is told of what is wrong with its memory.
            let _ = loan.answer(Answer::Returned);
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Lease<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("value", &self.value)
            .field("deliveries", &self.deliveries)
            .finish_non_exhaustive()
    }
}

/// Why a lease could not be answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// The value is not this process's: the lease was made by another, of which this one is a copy.
    #[error("cannot answer for a value of the queue: it is not lent to this process")]
    NotHeld,
    /// The shared memory failed.
    #[error("cannot answer for a value of the queue: {0}")]
    Memory(Error),
}

#[cfg(test)]
#[path = "leased_tests.rs"]
mod tests;
