//! A task as the pool keeps it: what it needs to run, and where its result goes.

use std::sync::Arc;

use brigade_codec::{Message, decode};
use brigade_process::ExitStatus;
use brigade_process::call::Task;
use brigade_shm::transit::Packed;

use crate::cell::{Cell, isolated};
use crate::error::{Broken, TaskError};
use crate::letter::Reply;

/// A task that is not settled.
pub(crate) struct Job {
    pub(crate) task: Task,
    /// The argument, while it is here. It is not when a worker has it, unless the task may be
    /// retried.
    pub(crate) argument: Option<Packed>,
    pub(crate) sink: Arc<dyn Sink>,
}

/// How a task ended, before it is known to anyone.
#[derive(Debug)]
pub(crate) enum Outcome {
    Reported(Reply),
    Lost { pid: i32, status: ExitStatus },
    Undeliverable(String),
    Cancelled,
    Terminated,
    Broken(Broken),
}

/// Where the outcome of a task goes.
pub(crate) trait Sink: Send + Sync {
    fn settle(&self, outcome: Outcome);
}

impl<T: Message + Send> Sink for Cell<T> {
    fn settle(&self, outcome: Outcome) {
        self.complete(match outcome {
            Outcome::Reported(reply) => read(reply),
            Outcome::Lost { pid, status } => Err(TaskError::WorkerDied { pid, status }),
            Outcome::Undeliverable(reason) => Err(TaskError::Argument { reason }),
            Outcome::Cancelled => Err(TaskError::Cancelled),
            Outcome::Terminated => Err(TaskError::Terminated),
            Outcome::Broken(broken) => Err(TaskError::Broken(broken)),
        });
    }
}

fn read<T: Message>(reply: Reply) -> Result<T, TaskError> {
    match reply {
        Reply::Value(packed) => match isolated(|| packed.read(|bytes| decode(bytes))) {
            Some(decoded) => {
                decoded.map_err(|error| TaskError::Result { reason: error.to_string() })
            }
            None => Err(TaskError::Result { reason: "reading it panicked".to_owned() }),
        },
        Reply::Panicked(message) => Err(TaskError::Panicked { message }),
        Reply::Argument(reason) | Reply::Function(reason) => Err(TaskError::Argument { reason }),
        Reply::Result(reason) => Err(TaskError::Result { reason }),
    }
}
