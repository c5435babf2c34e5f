//! What travels between the pool and its workers.

use std::fmt;

use brigade_process::call::Task;
use brigade_shm::Queue;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
    pub(crate) initializer: Option<(Task, Bytes)>,
}

/// A task for a worker.
#[derive(Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: TaskId,
    pub(crate) task: Task,
    pub(crate) argument: Bytes,
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
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// With an encoded result.
    Value(Bytes),
    /// With a panic.
    Panicked(String),
    /// The argument could not be read.
    Argument(String),
    /// The result could not be encoded or sent.
    Result(String),
    /// The function is not one of this program.
    Function(String),
}

/// Bytes that are encoded as bytes, not one by one.
#[derive(Clone, Default)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BytesVisitor;

        impl Visitor<'_> for BytesVisitor {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }

            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
                Ok(Bytes(bytes))
            }
        }

        deserializer.deserialize_byte_buf(BytesVisitor)
    }
}
