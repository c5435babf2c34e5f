//! The pool: functions for worker processes.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::Duration;

use brigade_codec::Message;
use brigade_process::call::Task;
use brigade_shm::transit::Packed;
use brigade_sys::time::Deadline;

use crate::builder::ProcessPoolBuilder;
use crate::cell::Cell;
use crate::error::{BuildError, Refusal, SubmitError};
use crate::future::Future;
use crate::job::{Job, Sink};
use crate::map::{Map, MapPolicy};
use crate::office::{Asking, Office};
use crate::table::Limits;

/// Worker processes that run functions of this program.
///
/// [`submit`](Self::submit) returns at once with a [`Future`]; [`map`](Self::map) gives results in
/// the order of its input. The workers are started when the pool is built and replaced when they
/// die. Threads may share a pool.
///
/// Dropping the pool is [`shutdown`](Self::shutdown) with [`Pending::Finish`]: it waits until all
/// tasks have ended and all workers are gone. While a panic unwinds, it kills them instead.
///
/// # Process death
///
/// A worker that dies costs the one task it was running, which fails with
/// [`TaskError::WorkerDied`](crate::TaskError::WorkerDied) or is
/// [retried](ProcessPoolBuilder::retries). Tasks that it had before it and not begun go to other
/// workers. When this process dies, the kernel kills the workers.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # brigade_process::init();
/// use brigade_pool::{ProcessPool, TaskError};
///
/// fn parse(text: String) -> Result<i32, String> {
///     text.parse().map_err(|_| format!("{text} is no number"))
/// }
///
/// let pool = ProcessPool::builder().max_workers(2).build()?;
/// let good = pool.submit(parse, "6".to_owned())?;
/// let bad = pool.submit(|number: i32| assert!(number > 6, "{number} is too small"), 6)?;
/// assert_eq!(good.result()?, Ok(6));
/// assert!(matches!(bad.result(), Err(TaskError::Panicked { message }) if message == "6 is too small"));
///
/// let squares: Result<Vec<_>, _> = pool.map(|n: u64| n * n, 1..=4).collect();
/// assert_eq!(squares?, [1, 4, 9, 16]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "ProcessPoolExecutor")]
#[doc(alias = "Pool")]
pub struct ProcessPool {
    office: Arc<Office>,
    max_workers: usize,
    helpers: Mutex<Vec<JoinHandle<()>>>,
    helper_ids: [ThreadId; 2],
}

/// What becomes of tasks that have not begun when a pool is shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    /// They are run.
    Finish,
    /// They are cancelled.
    #[doc(alias = "cancel_futures")]
    Cancel,
}

impl ProcessPool {
    /// Starts a pool of `max_workers` workers.
    ///
    /// # Errors
    ///
    /// [`BuildError`]; no worker is left then.
    pub fn new(max_workers: usize) -> Result<Self, BuildError> {
        Self::builder().max_workers(max_workers).build()
    }

    /// Describes a pool before it is built.
    pub fn builder() -> ProcessPoolBuilder {
        ProcessPoolBuilder::new()
    }

    pub(crate) fn of(office: Arc<Office>, limits: Limits, helpers: [JoinHandle<()>; 2]) -> Self {
        let helper_ids = [helpers[0].thread().id(), helpers[1].thread().id()];
        let helpers = Mutex::new(helpers.into());
        Self { office, max_workers: limits.workers, helpers, helper_ids }
    }

    /// Has a worker run `function` with `argument`. Returns at once.
    ///
    /// The function is an `fn` item or a closure that captures nothing; all that it needs comes in
    /// the argument, which may hold handles of shared objects: a `Lock`, a `Value`, a `Queue`.
    ///
    /// # Errors
    ///
    /// [`SubmitError`], with the argument, if the task is not accepted: then it does not run. All
    /// that goes wrong later is the future's error.
    #[doc(alias = "apply_async")]
    pub fn submit<F, A, R>(&self, function: F, argument: A) -> Result<Future<R>, SubmitError<A>>
    where
        F: Fn(A) -> R + Copy + Send + 'static,
        A: Message + Send + Sync + 'static,
        R: Message + Send + 'static,
    {
        let refused = |argument, reason| Err(SubmitError { argument, reason });
        if !self.office.is_own() {
            return refused(argument, Refusal::OtherProcess { owner: self.office.owner });
        }
        let task = match Task::of(function) {
            Ok(task) => task,
            Err(error) => return refused(argument, Refusal::Function(error)),
        };
        let packed = match Packed::of(&argument) {
            Ok(packed) => packed,
            Err(error) => return refused(argument, Refusal::Encode(Arc::new(error))),
        };
        let cell = Arc::new(Cell::new());
        let sink: Arc<dyn Sink> = Arc::<Cell<R>>::clone(&cell);
        match self.office.accept(|| Job { task, argument: Some(packed), sink }) {
            Ok(id) => Ok(Future::new(id, cell, self.office.as_source())),
            Err(reason) => refused(argument, reason),
        }
    }

