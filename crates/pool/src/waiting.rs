//! Waiting for many futures: the first, the first that failed, or all; or one after the other.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use brigade_sys::time::Deadline;
use thiserror::Error;

use crate::error::TaskError;
use crate::future::Future;
use crate::latch::Latch;

/// What [`wait_futures`] waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "return_when")]
pub enum Until {
    /// One future is done.
    #[doc(alias = "FIRST_COMPLETED")]
    FirstDone,
    /// One future has failed or was cancelled, or all are done.
    #[doc(alias = "FIRST_EXCEPTION")]
    FirstError,
    /// All futures are done.
    #[doc(alias = "ALL_COMPLETED")]
    AllDone,
}

/// Which futures were done when a wait ended, by their places in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waited {
    /// Those that were done.
    pub done: Vec<usize>,
    /// The others.
    pub not_done: Vec<usize>,
}

/// A future of any type, as [`wait_futures`] sees it.
pub trait AnyFuture: sealed::Sealed {}

mod sealed {
    /// What a wait asks of a future.
    pub trait Sealed {
        #[doc(hidden)]
        fn is_done(&self) -> bool;
        #[doc(hidden)]
        fn has_failed(&self) -> bool;
        #[doc(hidden)]
        fn when_ready(&self, tell: Box<dyn FnOnce() + Send>);
    }
}

impl<T> AnyFuture for Future<T> {}

impl<T> sealed::Sealed for Future<T> {
    fn is_done(&self) -> bool {
        Future::is_done(self)
    }

    fn has_failed(&self) -> bool {
        Future::has_failed(self)
    }

    fn when_ready(&self, tell: Box<dyn FnOnce() + Send>) {
        self.watch(tell);
    }
}

/// What tells `latch` of the future with this number.
fn teller(latch: &Arc<Latch>, index: usize) -> Box<dyn FnOnce() + Send> {
    let latch = Arc::clone(latch);
    Box::new(move || latch.push(index))
}

/// Waits until `until` has come, at most for `timeout`, if there is one.
///
/// The futures may be of different types and pools. One that is given twice counts twice.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # brigade_process::init();
/// use brigade_pool::{ProcessPool, Until, wait_futures};
///
/// let pool = ProcessPool::new(1)?;
/// let number = pool.submit(|n: u8| n * 2, 3)?;
/// let text = pool.submit(|n: u8| n.to_string(), 3)?;
/// let waited = wait_futures(&[&number, &text], Until::AllDone, None);
/// assert_eq!(waited.done, [0, 1]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "wait")]
pub fn wait_futures(futures: &[&dyn AnyFuture], until: Until, timeout: Option<Duration>) -> Waited {
    let deadline = Deadline::after_option(timeout);
    let latch = Arc::new(Latch::default());
    for (index, future) in futures.iter().enumerate() {
        future.when_ready(teller(&latch, index));
    }
    let mut missing = futures.len();
    while missing > 0 {
        let Some(index) = latch.pop(deadline) else { break };
        missing -= 1;
        match until {
            Until::FirstDone => break,
            Until::FirstError if futures[index].has_failed() => break,
            Until::FirstError | Until::AllDone => {}
        }
    }
    let (done, not_done) = (0..futures.len()).partition(|&index| futures[index].is_done());
    Waited { done, not_done }
}

/// Gives futures out as they become done, with their places in the list.
///
/// The place says which input a result belongs to. Nothing is kept of a future that was given out.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # brigade_process::init();
/// use brigade_pool::{ProcessPool, as_completed};
///
/// let pool = ProcessPool::new(2)?;
/// let words = ["to", "be", "or", "not"];
/// let futures = words.map(|word| pool.submit(|word: String| word.len(), word.to_owned()));
/// let futures: Result<Vec<_>, _> = futures.into_iter().collect();
/// for (index, future) in as_completed(futures?) {
///     assert_eq!(future.result()?, words[index].len());
/// }
/// # Ok(())
/// # }
/// ```
pub fn as_completed<T>(futures: impl IntoIterator<Item = Future<T>>) -> AsCompleted<T> {
    let latch = Arc::new(Latch::default());
    let futures: Vec<_> = futures.into_iter().map(Some).collect();
    for (index, future) in futures.iter().flatten().enumerate() {
        future.watch(teller(&latch, index));
    }
    let missing = futures.len();
    AsCompleted { futures, missing, latch }
}

/// Futures in the order in which they become done: see [`as_completed`].
#[must_use = "an iterator does nothing before it is asked"]
pub struct AsCompleted<T> {
    futures: Vec<Option<Future<T>>>,
    missing: usize,
    latch: Arc<Latch>,
}

impl<T> AsCompleted<T> {
    /// The next future, waiting for it at most for `timeout`; `None` when all were given out.
    ///
    /// # Errors
    ///
    /// [`Unfinished`] when none became done in time.
    pub fn next_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<Option<(usize, Future<T>)>, Unfinished> {
        self.next_until(Deadline::after(timeout))
    }

    fn next_until(&mut self, deadline: Deadline) -> Result<Option<(usize, Future<T>)>, Unfinished> {
        let total = self.futures.len();
        while self.missing > 0 {
            let unfinished = Unfinished { unfinished: self.missing, total };
            let index = self.latch.pop(deadline).ok_or(unfinished)?;
            if let Some(future) = self.futures[index].take() {
                self.missing -= 1;
                return Ok(Some((index, future)));
            }
        }
        Ok(None)
    }
}

impl<T> Iterator for AsCompleted<T> {
    type Item = (usize, Future<T>);

    fn next(&mut self) -> Option<Self::Item> {
        // Without a deadline there is no error.
        self.next_until(Deadline::NEVER).ok().flatten()
    }
}

impl<T> fmt::Debug for AsCompleted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted")
            .field("missing", &self.missing)
            .field("total", &self.futures.len())
            .finish_non_exhaustive()
    }
}

/// The time was over before the next future was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("timed out: {unfinished} of {total} futures are unfinished")]
pub struct Unfinished {
    /// How many were not given out yet.
    pub unfinished: usize,
    /// How many there were.
    pub total: usize,
}

impl From<Unfinished> for TaskError {
    fn from(_: Unfinished) -> Self {
        Self::TimedOut
    }
}
