//! The event: a flag that processes wait for.
//!
//! | word           | meaning                                          |
//! |----------------|--------------------------------------------------|
//! | `epoch << 1`     | not set; it has been set `epoch` times           |
//! | `epoch << 1 \| 1` | set, for the `epoch`-th time                     |
//!
//! # Why no wake-up is lost
//!
//! A waiter remembers the epoch at which it began. A set raises the epoch and rings for all, so a
//! waiter that sleeps through a set and the clear after it still sees that it happened.
//!
//! # What a dead process leaves
//!
//! The word is changed by one exchange, so it is always whole. One who dies between the exchange
//! and the wake-ups has rung: that is the promise of the [`Bell`].

use std::fmt;
use std::time::Duration;

use brigade_sys::atomic::AtomicU64;
use brigade_sys::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use brigade_sys::bell::Bell;
use brigade_sys::kill_point::kill_point;
use brigade_sys::memory::Shareable;
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Sleep, Waitable};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::arena::block::Kind;
use crate::arena::heap::Plan;
use crate::error::Error;
use crate::handle::Handle;

#[repr(C, align(64))]
struct Shared {
    bell: Bell,
    word: AtomicU64,
}

// SAFETY: shareable parts throughout; all zeros is an event that was never set.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Shared {}

const SET: u64 = 1;

/// A flag that one sets and many wait for, across processes.
///
/// # Process death
///
/// Nothing belongs to anyone: a process that dies leaves the event as it was before or after its
/// operation, and whoever had to be woken is.
///
/// # Examples
///
/// ```
/// use brigade_shm::Event;
///
/// let ready = Event::new()?;
/// assert!(!ready.is_set());
/// ready.set();
/// ready.wait();
/// # Ok::<(), brigade_shm::Error>(())
/// ```
#[derive(Clone)]
pub struct Event {
    handle: Handle,
    shared: &'static Shared,
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("set", &self.is_set()).finish_non_exhaustive()
    }
}

impl Event {
    /// Creates an event that is not set.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory for it.
    pub fn new() -> Result<Self, Error> {
        let plan = Plan { kind: Kind::Event, shape: 0, length: size_of::<Shared>(), parts: 0 };
        Self::from_handle(Handle::create(plan)?)
    }

    /// Whether the event is set.
    #[doc(alias = "isSet")]
    pub fn is_set(&self) -> bool {
        // PAIR set: what was written before the set is visible to who sees it.
        self.shared.word.load(Acquire) & SET != 0
    }

    /// Sets the event and wakes everyone who waits for it.
    pub fn set(&self) {
        self.shared.bell.ring_all_after(|| {
            kill_point("event.set");
            // PAIR set: with the loads in `is_set` and `wait`. A set of a set event counts too:
            // it must wake one who began to wait before a clear that is under way.
            let _ = self.shared.word.fetch_update(AcqRel, Relaxed, |word| {
                Some(((word >> 1).wrapping_add(1) << 1) | SET)
            });
            kill_point("event.was-set");
        });
    }

    /// Makes later waits block until the next [`set`](Self::set).
    pub fn clear(&self) {
        // PAIR set: what the setter wrote is visible to who clears.
        self.shared.word.fetch_and(!SET, AcqRel);
        kill_point("event.cleared");
    }

    /// Waits until the event is set, or was set since the call began.
    pub fn wait(&self) {
        self.wait_until(Deadline::NEVER);
    }

    /// Waits at most for `timeout`, and says whether the event is set or was since the call began.
    #[doc(alias = "wait(timeout)")]
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.wait_until(Deadline::after(timeout))
    }

    fn wait_until(&self, deadline: Deadline) -> bool {
        let began = self.shared.word.load(Acquire); // PAIR set: with the exchange in `set`.
        let look = || self.was_set_since(began).then_some(());
        self.shared.bell.wait(deadline, look, |_| ()).is_some()
    }

    /// Whether the event is set, or was since its word was `began`.
    fn was_set_since(&self, began: u64) -> bool {
        // PAIR set: with the exchange in `set`.
        began & SET != 0 || self.shared.word.load(Acquire) >> 1 != began >> 1
    }

    /// The event as one waits for it who begins now.
    pub(crate) fn since_now(&self) -> Since {
        // PAIR set: with the exchange in `set`.
        Since { event: self.clone(), began: self.shared.word.load(Acquire) }
    }

    fn from_handle(handle: Handle) -> Result<Self, Error> {
        let shared = handle.arena().mapping().get(handle.body());
        let shared = shared.ok_or(Error::Corrupt("an event lies outside its arena"))?;
        Ok(Self { handle, shared })
    }
}

impl Waitable for Event {
    fn is_ready(&self) -> bool {
        self.is_set()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.shared.bell.prepare(sleep);
    }
}

/// An event as one waits for it: also a set that was cleared meanwhile counts.
pub(crate) struct Since {
    event: Event,
    /// The word when the wait began.
    began: u64,
}

impl Waitable for Since {
    fn is_ready(&self) -> bool {
        self.event.was_set_since(self.began)
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.event.shared.bell.prepare(sleep);
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.handle.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let handle = Handle::deserialize(deserializer, Kind::Event, 0)?;
        Self::from_handle(handle).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
