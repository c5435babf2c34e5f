//! The ends of a queue: whoever holds one keeps the queue from ending.

use std::fmt;

use brigade_sys::wait::{Sleep, Waitable};
use serde::{Deserialize, Serialize};

use super::fifo::Queue;
use crate::channel::Endpoint;

/// The right to put into a [`Queue`] that ends without it.
///
/// Derefs to the queue. Travels like the queue does: while it is under way it counts.
///
/// # Process death
///
/// A producer whose process has died is gone: it no longer keeps the queue from ending.
///
/// # Examples
///
/// ```
/// use brigade_shm::{GetError, Queue};
///
/// let queue = Queue::bounded(4)?;
/// let producer = queue.producer()?;
/// producer.put(1)?;
/// drop(producer);
/// assert_eq!(queue.get()?, 1);
/// assert!(matches!(queue.get(), Err(GetError::Closed)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Producer<T> {
    pub(super) queue: Queue<T>,
    #[serde(serialize_with = "Endpoint::serialize", deserialize_with = "Endpoint::deserialize")]
    pub(super) endpoint: Endpoint,
}

/// The right to get from a [`Queue`] that refuses puts without it.
///
/// Derefs to the queue. Travels like the queue does: while it is under way it counts.
///
/// # Process death
///
/// A consumer whose process has died is gone: producers no longer put for it.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Consumer<T> {
    pub(super) queue: Queue<T>,
    #[serde(serialize_with = "Endpoint::serialize", deserialize_with = "Endpoint::deserialize")]
    pub(super) endpoint: Endpoint,
}

impl<T> std::ops::Deref for Producer<T> {
    type Target = Queue<T>;

    fn deref(&self) -> &Queue<T> {
        &self.queue
    }
}

impl<T> std::ops::Deref for Consumer<T> {
    type Target = Queue<T>;

    fn deref(&self) -> &Queue<T> {
        &self.queue
    }
}

impl<T> Clone for Producer<T> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), endpoint: self.endpoint.clone() }
    }
}

impl<T> Clone for Consumer<T> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), endpoint: self.endpoint.clone() }
    }
}

impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Producer").field(&self.queue).finish()
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Consumer").field(&self.queue).finish()
    }
}

impl<T> Waitable for Consumer<T> {
    fn is_ready(&self) -> bool {
        self.queue.is_ready()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.queue.prepare(sleep);
    }
}
