//! Who gets what is put into a broadcast.

use std::fmt;
use std::time::Duration;

use brigade_codec::{Message, decode};
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Sleep, Waitable};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Broadcast;
use crate::arena::block::Kind;
use crate::handle::Handle;
use crate::queue::refusal::Missed;
use crate::queue::{GetError, GetFailure, GetTimeoutError, TryGetError};

/// Gets every value that is put into a [`Broadcast`] after it subscribed.
///
/// Threads and processes may share a subscriber, by clones or by sending it along: each value then
/// comes to one of them. For a value to come to each, let each subscribe.
///
/// # Process death
///
/// A subscriber lives as long as a living process has it, or a message carries it. After that it is
/// gone, and no put waits for it.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Subscriber<T> {
    broadcast: Broadcast<T>,
    seat: SeatHold,
}

/// This process's hold on a seat.
#[derive(Clone)]
struct SeatHold(Handle);

impl Serialize for SeatHold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SeatHold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Handle::deserialize(deserializer, Kind::Endpoint, 0).map(Self)
    }
}

impl<T> Clone for Subscriber<T> {
    /// Returns another handle of the same subscriber: a value comes to one of them.
    fn clone(&self) -> Self {
        Self { broadcast: self.broadcast.clone(), seat: self.seat.clone() }
    }
}

impl<T> fmt::Debug for Subscriber<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("len", &self.len())
            .field("missed", &self.missed())
            .finish_non_exhaustive()
    }
}

impl<T> Subscriber<T> {
    pub(super) fn new(broadcast: Broadcast<T>, seat: Handle) -> Self {
        Self { broadcast, seat: SeatHold(seat) }
    }

    /// How many values are there for it now.
    pub fn len(&self) -> usize {
        self.broadcast.ring.len(&self.seat.0)
    }

    /// Whether there is no value for it now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many values were overwritten before it came to them.
    pub fn missed(&self) -> u64 {
        self.broadcast.ring.missed(&self.seat.0)
    }

    /// The broadcast that it subscribed to.
    pub fn broadcast(&self) -> &Broadcast<T> {
        &self.broadcast
    }
}

impl<T: Message> Subscriber<T> {
    /// Gets the next value, blocking until there is one.
    ///
    /// # Errors
    ///
    /// [`GetError::Closed`] at the end of the broadcast.
    pub fn get(&self) -> Result<T, GetError> {
        Ok(self.get_until(Deadline::NEVER)?)
    }

    /// Gets the next value if there is one.
    ///
    /// # Errors
    ///
    /// [`TryGetError::Empty`] when there is none yet, [`TryGetError::Closed`] at the end.
    pub fn try_get(&self) -> Result<T, TryGetError> {
        Ok(self.get_until(Deadline::after(Duration::ZERO))?)
    }

    /// Gets the next value, blocking at most for `timeout`.
    ///
    /// # Errors
    ///
    /// [`GetTimeoutError::TimedOut`] when there is none in time, [`GetTimeoutError::Closed`] at the
    /// end.
    pub fn get_timeout(&self, timeout: Duration) -> Result<T, GetTimeoutError> {
        Ok(self.get_until(Deadline::after(timeout))?)
    }

    /// Gets values until the broadcast ends, or one that cannot be read.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        std::iter::from_fn(|| self.get().ok())
    }

    /// The subscriber as one waits for a value.
    pub(crate) fn values(&self) -> Subscriber<()> {
        Subscriber { broadcast: self.broadcast.room(), seat: self.seat.clone() }
    }

    fn get_until(&self, deadline: Deadline) -> Result<T, Missed> {
        let message = self.broadcast.ring.get(&self.seat.0, deadline)?;
        message
            .read(|bytes| decode(bytes))
            .map_err(|error| Missed::Failed(GetFailure::Decode(error)))
    }
}

impl<T> Waitable for Subscriber<T> {
    fn is_ready(&self) -> bool {
        self.broadcast.ring.may_get(&self.seat.0)
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.broadcast.ring.prepare_get(sleep);
    }
}