    /// Has the workers run `function` with each element of `input`, and returns the results in
    /// order.
    ///
    /// The first tasks begin at once. More input is taken only as results are asked for, so that
    /// input without an end and results without number need little memory: see [`MapPolicy`].
    ///
    /// A task that fails is an `Err` in its place; the others go on, unless the iterator is
    /// dropped: that cancels those that have not begun. To stop at the first error, collect into a
    /// `Result`.
    #[doc(alias = "imap")]
    pub fn map<F, I, R>(&self, function: F, input: I) -> Map<'_, F, I::IntoIter, R>
    where
        F: Fn(I::Item) -> R + Copy + Send + Sync + 'static,
        I: IntoIterator,
        I::Item: Message + Send + Sync + 'static,
        R: Message + Send + 'static,
    {
        self.map_with(MapPolicy::default(), function, input)
    }

    /// As [`map`](Self::map), with a policy of the caller's.
    pub fn map_with<F, I, R>(
        &self,
        policy: MapPolicy,
        function: F,
        input: I,
    ) -> Map<'_, F, I::IntoIter, R>
    where
        F: Fn(I::Item) -> R + Copy + Send + Sync + 'static,
        I: IntoIterator,
        I::Item: Message + Send + Sync + 'static,
        R: Message + Send + 'static,
    {
        Map::new(self, policy, function, input.into_iter())
    }

    /// How many workers the pool has at most.
    pub fn max_workers(&self) -> usize {
        self.max_workers
    }

    /// The numbers of the workers that exist now.
    pub fn worker_pids(&self) -> Vec<i32> {
        self.office.enter(|state| {
            let processes = state.members.values().filter_map(|it| it.process.as_ref());
            processes.filter(|it| it.is_alive()).map(|it| it.pid()).collect()
        })
    }

    /// Accepts no more tasks, and says what becomes of those that have not begun. Does not wait.
    ///
    /// The workers exit when their tasks have ended.
    #[doc(alias = "shutdown(wait=False)")]
    pub fn close(&self, pending: Pending) {
        if self.office.is_own() {
            self.office.close();
            if pending == Pending::Cancel {
                self.office.cancel_all();
            }
        }
    }

    /// Ends everything: each task that has not ended fails with
    /// [`TaskError::Terminated`](crate::TaskError::Terminated), and each worker is sent `SIGTERM`,
    /// and after a second `SIGKILL`. Does not wait, and may be called from anywhere, also from a
    /// callback.
    #[doc(alias = "terminate_workers")]
    pub fn terminate(&self) {
        if self.office.is_own() {
            self.office.terminate(Asking::First);
        }
    }

    /// As [`terminate`](Self::terminate), with `SIGKILL` at once.
    #[doc(alias = "kill_workers")]
    pub fn kill(&self) {
        if self.office.is_own() {
            self.office.terminate(Asking::Never);
        }
    }

    /// Waits until the pool was closed or terminated, all tasks have ended, and all workers are
    /// gone.
    ///
    /// In a callback it returns at once: the thread that runs it is one of those it would wait
    /// for.
    pub fn join(&self) {
        self.join_until(Deadline::NEVER);
    }

    /// As [`join`](Self::join), but waits at most for `timeout`, and returns whether all are gone.
    pub fn join_timeout(&self, timeout: Duration) -> bool {
        self.join_until(Deadline::after(timeout))
    }

    /// [Closes](Self::close) the pool and [waits](Self::join) until all workers are gone.
    pub fn shutdown(&self, pending: Pending) {
        self.close(pending);
        self.join();
    }

    fn join_until(&self, deadline: Deadline) -> bool {
        if !self.office.is_own() || self.helper_ids.contains(&thread::current().id()) {
            return false;
        }
        if !self.office.wait_over(deadline) {
            return false;
        }
        let mut helpers = self.helpers.lock().unwrap_or_else(PoisonError::into_inner);
        for helper in helpers.drain(..) {
            // The helpers do not panic; if one did, it has said so.
            let _ = helper.join();
        }
        true
    }
}

impl Drop for ProcessPool {
    fn drop(&mut self) {
        if thread::panicking() {
            self.kill();
        }
        self.shutdown(Pending::Finish);
    }
}

impl fmt::Debug for ProcessPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessPool")
            .field("name", &self.office.hiring.name)
            .field("max_workers", &self.max_workers)
            .finish_non_exhaustive()
    }
}
