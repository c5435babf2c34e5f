//! The queue that knows what is not done yet.

use std::time::Duration;

use brigade_codec::Message;
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Sleep, Waitable};

use super::ordered::{OrderedQueue, Values};
use crate::error::Error;
use crate::shelf::{Discipline, Label, Patience, Shelf, Taking};

/// A queue, first in first out, whose values are done with when their takers say so.
///
/// Each value that is taken stays its taker's until the taker calls
/// [`task_done`](OrderedQueue::task_done); [`join`](OrderedQueue::join) waits until that was done
/// for every value that was put. Nothing is counted that could be counted wrongly: what is not done
/// yet is what waits and what is taken.
///
/// See [`OrderedQueue`] for all else it can do.
///
/// # Process death
///
/// What a process had taken and not done with when it ended, however it ended, is given to others,
/// in the order in which it was put; those who wait for a value get it at once. So a value may be
/// taken more than once, if its taker dies before it can say that it is done; but none is lost, and
/// no `join` waits for the dead. See [`max_deliveries`](OrderedQueue::max_deliveries) for a value
/// that kills whoever takes it.
///
/// # Examples
///
/// ```
/// use brigade_shm::JoinableQueue;
///
/// let tasks = JoinableQueue::bounded(10)?;
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         for task in tasks.iter() {
///             println!("done: {task}");
///             tasks.task_done().expect("it was taken");
///         }
///     });
///     (1..=3).try_for_each(|task| tasks.put(task))?;
///     tasks.join()?;
///     assert_eq!(tasks.unfinished(), 0);
///     tasks.close();
///     Ok::<(), Box<dyn std::error::Error>>(())
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type JoinableQueue<T> = OrderedQueue<T, Joinable>;

/// First what was put first, and answered for by `task_done`.
#[derive(Debug)]
pub struct Joinable(());

impl Discipline for Joinable {
    type Rank = u64;

    const SHAPE: u32 = 4;
    const NAME: &'static str = "JoinableQueue";
    const TAKING: Taking = Taking::OnTrust;
    const END: Patience = Patience::Empty;

    fn rank(label: &Label<'_>) -> u64 {
        label.arrival
    }
}

impl Values for Joinable {}

impl<T: Message> OrderedQueue<T, Joinable> {
    /// Says that one of the values that this process has taken is done with: the one that it took
    /// first.
    ///
    /// # Errors
    ///
    /// [`TaskDoneError::NothingTaken`] when all that this process has taken is done with already.
    ///
    /// # Process death
    ///
    /// One store says it: a process killed in here has said so, or its value is given to others.
    pub fn task_done(&self) -> Result<(), TaskDoneError> {
        match self.shelf.acknowledge_first::<Joinable>() {
            Ok(true) => Ok(()),
            Ok(false) => Err(TaskDoneError::NothingTaken),
            Err(error) => Err(TaskDoneError::Memory(error)),
        }
    }

    /// How many values were put and are not done with.
    #[doc(alias = "unfinished_tasks")]
    pub fn unfinished(&self) -> usize {
        self.shelf.unfinished::<Joinable>()
    }

    /// Waits until every value that was put is done with.
    ///
    /// The end of the queue does not end the wait; an [immediate end](Self::shutdown_now) leaves
    /// only what is taken to wait for.
    ///
    /// # Errors
    ///
    /// Fails when the queue's memory is corrupt.
    ///
    /// # Deadlock
    ///
    /// One who waits for what nobody takes waits for ever, and one who waits for what it has taken
    /// itself, unless another thread of its process says that it is done.
    pub fn join(&self) -> Result<(), Error> {
        self.shelf.join::<Joinable>(Deadline::NEVER).map(|_| ())
    }

    /// Waits at most for `timeout` until every value that was put is done with, and says whether
    /// it is.
    ///
    /// # Errors
    ///
    /// Fails when the queue's memory is corrupt.
    pub fn join_timeout(&self, timeout: Duration) -> Result<bool, Error> {
        self.shelf.join::<Joinable>(Deadline::after(timeout))
    }

    /// What is ready when every value is done with.
    pub(crate) fn answers(&self) -> impl Waitable + Send + Sync + 'static {
        Answers(self.shelf.clone())
    }

    /// Whether every value is done with; nothing when some are not.
    pub(crate) fn try_join(&self) -> Option<Result<(), Error>> {
        let joined = self.shelf.join::<Joinable>(Deadline::after(Duration::ZERO));
        joined.map(|joined| joined.then_some(())).transpose()
    }
}

/// A shelf as one waits until all is done with.
struct Answers(Shelf);

impl Waitable for Answers {
    fn is_ready(&self) -> bool {
        self.0.can_join::<Joinable>()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.0.prepare_join(sleep);
    }
}

/// Why [`task_done`](OrderedQueue::task_done) had nothing to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskDoneError {
    /// It was called more often than this process has taken values.
    #[error("cannot call a task of the queue done: this process has taken none that is not")]
    NothingTaken,
    /// The shared memory failed.
    #[error("cannot call a task of the queue done: {0}")]
    Memory(Error),
}

#[cfg(test)]
#[path = "joinable_tests.rs"]
mod tests;
