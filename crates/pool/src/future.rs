//! The future: a result that is on its way.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use brigade_sys::time::Deadline;
use brigade_sys::wait::{Sleep, Waitable};
use thiserror::Error;

use crate::cell::{Cell, Watcher};
use crate::error::TaskError;
use crate::table::TaskId;

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskState {
    /// It waits for a worker.
    Queued,
    /// A worker has it before it, and has not begun.
    Dispatched,
    /// A worker runs it.
    Running,
    /// It has ended, with a result or with an error.
    Done,
    /// It was cancelled before it began.
    Cancelled,
}

/// Who runs a task, as its future knows it.
pub(crate) trait Source: Send + Sync {
    /// Takes a task back that has not begun; whether it will never run.
    fn cancel(&self, task: TaskId) -> bool;

    /// How far a task is that is not done; `None` if that has changed.
    fn state(&self, task: TaskId) -> Option<TaskState>;
}

/// The result of a task, when it is there.
///
/// Dropping it gives up the result; the task runs all the same. [`cancel`](Self::cancel) keeps it
/// from running.
///
/// It can be waited for in four ways: [`result`](Self::result) in a thread, `.await` in any async
/// runtime, [`add_done_callback`](Self::add_done_callback), and `wait` together with queues,
/// processes and other futures.
///
/// # Process death
///
/// A future always ends. If the worker dies while it runs the task, the result is
/// [`TaskError::WorkerDied`], unless the pool [retries](crate::ProcessPoolBuilder::retries) it.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # brigade_process::init();
/// let pool = brigade_pool::ProcessPool::new(2)?;
/// let future = pool.submit(|name: String| format!("hello, {name}"), "world".to_owned())?;
/// assert_eq!(future.result()?, "hello, world");
/// # Ok(())
/// # }
/// ```
#[must_use = "a dropped future gives up the result"]
pub struct Future<T> {
    task: TaskId,
    cell: Arc<Cell<T>>,
    source: Weak<dyn Source>,
}

impl<T> Future<T> {
    pub(crate) fn new(task: TaskId, cell: Arc<Cell<T>>, source: Weak<dyn Source>) -> Self {
        Self { task, cell, source }
    }

    /// Waits until the task has ended and returns its result.
    ///
    /// # Errors
    ///
    /// [`TaskError`], if it has none.
    ///
    /// # Deadlock
    ///
    /// A callback must not wait for another task of its pool: callbacks run in the thread that
    /// takes the results in.
    pub fn result(self) -> Result<T, TaskError> {
        self.wait();
        self.take()
    }

    /// As [`result`](Self::result), but waits at most for `timeout`.
    ///
    /// # Errors
    ///
    /// [`ResultTimeoutError::TimedOut`], with the future, if the task has not ended by then.
    #[doc(alias = "result(timeout)")]
    pub fn result_timeout(self, timeout: Duration) -> Result<T, ResultTimeoutError<T>> {
        if !self.wait_timeout(timeout) {
            return Err(ResultTimeoutError::TimedOut(self));
        }
        self.take().map_err(ResultTimeoutError::Failed)
    }

    /// Waits until the task has ended and returns its error, if it has one.
    #[doc(alias = "exception")]
    pub fn error(&self) -> Option<TaskError> {
        self.wait();
        self.cell.error()
    }

    /// Waits until the task has ended.
    pub fn wait(&self) {
        self.cell.wait(Deadline::NEVER);
    }

    /// Waits until the task has ended, at most for `timeout`, and returns whether it has.
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.cell.wait(Deadline::after(timeout))
    }

    /// How far the task is.
    pub fn state(&self) -> TaskState {
        if !self.cell.is_settled()
            && let Some(state) = self.source.upgrade().and_then(|it| it.state(self.task))
        {
            return state;
        }
        match (self.cell.is_settled(), self.cell.error()) {
            (true, Some(TaskError::Cancelled)) => TaskState::Cancelled,
            (true, _) => TaskState::Done,
            // The pool has let go of it, and its result is about to arrive.
            (false, _) => TaskState::Running,
        }
    }

    /// Whether the task has ended: with a result, with an error, or cancelled.
    #[doc(alias = "done")]
    pub fn is_done(&self) -> bool {
        self.cell.is_settled()
    }

    /// Whether a worker runs the task.
    #[doc(alias = "running")]
    pub fn is_running(&self) -> bool {
        self.state() == TaskState::Running
    }

    /// Whether the task was cancelled before it began.
    #[doc(alias = "cancelled")]
    pub fn is_cancelled(&self) -> bool {
        self.state() == TaskState::Cancelled
    }

    /// Keeps the task from running, if it has not begun. Does not wait.
    ///
    /// Returns whether the task will never run, also when it was cancelled before. A task that has
    /// been handed to a worker, but has not begun, is taken back.
    pub fn cancel(&self) -> bool {
        if !self.cell.is_settled()
            && let Some(source) = self.source.upgrade()
            && source.cancel(self.task)
        {
            return true;
        }
        self.cell.is_settled() && matches!(self.cell.error(), Some(TaskError::Cancelled))
    }

    /// Runs `callback` when the task has ended: at once, in this thread, if it has; otherwise in a
    /// thread of the pool, or of whoever cancels it.
    ///
    /// Callbacks run one after the other, in the order in which they were added. One that panics
    /// shows its panic on standard error and stops nobody else. Those that were added before the
    /// task ended have run when [`result`](Self::result) returns.
    ///
    /// # Deadlock
    ///
    /// See [`result`](Self::result).
    pub fn add_done_callback<F>(&self, callback: F)
    where
        F: FnOnce(Result<&T, &TaskError>) + Send + 'static,
    {
        self.cell.add_callback(Box::new(callback));
    }

    pub(crate) fn watch(&self, tell: Watcher) {
        self.cell.watch(tell);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.cell.error().is_some()
    }

    pub(crate) fn wait_until(&self, deadline: Deadline) -> bool {
        self.cell.wait(deadline)
    }

    /// The result of a task that has ended.
    pub(crate) fn take(&self) -> Result<T, TaskError> {
        self.cell.take().expect("a result is taken once: it takes the future, or ends its polling")
    }
}

impl<T> fmt::Debug for Future<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Future").field("task", &self.task).field("state", &self.state()).finish()
    }
}

/// Resolves when the task has ended, in any runtime. Dropping it leaves the task alone.
///
/// # Panics
///
/// When it is polled after it has resolved.
impl<T> std::future::Future for Future<T> {
    type Output = Result<T, TaskError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.cell.is_ready() || !self.cell.set_waker(context.waker()) {
            return Poll::Ready(self.take());
        }
        Poll::Pending
    }
}

impl<T> Waitable for Future<T> {
    fn is_ready(&self) -> bool {
        self.cell.is_ready()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.cell.prepare(sleep);
    }
}

/// Why [`Future::result_timeout`] returned no result.
#[derive(Error)]
pub enum ResultTimeoutError<T> {
    /// The task has not ended.
    #[error("timed out waiting for the result of a task")]
    TimedOut(Future<T>),
    /// The task has no result.
    #[error(transparent)]
    Failed(TaskError),
}

/// The result may not be printable.
impl<T> fmt::Debug for ResultTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
