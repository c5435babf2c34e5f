//! The queue that gives first what was put first.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use brigade_codec::{Message, decode, encode, encode_into};
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Sleep, Waitable};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::endpoint::{Consumer, Producer};
use super::error::{
    GetError, GetFailure, GetTimeoutError, PutError, PutTimeoutError, TryGetError, TryPutError,
};
use super::refusal::{Missed, Refusal};
use crate::arena::block::Kind;
use crate::channel::{Channel, GetRefusal, PutRefusal};
use crate::error::Error;
use crate::handle::Handle;
use crate::message::{self, Opened};
use crate::sides::Side;
use crate::spare;
use crate::transit::{self, Contents};

/// The ring of a queue has this many bytes for each message it can hold, within the limits below.
/// Messages that do not fit get a block of their own.
const BYTES_PER_MESSAGE: usize = 128;
const MIN_BYTES: usize = 1 << 12;
const MAX_BYTES: usize = 1 << 22;

/// A bounded queue of values, shared by threads and processes.
///
/// When [`put`](Self::put) returns, the value is in shared memory: it is there for whoever asks
/// next, and stays when the producer exits or is killed. The order is the order of the puts.
///
/// A queue ends when it is [closed](Self::close), or when it had [producers](Self::producer) and
/// all of them are gone or dead: then consumers get what is left, and after it the end.
///
/// # Process death
///
/// A process killed while it puts has put the value or has not; one killed while it gets has taken
/// the value or has not, and what it had taken is gone with it. Nobody waits for the dead. A value
/// in the queue keeps the objects whose handles it has; they are let go with the value, whether it
/// is taken, is destroyed with the queue, or goes with the process that was putting or taking it.
///
/// Two things the queue cannot let go: an object of another program's arena whose handle is in a
/// value that nobody takes, and itself, if a value that nobody takes has a handle of it.
///
/// # Examples
///
/// ```
/// use brigade_shm::Queue;
///
/// let queue = Queue::bounded(10)?;
/// queue.put(("six".to_owned(), 6))?;
/// queue.put(("seven".to_owned(), 7))?;
/// assert_eq!(queue.len(), 2);
/// assert_eq!(queue.get()?, ("six".to_owned(), 6));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Queue<T> {
    pub(super) channel: Channel,
    values: PhantomData<fn(T) -> T>,
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self { channel: self.channel.clone(), values: PhantomData }
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("len", &self.channel.len())
            .field("capacity", &self.channel.capacity())
            .finish_non_exhaustive()
    }
}

impl<T> Queue<T> {
    /// Creates a queue that holds at most `capacity` values, between 1 and 16,777,216.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for another capacity; otherwise fails when there is no memory.
    #[doc(alias = "Queue(maxsize)")]
    pub fn bounded(capacity: usize) -> Result<Self, Error> {
        let bytes = capacity.saturating_mul(BYTES_PER_MESSAGE).clamp(MIN_BYTES, MAX_BYTES);
        Self::with_ring(capacity, bytes)
    }

    /// Creates a queue whose ring has at least `bytes` bytes: messages of up to a quarter of that
    /// are passed without an allocation.
    ///
    /// # Errors
    ///
    /// As for [`bounded`](Self::bounded), and [`Error::Invalid`] for a ring of over 4 GiB.
    pub fn with_ring(capacity: usize, bytes: usize) -> Result<Self, Error> {
        Ok(Self { channel: Channel::new(capacity, bytes)?, values: PhantomData })
    }

    /// Registers the caller as a producer: the queue ends when the last one is gone or dead.
    ///
    /// # Errors
    ///
    /// Fails when the queue's memory is corrupt.
    pub fn producer(&self) -> Result<Producer<T>, Error> {
        Ok(Producer::new(self.clone(), self.channel.sides().enter(Side::Sending)?))
    }

    /// Registers the caller as a consumer: puts are refused when the last one is gone or dead.
    ///
    /// # Errors
    ///
    /// Fails when the queue's memory is corrupt.
    pub fn consumer(&self) -> Result<Consumer<T>, Error> {
        Ok(Consumer::new(self.clone(), self.channel.sides().enter(Side::Receiving)?))
    }

    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Ends the queue: puts are refused from now on, and gets when it is empty.
    ///
    /// # Process death
    ///
    /// The end comes by one store: a process killed in here has ended the queue or has not.
    #[doc(alias = "shutdown")]
    pub fn close(&self) {
        self.channel.close();
    }

    /// Ends the queue at once: what is in it is destroyed, and puts and gets are refused from now
    /// on. Also one that was [closed](Self::close) before.
    ///
    /// A put or a get that is under way may still succeed.
    ///
    /// # Process death
    ///
    /// As for [`close`](Self::close). What the destroyed values kept is let go by this call; if its
    /// process is killed before it has, then by the next who uses the queue, or at its burial.
    ///
    /// # Examples
    ///
    /// ```
    /// use brigade_shm::{GetError, Queue};
    ///
    /// let queue = Queue::bounded(2)?;
    /// queue.put(1)?;
    /// queue.shutdown_now();
    /// assert!(matches!(queue.get(), Err(GetError::Closed)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "shutdown(immediate=True)")]
    pub fn shutdown_now(&self) {
        self.channel.shut();
    }

    /// Whether the queue was [closed](Self::close) or [shut down](Self::shutdown_now).
    pub fn is_closed(&self) -> bool {
        self.channel.is_closed()
    }

