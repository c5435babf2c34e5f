//! Queues that give their values in an order of their own, or want an answer for them.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use brigade_codec::{DecodeError, EncodeError, Message, decode, encode_into};
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Sleep, Waitable};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::endpoint::{Consumer, Producer};
use super::error::{
    GetError, GetFailure, GetTimeoutError, PutError, PutTimeoutError, TryGetError, TryPutError,
};
use super::refusal::{Missed, Refusal};
use crate::arena::block::Kind;
use crate::error::Error;
use crate::handle::Handle;
use crate::shelf::{Answer, Discipline, Draft, Letter, Shelf, Taking};
use crate::sides::Side;
use crate::transit;

/// A queue whose order and rules are `O`'s. Use it by its names: [`LifoQueue`], [`PriorityQueue`],
/// [`DelayQueue`], [`JoinableQueue`], [`LeasedQueue`], [`SimpleQueue`].
///
/// When [`put`](Self::put) returns, the value is in shared memory: it is there for whoever asks
/// next, and stays when the producer exits or is killed.
///
/// A queue ends when it is [closed](Self::close), or when it had [producers](Self::producer) and
/// all of them are gone or dead: then consumers get what is left, and after it the end.
///
/// # Process death
///
/// A process killed while it puts has put the value or has not; one killed while it gets has taken
/// the value or has not. What it had taken is gone with it, unless it was to answer for it: then
/// others get it. Nobody waits for the dead.
///
/// [`LifoQueue`]: super::LifoQueue
/// [`PriorityQueue`]: super::PriorityQueue
/// [`DelayQueue`]: super::DelayQueue
/// [`JoinableQueue`]: super::JoinableQueue
/// [`LeasedQueue`]: super::LeasedQueue
/// [`SimpleQueue`]: super::SimpleQueue
pub struct OrderedQueue<T, O> {
    pub(super) shelf: Shelf,
    values: PhantomData<fn(O, T) -> T>,
}

/// The order and the rules of an [`OrderedQueue`]. The markers that its names stand for implement
/// it, and no others.
pub trait Order<T>: Discipline + 'static {
    /// What is put and taken: the value, or the value and what it is ordered by.
    type Item;

    /// Appends an item to `bytes`, its key first, and returns how many of them are the key.
    #[doc(hidden)]
    fn encode(item: &Self::Item, bytes: &mut Vec<u8>) -> Result<usize, EncodeError>;

    /// Reads an item.
    #[doc(hidden)]
    fn decode(key: &[u8], value: &[u8]) -> Result<Self::Item, DecodeError>;
}

/// The orders in which the value itself plays no part.
pub trait Values: Discipline + 'static {}

impl<T: Message, D: Values> Order<T> for D {
    type Item = T;

    fn encode(value: &T, bytes: &mut Vec<u8>) -> Result<usize, EncodeError> {
        encode_into(value, bytes)?;
        Ok(0)
    }

    fn decode(_: &[u8], value: &[u8]) -> Result<T, DecodeError> {
        decode(value)
    }
}

/// How long an operation may take.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wait {
    /// As long as others that are at it.
    Not,
    Until(Deadline),
}

impl<T, O> Clone for OrderedQueue<T, O> {
    /// Returns another handle of the same queue.
    fn clone(&self) -> Self {
        Self { shelf: self.shelf.clone(), values: PhantomData }
    }
}

impl<T, O: Order<T>> fmt::Debug for OrderedQueue<T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(O::NAME).field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T, O: Order<T>> OrderedQueue<T, O> {
    /// Creates a queue in which at most `capacity` values wait.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a capacity of zero; otherwise fails when there is no memory.
    #[doc(alias = "Queue(maxsize)")]
    pub fn bounded(capacity: usize) -> Result<Self, Error> {
        if capacity == 0 {
            let expectation = "its capacity is at least 1";
            return Err(Error::Invalid { kind: "queue", expectation });
        }
        Ok(Self { shelf: Shelf::new(capacity, O::SHAPE)?, values: PhantomData })
    }

    /// Creates a queue in which as many values wait as there is memory for.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory.
    pub fn unbounded() -> Result<Self, Error> {
        Self::bounded(usize::MAX)
    }

