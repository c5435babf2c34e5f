//! What travels between the pool and its workers.

use brigade_process::call::Task;
use brigade_shm::Queue;
use brigade_shm::transit::Packed;
use serde::{Deserialize, Serialize};

use crate::table::{TaskId, WorkerId};

/// What a worker is given when it starts.
#[derive(Serialize, Deserialize)]
pub(crate) struct Desk {
    pub(crate) worker: WorkerId,
    /// The worker's own queue of tasks. The pool may take back what is still in it.
    pub(crate) orders: Queue<Order>,
    /// The one queue into which all workers report.
    pub(crate) reports: Queue<Report>,
    /// What runs before the first task.
    pub(crate) initializer: Option<(Task, Packed)>,
}

/// A task for a worker.
#[derive(Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: TaskId,
    pub(crate) task: Task,
    pub(crate) argument: Packed,
}

/// What a worker says.
#[derive(Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) worker: WorkerId,
    pub(crate) news: News,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum News {
    /// The initializer has run.
    Ready,
    /// The initializer has failed; the worker exits.
    NotReady(String),
    /// A task has ended.
    Done { task: TaskId, reply: Reply },
}

/// How a task ended in its worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// With an encoded result.
    Value(Packed),
    /// With a panic.
    Panicked(String),
    /// The argument could not be read.
    Argument(String),
    /// The result could not be encoded or sent.
    Result(String),
    /// The function is not one of this program.
    Function(String),
}
