//! Why a task has no result, or a pool no workers.

use std::fmt;
use std::sync::Arc;

use brigade_codec::EncodeError;
use brigade_process::call::TaskError as FunctionError;
use brigade_process::{ExitStatus, StartError};
use thiserror::Error;

/// Why a task has no result.
///
/// Each future has an error of its own: when several fail for one reason, each says so.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum TaskError {
    /// The function panicked.
    #[error("the task panicked: {message}")]
    Panicked {
        /// What it said.
        message: String,
    },
    /// The worker ended while it ran the task: killed, aborted, out of memory, or because the task
    /// called `exit`.
    #[error("the worker with pid {pid} died while it ran the task: {status}")]
    WorkerDied {
        /// The worker's number.
        pid: i32,
        /// How it ended.
        status: ExitStatus,
    },
    /// The worker could not read the argument, or it could not be handed to one.
    #[error("cannot hand the argument to a worker: {reason}")]
    Argument {
        /// What is wrong.
        reason: String,
    },
    /// The result could not be encoded, sent, or read here.
    #[error("cannot hand the result back: {reason}")]
    Result {
        /// What is wrong.
        reason: String,
    },
    /// The task was not accepted. Only where many are submitted at once, by a map for example.
    #[error(transparent)]
    Refused(Refusal),
    /// The task was cancelled before it began.
    #[error("the task was cancelled")]
    #[doc(alias = "CancelledError")]
    Cancelled,
    /// The pool was terminated before the task had ended.
    #[error("the pool was terminated before the task had ended")]
    Terminated,
    /// The time for all tasks together was over before the task had ended.
    #[error("the time was over before the task had ended")]
    TimedOut,
    /// The pool broke before the task had ended.
    #[error(transparent)]
    Broken(Broken),
}

/// A pool that has no workers and gets none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the pool is broken: {reason}")]
#[doc(alias = "BrokenProcessPool")]
pub struct Broken {
    /// What happened last.
    pub reason: String,
}

/// Why a task was not accepted.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The pool was shut down.
    #[error("cannot submit a task: the pool was shut down")]
    Closed,
    /// The pool has no workers and gets none.
    #[error("cannot submit a task: {0}")]
    Broken(Broken),
    /// The argument could not be encoded.
    #[error("cannot submit a task: {0}")]
    Encode(Arc<EncodeError>),
    /// The function is not part of the main program.
    #[error("cannot submit a task: {0}")]
    Function(FunctionError),
    /// The pool belongs to the process of which this one is a copy.
    #[error("cannot submit a task: the pool belongs to process {owner}, and this is another")]
    OtherProcess {
        /// The process that made the pool.
        owner: u32,
    },
}

/// A task that was not accepted, with its argument.
#[derive(Clone, Error)]
#[error("{reason}")]
pub struct SubmitError<A> {
    /// The argument.
    pub argument: A,
    /// Why.
    pub reason: Refusal,
}

/// The argument may not be printable.
impl<A> fmt::Debug for SubmitError<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmitError").field("reason", &self.reason).finish_non_exhaustive()
    }
}

/// Why a pool was not built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A number is zero.
    #[error("cannot build a pool: {0} must be at least 1")]
    Zero(&'static str),
    /// Workers cannot be started by fork.
    #[error(
        "cannot build a pool by fork: a pool has threads, and a fork copies only one; \
         use spawn or the fork server"
    )]
    Fork,
    /// The initializer is not part of the main program.
    #[error("cannot build a pool: {0}")]
    Function(#[from] FunctionError),
    /// The initializer's argument could not be encoded.
    #[error("cannot build a pool: {0}")]
    Encode(#[from] EncodeError),
    /// A worker could not be started.
    #[error("cannot build a pool: {0}")]
    Start(#[from] StartError),
    /// Shared memory failed.
    #[error("cannot build a pool: {0}")]
    Memory(#[from] brigade_shm::Error),
    /// A thread could not be started, or the system refused otherwise.
    #[error("cannot build a pool: {0}")]
    System(#[from] std::io::Error),
}
