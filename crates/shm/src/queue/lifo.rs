//! The queue that gives first what was put last.

use std::cmp::Reverse;

use super::leased::Lends;
use super::ordered::{OrderedQueue, Values};
use crate::shelf::{Discipline, Label, Patience, Taking};

/// A queue that gives first what was put last: a stack.
///
/// See [`OrderedQueue`] for what it can do, and for what the death of a process leaves.
///
/// # Examples
///
/// ```
/// use brigade_shm::LifoQueue;
///
/// let plates = LifoQueue::bounded(10)?;
/// plates.put("white".to_owned())?;
/// plates.put("blue".to_owned())?;
/// assert_eq!(plates.get()?, "blue");
/// assert_eq!(plates.get()?, "white");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type LifoQueue<T> = OrderedQueue<T, Lifo>;

/// First what was put last.
#[derive(Debug)]
pub struct Lifo(());

impl Discipline for Lifo {
    type Rank = Reverse<u64>;

    const SHAPE: u32 = 1;
    const NAME: &'static str = "LifoQueue";
    const TAKING: Taking = Taking::ForGood;
    const END: Patience = Patience::Answered;

    fn rank(label: &Label<'_>) -> Reverse<u64> {
        Reverse(label.arrival)
    }
}

impl Values for Lifo {}

impl Lends for Lifo {}
