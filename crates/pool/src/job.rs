//! A task as the pool keeps it: what it needs to run, and where its result goes.

use std::sync::Arc;

use brigade_codec::{Bytes, EncodeError, Message, decode, encode};
use brigade_process::ExitStatus;
use brigade_process::call::Task;
use brigade_shm::transit::{self, Cargo};

use crate::cell::{Cell, isolated};
use crate::error::{Broken, TaskError};
use crate::letter::Reply;

/// An encoded value, and the handles of shared objects that travel with it.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) bytes: Bytes,
    pub(crate) cargo: Cargo,
}

impl Packed {
    pub(crate) fn of<A: Message>(value: &A) -> Result<Self, EncodeError> {
        let (bytes, cargo) = transit::collect(|| encode(value));
        Ok(Self { bytes: Bytes(bytes?), cargo })
    }
}

/// Encodes a value as often as it is asked to.
pub(crate) type Packer = Box<dyn Fn() -> Result<Packed, EncodeError> + Send + Sync>;

/// A task that is not settled.
pub(crate) struct Job {
    pub(crate) task: Task,
    /// Where the argument is.
    pub(crate) argument: Argument,
    /// Makes the argument again, if the task may be retried.
    pub(crate) again: Option<Packer>,
    /// Reads an argument that no worker will, so that the objects it carries are let go.
    pub(crate) discard: fn(&[u8]),
    pub(crate) sink: Arc<dyn Sink>,
}

/// Where a task's argument is.
pub(crate) enum Argument {
    /// Here, never sent.
    Packed(Packed),
    /// Here again: it was sent, and came back unread.
    Returned(Bytes),
    /// With a worker.
    Sent,
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Argument::Returned(bytes) = &self.argument {
            (self.discard)(&bytes.0);
        }
    }
}

/// Reads a value and drops it.
pub(crate) fn discard<A: Message>(bytes: &[u8]) {
    isolated(|| drop(decode::<A>(bytes)));
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
        Reply::Value(Bytes(bytes)) => match isolated(|| decode(&bytes)) {
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