    /// Registers the caller as a producer: the queue ends when the last one is gone or dead.
    ///
    /// # Errors
    ///
    /// Fails when the queue's memory is corrupt.
    pub fn producer(&self) -> Result<Producer<T, Self>, Error> {
        Ok(Producer::new(self.clone(), self.shelf.sides().enter(Side::Sending)?))
    }

    /// Registers the caller as a consumer: puts are refused when the last one is gone or dead.
    ///
    /// # Errors
    ///
    /// Fails when the queue's memory is corrupt.
    pub fn consumer(&self) -> Result<Consumer<T, Self>, Error> {
        Ok(Consumer::new(self.clone(), self.shelf.sides().enter(Side::Receiving)?))
    }

    /// Ends the queue: puts are refused from now on, and gets when it is empty.
    ///
    /// # Process death
    ///
    /// The end comes by one store: a process killed in here has ended the queue or has not.
    #[doc(alias = "shutdown")]
    pub fn close(&self) {
        self.shelf.close();
    }

    /// Ends the queue at once: what waits is destroyed, and puts and gets are refused from now on.
    /// Also one that was [closed](Self::close) before.
    ///
    /// A put or a get that is under way may still succeed. Who has taken a value that it must
    /// answer for still does.
    ///
    /// # Process death
    ///
    /// A process killed in here has ended the queue, has [closed](Self::close) it, or has not. If
    /// the values are not freed yet, then they are by the next who uses the queue.
    #[doc(alias = "shutdown(immediate=True)")]
    pub fn shutdown_now(&self) {
        self.shelf.discard::<O>();
    }

    /// Whether the queue was [closed](Self::close) or [shut down](Self::shutdown_now).
    pub fn is_closed(&self) -> bool {
        self.shelf.is_closed()
    }

    /// How many values wait in the queue now.
    #[doc(alias = "qsize")]
    pub fn len(&self) -> usize {
        self.shelf.len::<O>()
    }

    /// Whether no value waits in the queue now.
    #[doc(alias = "empty")]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the queue is full now.
    #[doc(alias = "full")]
    pub fn is_full(&self) -> bool {
        self.len() >= self.capacity()
    }

    /// How many values can wait in the queue; `usize::MAX` if there is no bound.
    #[doc(alias = "maxsize")]
    pub fn capacity(&self) -> usize {
        self.shelf.capacity()
    }

    /// Puts a value, blocking while the queue is full.
    ///
    /// # Errors
    ///
    /// [`PutError`], with the value.
    pub fn put(&self, item: O::Item) -> Result<(), PutError<O::Item>> {
        self.put_due(&item, 0, Wait::Until(Deadline::NEVER)).map_err(|why| why.for_put(item))
    }

    /// Puts a value if there is room.
    ///
    /// Waits for nobody but a process that is inside the queue at this moment, and for at most a
    /// fifth of a second: one that was stopped there makes the queue look full.
    ///
    /// # Errors
    ///
    /// [`TryPutError`], with the value.
    #[doc(alias = "put_nowait")]
    pub fn try_put(&self, item: O::Item) -> Result<(), TryPutError<O::Item>> {
        self.put_due(&item, 0, Wait::Not).map_err(|why| why.for_try_put(item))
    }

    /// Puts a value, blocking at most for `timeout` while the queue is full.
    ///
    /// # Errors
    ///
    /// [`PutTimeoutError`], with the value.
    #[doc(alias = "put(timeout)")]
    pub fn put_timeout(
        &self,
        item: O::Item,
        timeout: Duration,
    ) -> Result<(), PutTimeoutError<O::Item>> {
        let wait = Wait::Until(Deadline::after(timeout));
        self.put_due(&item, 0, wait).map_err(|why| why.for_put_timeout(item))
    }

    /// Takes the first value, blocking until there is one.
    ///
    /// # Errors
    ///
    /// [`GetError::Closed`] at the end of the queue.
    pub fn get(&self) -> Result<O::Item, GetError> {
        Ok(self.take(Wait::Until(Deadline::NEVER))?)
    }

