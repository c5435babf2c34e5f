//! The broadcast: what is put once comes to everybody who subscribed.

mod layout;
mod ring;
mod subscriber;

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

use brigade_codec::{Message, encode};
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Sleep, Waitable};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use self::ring::Ring;
pub(crate) use self::ring::bury;
pub use self::subscriber::Subscriber;
use crate::arena::block::Kind;
use crate::error::Error;
use crate::handle::Handle;
use crate::queue::refusal::Refusal;
use crate::queue::{PutError, PutTimeoutError, TryPutError};
use crate::transit;

/// What a broadcast does when the slowest subscriber is as far behind as it may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// A put waits for it. Nobody misses anything, and a subscriber that stands still holds
    /// everybody up.
    #[default]
    Wait = 0,
    /// A put takes the place of the oldest message, which the slow ones then have
    /// [missed](Subscriber::missed). Nobody waits for a subscriber.
    Overwrite = 1,
}

/// Messages that come to every subscriber, across processes.
///
/// A [`Subscriber`] gets, in order, every value that is put after it subscribed. Without subscribers
/// a value goes to nobody. A broadcast has at most 64 subscribers at a time.
///
/// It ends when it is [closed](Self::close), or when it had [publishers](Self::publisher) and all of
/// them are gone or dead: then the subscribers get what is left, and after it the end.
///
/// Handles in a value keep their objects until its place is used again or the broadcast goes.
///
/// # Process death
///
/// A put commits for all subscribers by one store: a process that is killed while it puts has put
/// the value for everybody or for nobody. A subscriber whose processes have all died is gone and
/// keeps nobody waiting. A value that it had got and not used is gone with it.
///
/// # Examples
///
/// ```
/// use brigade_shm::Broadcast;
///
/// let news = Broadcast::new(8)?;
/// let (one, two) = (news.subscribe()?, news.subscribe()?);
/// news.put("rain".to_owned())?;
/// let late = news.subscribe()?;
/// news.put("sun".to_owned())?;
/// news.close();
/// assert_eq!(one.iter().collect::<Vec<_>>(), ["rain", "sun"]);
/// assert_eq!(two.iter().collect::<Vec<_>>(), ["rain", "sun"]);
/// assert_eq!(late.iter().collect::<Vec<_>>(), ["sun"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Broadcast<T> {
    ring: Ring,
    values: PhantomData<fn(T) -> T>,
}

impl<T> Clone for Broadcast<T> {
    fn clone(&self) -> Self {
        Self { ring: self.ring.clone(), values: PhantomData }
    }
}

impl<T> fmt::Debug for Broadcast<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast")
            .field("capacity", &self.capacity())
            .field("subscribers", &self.subscribers())
            .finish_non_exhaustive()
    }
}

impl<T> Broadcast<T> {
    /// Creates a broadcast whose puts wait for subscribers that are `capacity` values behind:
    /// between 1 and 1,048,576.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for another capacity; otherwise fails when there is no memory.
    pub fn new(capacity: usize) -> Result<Self, Error> {
        Self::with_overflow(capacity, Overflow::Wait)
    }

    /// Creates a broadcast that keeps the last `capacity` values, and does this with subscribers
    /// that are slower.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn with_overflow(capacity: usize, overflow: Overflow) -> Result<Self, Error> {
        Ok(Self { ring: Ring::new(capacity, overflow)?, values: PhantomData })
    }

    /// A subscriber that gets what is put from now on.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when there are 64 subscribers; otherwise fails when there is no memory.
    pub fn subscribe(&self) -> Result<Subscriber<T>, Error> {
        Ok(Subscriber::new(self.clone(), self.ring.subscribe()?))
    }

    /// Registers the caller as a publisher: the broadcast ends when the last one is gone or dead.
    ///
    /// # Errors
    ///
    /// Fails when the broadcast's memory is corrupt.
    pub fn publisher(&self) -> Result<Publisher<T>, Error> {
        Ok(Publisher { broadcast: self.clone(), hold: PublisherHold(self.ring.publisher()?) })
    }

    /// Ends the broadcast: puts are refused from now on, and gets when nothing is left.
    pub fn close(&self) {
        self.ring.close();
    }

    /// Whether the broadcast was [closed](Self::close).
    pub fn is_closed(&self) -> bool {
        self.ring.is_closed()
    }

    /// How many values a subscriber may be behind.
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// How many subscribers there are now.
    pub fn subscribers(&self) -> usize {
        self.ring.subscribers()
    }
}

impl<T: Message> Broadcast<T> {
    /// Puts a value for every subscriber, blocking while the slowest has no room for it.
    ///
    /// # Errors
    ///
    /// [`PutError`], with the value.
    pub fn put(&self, value: T) -> Result<(), PutError<T>> {
        self.put_until(&value, Deadline::NEVER).map_err(|why| why.for_put(value))
    }

    /// Puts a value for every subscriber if all have room for it.
    ///
    /// # Errors
    ///
    /// [`TryPutError`], with the value.
    pub fn try_put(&self, value: T) -> Result<(), TryPutError<T>> {
        let at_once = Deadline::after(Duration::ZERO);
        self.put_until(&value, at_once).map_err(|why| why.for_try_put(value))
    }

    /// Puts a value for every subscriber, blocking at most for `timeout`.
    ///
    /// # Errors
    ///
    /// [`PutTimeoutError`], with the value.
    pub fn put_timeout(&self, value: T, timeout: Duration) -> Result<(), PutTimeoutError<T>> {
        let deadline = Deadline::after(timeout);
        self.put_until(&value, deadline).map_err(|why| why.for_put_timeout(value))
    }

    /// The broadcast as one waits for room in it.
    pub(crate) fn room(&self) -> Broadcast<()> {
        Broadcast { ring: self.ring.clone(), values: PhantomData }
    }

    fn put_until(&self, value: &T, deadline: Deadline) -> Result<(), Refusal> {
        let (bytes, contents) = transit::gather(|| encode(value));
        Ok(self.ring.put(&bytes?, &contents, deadline)?)
    }
}

/// Ready when a put would not block.
impl<T> Waitable for Broadcast<T> {
    fn is_ready(&self) -> bool {
        self.ring.may_put()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.ring.prepare_put(sleep);
    }
}

impl<T> Serialize for Broadcast<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.ring.handle().serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Broadcast<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let handle = Handle::deserialize(deserializer, Kind::Broadcast, 0)?;
        let ring = Ring::open(handle).map_err(serde::de::Error::custom)?;
        Ok(Self { ring, values: PhantomData })
    }
}

/// The right to put into a [`Broadcast`] that ends without it. Derefs to the broadcast.
///
/// # Process death
///
/// A publisher whose process has died is gone: it no longer keeps the broadcast from ending.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Publisher<T> {
    broadcast: Broadcast<T>,
    hold: PublisherHold,
}

/// What keeps the broadcast from ending.
#[derive(Clone)]
struct PublisherHold(Handle);

impl Serialize for PublisherHold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PublisherHold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Handle::deserialize(deserializer, Kind::Endpoint, 0).map(Self)
    }
}

impl<T> Clone for Publisher<T> {
    fn clone(&self) -> Self {
        Self { broadcast: self.broadcast.clone(), hold: self.hold.clone() }
    }
}

impl<T> Deref for Publisher<T> {
    type Target = Broadcast<T>;

    fn deref(&self) -> &Broadcast<T> {
        &self.broadcast
    }
}

impl<T> fmt::Debug for Publisher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Publisher").field(&self.broadcast).finish()
    }
}
