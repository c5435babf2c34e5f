//! The ends of a queue: whoever holds one keeps the queue from ending.

use std::fmt;
use std::marker::PhantomData;

use brigade_sys::wait::{Sleep, Waitable};
use serde::{Deserialize, Serialize};

use super::fifo::Queue;
use crate::sides::Endpoint;

/// The right to put into a queue that ends without it: a [`Queue`], or one of type `Q`.
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
#[serde(bound(serialize = "Q: Serialize", deserialize = "Q: Deserialize<'de>"))]
pub struct Producer<T, Q = Queue<T>> {
    queue: Q,
    #[serde(serialize_with = "Endpoint::serialize", deserialize_with = "Endpoint::deserialize")]
    endpoint: Endpoint,
    values: PhantomData<fn(T)>,
}

/// The right to get from a queue that refuses puts without it: a [`Queue`], or one of type `Q`.
///
/// Derefs to the queue. Travels like the queue does: while it is under way it counts.
///
/// # Process death
///
/// A consumer whose process has died is gone: producers no longer put for it.
#[derive(Serialize, Deserialize)]
#[serde(bound(serialize = "Q: Serialize", deserialize = "Q: Deserialize<'de>"))]
pub struct Consumer<T, Q = Queue<T>> {
    queue: Q,
    #[serde(serialize_with = "Endpoint::serialize", deserialize_with = "Endpoint::deserialize")]
    endpoint: Endpoint,
    values: PhantomData<fn() -> T>,
}

impl<T, Q> Producer<T, Q> {
    pub(super) fn new(queue: Q, endpoint: Endpoint) -> Self {
        Self { queue, endpoint, values: PhantomData }
    }
}

impl<T, Q> Consumer<T, Q> {
    pub(super) fn new(queue: Q, endpoint: Endpoint) -> Self {
        Self { queue, endpoint, values: PhantomData }
    }
}

impl<T, Q> std::ops::Deref for Producer<T, Q> {
    type Target = Q;

    fn deref(&self) -> &Q {
        &self.queue
    }
}

impl<T, Q> std::ops::Deref for Consumer<T, Q> {
    type Target = Q;

    fn deref(&self) -> &Q {
        &self.queue
    }
}

impl<T, Q: Clone> Clone for Producer<T, Q> {
    fn clone(&self) -> Self {
        Self::new(self.queue.clone(), self.endpoint.clone())
    }
}

impl<T, Q: Clone> Clone for Consumer<T, Q> {
    fn clone(&self) -> Self {
        Self::new(self.queue.clone(), self.endpoint.clone())
    }
}

impl<T, Q: fmt::Debug> fmt::Debug for Producer<T, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Producer").field(&self.queue).finish()
    }
}

impl<T, Q: fmt::Debug> fmt::Debug for Consumer<T, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Consumer").field(&self.queue).finish()
    }
}

impl<T, Q: Waitable> Waitable for Consumer<T, Q> {
    fn is_ready(&self) -> bool {
        self.queue.is_ready()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.queue.prepare(sleep);
    }
}