    /// Takes the first value if there is one.
    ///
    /// Waits for nobody but a process that is inside the queue at this moment, and for at most a
    /// fifth of a second: one that was stopped there makes the queue look empty.
    ///
    /// # Errors
    ///
    /// [`TryGetError::Empty`] when there is none yet, [`TryGetError::Closed`] at the end.
    #[doc(alias = "get_nowait")]
    pub fn try_get(&self) -> Result<O::Item, TryGetError> {
        Ok(self.take(Wait::Not)?)
    }

    /// Takes the first value, blocking at most for `timeout`.
    ///
    /// # Errors
    ///
    /// [`GetTimeoutError::TimedOut`] when there is none in time, [`GetTimeoutError::Closed`] at
    /// the end.
    #[doc(alias = "get(timeout)")]
    pub fn get_timeout(&self, timeout: Duration) -> Result<O::Item, GetTimeoutError> {
        Ok(self.take(Wait::Until(Deadline::after(timeout)))?)
    }

    /// Takes values until the queue ends.
    ///
    /// The iterator also ends at a value that cannot be read; [`get`](Self::get) tells the two
    /// apart.
    pub fn iter(&self) -> impl Iterator<Item = O::Item> {
        std::iter::from_fn(|| self.get().ok())
    }

    /// What is ready when there is room.
    pub(crate) fn room(&self) -> Room {
        Room(self.shelf.clone())
    }

    /// What is ready when there is something to take, or the end.
    pub(crate) fn items(&self) -> impl Waitable + Send + Sync + 'static {
        Items::<O>(self.shelf.clone(), PhantomData)
    }

    /// Puts an item that may be taken from `due` on.
    pub(super) fn put_due(&self, item: &O::Item, due: u64, wait: Wait) -> Result<(), Refusal> {
        let mut bytes = Vec::new();
        let (key, contents) = transit::gather(|| O::encode(item, &mut bytes));
        let draft = Draft { bytes: &bytes, contents: &contents, key: key?, due };
        match wait {
            Wait::Not => self.shelf.try_put::<O>(&draft)?,
            Wait::Until(deadline) => self.shelf.put::<O>(&draft, deadline)?,
        }
        Ok(())
    }

    fn take(&self, wait: Wait) -> Result<O::Item, Missed> {
        let taken = match wait {
            Wait::Not => self.shelf.try_take::<O>(O::TAKING)?,
            Wait::Until(deadline) => self.shelf.take::<O>(O::TAKING, deadline)?,
        };
        read::<T, O>(taken.letter).map_err(|failure| {
            if O::TAKING == Taking::OnTrust {
                // Nobody could do anything with it.
                let _ = self.shelf.answer::<O>(taken.ticket, Answer::Done);
            }
            Missed::Failed(failure)
        })
    }
}

/// The item that a message holds.
pub(super) fn read<T, O: Order<T>>(letter: Letter) -> Result<O::Item, GetFailure> {
    letter.read(|key, value| O::decode(key, value).map_err(GetFailure::Decode))
}

/// A shelf as one waits for room in it.
pub(crate) struct Room(Shelf);

impl Waitable for Room {
    fn is_ready(&self) -> bool {
        self.0.may_put()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.0.prepare_put(sleep);
    }
}

/// A shelf as one waits for an item of it.
struct Items<D>(Shelf, PhantomData<fn(D)>);

impl<D: Discipline + 'static> Waitable for Items<D> {
    fn is_ready(&self) -> bool {
        self.0.can_take::<D>()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.0.prepare_take(sleep);
    }
}

impl<T, O: Order<T>> Waitable for OrderedQueue<T, O> {
    fn is_ready(&self) -> bool {
        self.shelf.can_take::<O>()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.shelf.prepare_take(sleep);
    }
}

impl<T, O> Serialize for OrderedQueue<T, O> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.shelf.handle().serialize(serializer)
    }
}

impl<'de, T, O: Order<T>> Deserialize<'de> for OrderedQueue<T, O> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let handle = Handle::deserialize(deserializer, Kind::Shelf, O::SHAPE)?;
        let shelf = Shelf::open(handle).map_err(serde::de::Error::custom)?;
        Ok(Self { shelf, values: PhantomData })
    }
}

#[cfg(test)]
#[path = "ordered_tests.rs"]
mod tests;
