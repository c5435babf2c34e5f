//! The queue that gives first what has the least key.

use std::marker::PhantomData;

use brigade_codec::{DecodeError, EncodeError, Message, decode, encode_into};

use super::leased::Lends;
use super::ordered::{Order, OrderedQueue};
use crate::shelf::{Discipline, Label, Patience, Taking};
use crate::transit;

/// A queue of values with keys that gives first what has the least key, and of those with equal
/// keys what was put first.
///
/// An item is a pair: its key and its value. Any type that has an order can be a key; keys that
/// take at most 72 bytes are compared fastest.
///
/// See [`OrderedQueue`] for what it can do, and for what the death of a process leaves.
///
/// # Deadlock
///
/// Keys are compared while the queue is locked: a comparison that uses the same queue waits for
/// ever.
///
/// # Examples
///
/// ```
/// use brigade_shm::PriorityQueue;
///
/// let patients = PriorityQueue::bounded(10)?;
/// patients.put((3, "sprain".to_owned()))?;
/// patients.put((1, "heart".to_owned()))?;
/// patients.put((3, "bruise".to_owned()))?;
/// assert_eq!(patients.get()?, (1, "heart".to_owned()));
/// assert_eq!(patients.get()?, (3, "sprain".to_owned()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The greatest first:
///
/// ```
/// use std::cmp::Reverse;
///
/// use brigade_shm::PriorityQueue;
///
/// let bids = PriorityQueue::bounded(10)?;
/// bids.put((Reverse(10), "Ann".to_owned()))?;
/// bids.put((Reverse(30), "Bob".to_owned()))?;
/// assert_eq!(bids.get()?.1, "Bob");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type PriorityQueue<K, T> = OrderedQueue<T, ByKey<K>>;

/// First what has the least key.
#[derive(Debug)]
pub struct ByKey<K>(PhantomData<fn(K) -> K>);

impl<K: Ord + Message> Discipline for ByKey<K> {
    /// A key that cannot be read comes first, so that whoever takes the item is told.
    type Rank = (Option<K>, u64);

    const SHAPE: u32 = 2;
    const NAME: &'static str = "PriorityQueue";
    const TAKING: Taking = Taking::ForGood;
    const END: Patience = Patience::Answered;

    fn rank(label: &Label<'_>) -> (Option<K>, u64) {
        // The item stays what it is: a handle in its key is not taken out of it.
        (transit::inherit(|| decode(label.key)).ok(), label.arrival)
    }
}

impl<K: Ord + Message + 'static, T: Message> Order<T> for ByKey<K> {
    type Item = (K, T);

    fn encode((key, value): &(K, T), bytes: &mut Vec<u8>) -> Result<usize, EncodeError> {
        encode_into(key, bytes)?;
        let length = bytes.len();
        encode_into(value, bytes)?;
        Ok(length)
    }

    fn decode(key: &[u8], value: &[u8]) -> Result<(K, T), DecodeError> {
        Ok((decode(key)?, decode(value)?))
    }
}

impl<K: Ord + Message> Lends for ByKey<K> {}
