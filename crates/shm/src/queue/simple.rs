//! The queue with nothing to choose.

use brigade_codec::Message;

use super::ordered::{OrderedQueue, Values};
use crate::error::Error;
use crate::shelf::{Discipline, Label, Patience, Taking};

/// A queue, first in first out, in which as many values wait as there is memory for: no put ever
/// waits for room.
///
/// See [`OrderedQueue`] for what it can do, and for what the death of a process leaves. A
/// [`Queue`](super::Queue) has a bound and is faster.
///
/// # Examples
///
/// ```
/// use brigade_shm::SimpleQueue;
///
/// let queue = SimpleQueue::new()?;
/// for n in 0..10_000 {
///     queue.put(n)?;
/// }
/// assert_eq!(queue.get()?, 0);
/// assert!(!queue.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type SimpleQueue<T> = OrderedQueue<T, Simple>;

/// First what was put first, and no more to it.
#[derive(Debug)]
pub struct Simple(());

impl Discipline for Simple {
    type Rank = u64;

    const SHAPE: u32 = 5;
    const NAME: &'static str = "SimpleQueue";
    const TAKING: Taking = Taking::ForGood;
    const END: Patience = Patience::Empty;

    fn rank(label: &Label<'_>) -> u64 {
        label.arrival
    }
}

impl Values for Simple {}

impl<T: Message> OrderedQueue<T, Simple> {
    /// Creates a queue.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory.
    pub fn new() -> Result<Self, Error> {
        Self::unbounded()
    }
}
