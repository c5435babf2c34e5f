//! The two sides of what messages go through: those who send into it, and those who receive.
//!
//! A side is a part of the object that processes hold: its endpoint. When the last process of a
//! side has let go of it or has died, the other side learns that the stream has ended.
//!
//! | `seen`, one word a side | meaning                                                           |
//! |-------------------------|-------------------------------------------------------------------|
//! | 0                       | nobody ever was of this side: its absence means nothing           |
//! | 1                       | somebody is or was                                                |
//!
//! # Why no wake-up is lost
//!
//! An endpoint that loses its last holder rings the bell of those who wait for its side. If the
//! holder dies, the kernel wakes those who watch it. An endpoint that is in a message is nobody's
//! whose death could be watched: the process may hold the queue that holds the queue that holds the
//! message. Who waits for the end of such a side buries the dead now and then.
//!
//! # What a dead process leaves
//!
//! Its hold on an endpoint, which ends at its burial; who looks before that sees that it is dead.

use std::time::Duration;

use brigade_sys::atomic::AtomicU32;
use brigade_sys::atomic::Ordering::{Acquire, Release};
use brigade_sys::kill_point::kill_point;
use brigade_sys::memory::Shareable;
use brigade_sys::time::Deadline;
use brigade_sys::wait::Sleep;
use serde::{Deserializer, Serializer};

use crate::arena::block::Kind;
use crate::arena::census;
use crate::arena::heap::{self, Place, Plan};
use crate::error::Error;
use crate::handle::Handle;

/// How often who waits for the end of a side looks for the dead, while an endpoint of that side is
/// in a message.
pub(crate) const ROUND: Duration = Duration::from_millis(20);

/// How many parts an object has for its sides.
pub(crate) const PARTS: usize = 2;

/// One side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Sending,
    Receiving,
}

impl Side {
    pub(crate) const BOTH: [Self; PARTS] = [Self::Sending, Self::Receiving];

    /// The place of the side's part among those of its object's sides.
    fn index(self) -> usize {
        match self {
            Self::Sending => 0,
            Self::Receiving => 1,
        }
    }
}

/// Whether there ever was an endpoint of each side. Lies in shared memory.
#[repr(C)]
pub(crate) struct Seen([AtomicU32; PARTS]);

// SAFETY: two atomics; all zeros means that nobody was seen.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Seen {}

/// The sides of an object.
#[derive(Clone, Copy)]
pub(crate) struct Sides<'a> {
    object: &'a Handle,
    seen: &'static Seen,
    /// The number of the first of the two parts that are the endpoints.
    first: usize,
}

/// This process's hold on one side of an object.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint(Handle);

impl Endpoint {
    pub(crate) fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Self, D::Error> {
        Handle::deserialize(deserializer, Kind::Endpoint, 0).map(Self)
    }
}

impl<'a> Sides<'a> {
    pub(crate) fn new(object: &'a Handle, seen: &'static Seen, first: usize) -> Self {
        Self { object, seen, first }
    }

    /// Makes the endpoint of one side of a new object; the bell at `bell` rings when it is deserted.
    pub(crate) fn create(self, side: Side, bell: usize) -> Result<(), Error> {
        let arena = self.object.arena();
        let slot = arena.tag()?.slot;
        let plan = Plan { kind: Kind::Endpoint, shape: 0, length: 0, parts: 0 };
        let endpoint = heap::allocate(arena, slot, plan)?;
        heap::ring_when_abandoned(arena, endpoint, bell);
        heap::attach(arena, slot, endpoint, self.object.place(), self.first + side.index())
    }

    /// Registers this process on a side.
    pub(crate) fn enter(self, side: Side) -> Result<Endpoint, Error> {
        let endpoint = self.object.part(self.first + side.index(), Kind::Endpoint)?;
        kill_point("sides.held");
        // PAIR seen: the hold is there before its absence means anything.
        self.seen.0[side.index()].store(1, Release);
        Ok(Endpoint(endpoint))
    }

    /// Whether endpoints of this side were made and none seems left with a living process.
    pub(crate) fn is_deserted(self, side: Side) -> bool {
        self.was_seen(side)
            && self.endpoint(side).is_none_or(|it| heap::is_abandoned(self.object.arena(), it))
    }

    /// As [`is_deserted`](Self::is_deserted), when no endpoint can move meanwhile. Takes the
    /// heap's lock.
    pub(crate) fn is_surely_deserted(self, side: Side) -> bool {
        self.is_deserted(side)
            && self
                .endpoint(side)
                .is_none_or(|it| heap::is_surely_abandoned(self.object.arena(), it))
    }

    /// Buries the dead if an endpoint of the side is in a message, which may be theirs alone.
    /// Returns when to do so again.
    pub(crate) fn look_after(self, side: Side) -> Deadline {
        if !self.is_in_message(side) {
            return Deadline::NEVER;
        }
        census::bury_all_dead(self.object.arena());
        Deadline::after(ROUND)
    }

    /// Whether an endpoint of the side has come into a message since [`look_after`] said that there
    /// is none.
    ///
    /// [`look_after`]: Self::look_after
    pub(crate) fn needs_round(self, side: Side, round: Deadline) -> bool {
        round == Deadline::NEVER && self.is_in_message(side)
    }

    /// Buries those of the side who have died.
    pub(crate) fn bury(self, side: Side) {
        if let Some(endpoint) = self.endpoint(side) {
            heap::bury_holders(self.object.arena(), endpoint);
        }
    }

    /// Adds what will change when the side is deserted to `sleep`, but for its bell.
    pub(crate) fn watch(self, side: Side, sleep: &mut Sleep<'_>) {
        if self.was_seen(side)
            && let Some(endpoint) = self.endpoint(side)
        {
            heap::watch_holders(self.object.arena(), endpoint, sleep);
        }
    }

    fn is_in_message(self, side: Side) -> bool {
        self.was_seen(side)
            && self.endpoint(side).is_some_and(|it| heap::is_carried(self.object.arena(), it))
    }

    fn was_seen(self, side: Side) -> bool {
        self.seen.0[side.index()].load(Acquire) != 0 // PAIR seen: with the store in `enter`.
    }

    fn endpoint(self, side: Side) -> Option<Place> {
        heap::part(self.object.arena(), self.object.place(), self.first + side.index())
    }
}