    /// How many values are in the queue now.
    #[doc(alias = "qsize")]
    pub fn len(&self) -> usize {
        self.channel.len()
    }

    /// Whether the queue is empty now.
    #[doc(alias = "empty")]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the queue is full now.
    #[doc(alias = "full")]
    pub fn is_full(&self) -> bool {
        self.len() >= self.capacity()
    }

    /// How many values the queue can hold.
    #[doc(alias = "maxsize")]
    pub fn capacity(&self) -> usize {
        self.channel.capacity()
    }
}

impl<T: Message> Queue<T> {
    /// Puts a value at the end, blocking while the queue is full.
    ///
    /// # Errors
    ///
    /// [`PutError`], with the value.
    pub fn put(&self, value: T) -> Result<(), PutError<T>> {
        self.put_until(&value, Deadline::NEVER).map_err(|why| why.for_put(value))
    }

    /// Puts a value at the end if there is room.
    ///
    /// Waits for nobody but a process that is inside the queue at this moment, and for at most a
    /// fifth of a second: one that was stopped there makes the queue look full.
    ///
    /// # Errors
    ///
    /// [`TryPutError`], with the value.
    #[doc(alias = "put_nowait")]
    pub fn try_put(&self, value: T) -> Result<(), TryPutError<T>> {
        let put = put(&value, |bytes, contents| self.channel.try_put(bytes, contents));
        put.map_err(|why| why.for_try_put(value))
    }

    /// Puts a value at the end, blocking at most for `timeout` while the queue is full.
    ///
    /// # Errors
    ///
    /// [`PutTimeoutError`], with the value.
    #[doc(alias = "put(timeout)")]
    pub fn put_timeout(&self, value: T, timeout: Duration) -> Result<(), PutTimeoutError<T>> {
        self.put_until(&value, Deadline::after(timeout)).map_err(|why| why.for_put_timeout(value))
    }

    /// Takes the first value, blocking until there is one.
    ///
    /// # Errors
    ///
    /// [`GetError::Closed`] at the end of the queue.
    pub fn get(&self) -> Result<T, GetError> {
        Ok(self.get_until(Deadline::NEVER)?)
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
    pub fn try_get(&self) -> Result<T, TryGetError> {
        Ok(get(|bytes| self.channel.try_get(bytes))?)
    }

    /// Takes the first value, blocking at most for `timeout`.
    ///
    /// # Errors
    ///
    /// [`GetTimeoutError::TimedOut`] when there is none in time, [`GetTimeoutError::Closed`] at
    /// the end.
    #[doc(alias = "get(timeout)")]
    pub fn get_timeout(&self, timeout: Duration) -> Result<T, GetTimeoutError> {
        Ok(self.get_until(Deadline::after(timeout))?)
    }

    /// Takes values until the queue ends.
    ///
    /// The iterator also ends at a value that cannot be read; [`get`](Self::get) tells the two
    /// apart.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        std::iter::from_fn(|| self.get().ok())
    }

    #[inline]
    fn put_until(&self, value: &T, deadline: Deadline) -> Result<(), Refusal> {
        put(value, |bytes, contents| self.channel.put(bytes, contents, deadline))
    }

    #[inline]
    fn get_until(&self, deadline: Deadline) -> Result<T, Missed> {
        get(|bytes| self.channel.get(deadline, bytes))
    }
}

/// Encodes a value, and gives it to `put` with what it carries.
#[inline]
fn put<T: Serialize>(
    value: &T,
    put: impl FnOnce(&[u8], &Contents) -> Result<(), PutRefusal>,
) -> Result<(), Refusal> {
    spare::with(|bytes| {
        bytes.clear();
        let (encoded, contents) = transit::gather(|| encode_into(value, bytes));
        encoded?;
        Ok(put(bytes, &contents)?)
    })
}

/// Decodes the value that `get` takes.
#[inline]
fn get<T: Message>(
    get: impl FnOnce(&mut Vec<u8>) -> Result<Opened, GetRefusal>,
) -> Result<T, Missed> {
    spare::with(|bytes| {
        let message = get(bytes)?;
        let value = message.read(bytes, |bytes| decode(bytes));
        value.map_err(|error| Missed::Failed(GetFailure::Decode(error)))
    })
}

/// A value's bytes, and the objects whose handles it has.
pub(super) fn message<T: Serialize>(value: &T) -> Result<(Vec<u8>, Contents), Refusal> {
    let (bytes, contents) = transit::gather(|| encode(value));
    Ok((bytes?, contents))
}

/// The value that a message holds.
pub(super) fn value<T: Message>(got: Result<message::Message, GetRefusal>) -> Result<T, Missed> {
    got?.read(|bytes| decode(bytes)).map_err(|error| Missed::Failed(GetFailure::Decode(error)))
}

impl<T> Waitable for Queue<T> {
    fn is_ready(&self) -> bool {
        self.channel.may_get()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.channel.prepare_get(sleep);
    }
}

impl<T> Serialize for Queue<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.channel.handle().serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Queue<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let handle = Handle::deserialize(deserializer, Kind::Channel, 0)?;
        let channel = Channel::open(handle).map_err(serde::de::Error::custom)?;
        Ok(Self { channel, values: PhantomData })
    }
}

#[cfg(test)]
#[path = "fifo_tests.rs"]
mod tests;
