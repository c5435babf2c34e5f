//! Waiting for any of several things.

use std::time::Duration;

use brigade_sys::time::Deadline;
use brigade_sys::wait::Waitable;

/// Waits until at least one of `objects` is ready, and returns the indexes of all that are.
///
/// Queues, pipes, events, semaphores, sockets and processes can be waited for in any mix. A queue
/// or connection is ready when something can be taken from it or it has ended, an event when it is
/// set, a semaphore when a permit is free, a process when it has ended.
///
/// # Process death
///
/// Never outlives the death of what it waits for: a pipe whose other end was killed is ready.
///
/// # Examples
///
/// ```
/// use brigade::{Event, Queue, wait};
///
/// let (queue, event) = (Queue::bounded(1)?, Event::new()?);
/// queue.put(7)?;
/// assert_eq!(wait(&[&event, &queue]), [1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn wait(objects: &[&dyn Waitable]) -> Vec<usize> {
    brigade_sys::wait::wait(objects, Deadline::NEVER)
}

/// Waits as [`wait`] does, at most for `timeout`; returns nothing when that has passed.
#[doc(alias = "wait(timeout)")]
pub fn wait_timeout(objects: &[&dyn Waitable], timeout: Duration) -> Vec<usize> {
    brigade_sys::wait::wait(objects, Deadline::after(timeout))
}

/// Waits as [`wait`] does, without a thread of its own.
///
/// # Cancellation
///
/// Dropping the future takes nothing from anybody.
///
/// # Examples
///
/// ```
/// use brigade::{Event, Queue, block_on, wait_async};
///
/// let (queue, event) = (Queue::<u32>::bounded(1)?, Event::new()?);
/// event.set();
/// let ready = block_on(wait_async(vec![Box::new(queue), Box::new(event)]));
/// assert_eq!(ready, [1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn wait_async(objects: Vec<Box<dyn Waitable + Send + Sync>>) -> Vec<usize> {
    brigade_sys::reactor::ready_any(objects).await
}
