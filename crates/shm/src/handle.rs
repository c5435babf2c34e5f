//! Handles: small values that name an object in an arena and keep it alive.
//!
//! A process holds an object once, however many handles it has: the first handle sets the process's
//! bit in the object's block, the last one clears it. A handle that is serialized takes the object
//! along: until the message is read, the message keeps it. See [`crate::transit`].
//!
//! # Process death
//!
//! The bits of a process that dies are cleared at its burial, and objects that nobody else holds
//! are freed then.

use std::fmt;
use std::sync::{Arc, Weak};

use brigade_codec::carry;
use brigade_sys::robust::RobustLock;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::arena::block::Kind;
use crate::arena::heap::{self, Arrival, Place, Plan};
use crate::arena::{Arena, attach, census, find};
use crate::error::Error;
use crate::transit;

/// This process's hold on an object. The last one to be dropped lets the object go.
pub(crate) struct Hold {
    arena: &'static Arena,
    place: Place,
    kind: Kind,
    /// Whether it was taken out of a store, whose word may still name it.
    is_taken: bool,
}

impl Hold {
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// Whether a thread of this process has lost the guard of the lock that this is: the thread's
    /// list of locks leads through the object, which must stay what it is until the process ends.
    fn is_lost_lock(&self) -> bool {
        let lock = || self.arena.mapping().get::<RobustLock>(heap::body(self.place.offset));
        matches!(self.kind, Kind::Lock | Kind::RLock | Kind::RwLock)
            && lock().is_some_and(RobustLock::is_held_by_this_process)
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hold({:?})", self.place)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // After a fork that brigade did not do, the process holds nothing.
        let Some(tag) = self.arena.cached_tag() else { return };
        let mut holds = self.arena.holds();
        // Another handle may have arrived since the last one went: then the bit is its.
        if holds.get(&self.place.offset).is_some_and(|hold| hold.strong_count() > 0) {
            return;
        }
        holds.remove(&self.place.offset);
        if self.is_lost_lock() {
            return;
        }
        // Nothing can be done about a corrupt arena here; whoever uses it next is told.
        let _ = if self.is_taken {
            heap::release_part(self.arena, tag.slot, self.place)
        } else {
            heap::release(self.arena, tag.slot, self.place)
        };
    }
}

/// A handle of an object of any kind.
#[derive(Clone)]
pub(crate) struct Handle {
    hold: Arc<Hold>,
    kind: Kind,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:#x} of {:?}", self.kind.name(), self.hold.place.offset, self.hold.arena)
    }
}

impl Handle {
    /// Makes a new object in the program's arena.
    pub(crate) fn create(plan: Plan) -> Result<Self, Error> {
        Self::create_in(Arena::program()?, plan)
    }

    /// Makes a new object in `arena`.
    pub(crate) fn create_in(arena: &'static Arena, plan: Plan) -> Result<Self, Error> {
        let tag = arena.tag()?;
        let place = heap::allocate(arena, tag.slot, plan)?;
        Ok(Self::held(arena, place, plan.kind))
    }

    /// A handle of an object that this process holds already, without one.
    pub(crate) fn held(arena: &'static Arena, place: Place, kind: Kind) -> Self {
        let hold = Arc::new(Hold { arena, place, kind, is_taken: kind == Kind::Cargo });
        arena.holds().insert(place.offset, Arc::downgrade(&hold));
        Self { hold, kind }
    }

    /// A handle of an object of `kind` that something else keeps, for the moment.
    pub(crate) fn shared(arena: &'static Arena, place: Place, kind: Kind) -> Result<Self, Error> {
        Self::adopt(arena, place, (kind, 0), Arrival::Kept)
    }

    /// A handle of part number `index` of this object.
    pub(crate) fn part(&self, index: usize, kind: Kind) -> Result<Self, Error> {
        let place = heap::part(self.arena(), self.place(), index);
        let place = place.ok_or(Error::Gone { kind: kind.name() })?;
        Self::adopt(self.arena(), place, (kind, 0), Arrival::Kept)
    }

    fn adopt(
        arena: &'static Arena,
        place: Place,
        (kind, shape): (Kind, u32),
        arrival: Arrival,
    ) -> Result<Self, Error> {
        let tag = arena.tag()?;
        let mut holds = arena.holds();
        // Also when the process has a hold already: a message's count must come down.
        heap::adopt(arena, tag.slot, place, (kind, shape), arrival)?;
        let known = holds.get(&place.offset).and_then(Weak::upgrade);
        let hold = known.filter(|hold| hold.place == place).unwrap_or_else(|| {
            let hold = Arc::new(Hold { arena, place, kind, is_taken: false });
            holds.insert(place.offset, Arc::downgrade(&hold));
            hold
        });
        Ok(Self { hold, kind })
    }

    pub(crate) fn arena(&self) -> &'static Arena {
        self.hold.arena
    }

    pub(crate) fn place(&self) -> Place {
        self.hold.place
    }

    /// Where the object's bytes start.
    pub(crate) fn body(&self) -> usize {
        heap::body(self.hold.place.offset)
    }

    /// How many messages under way carry the object: on sockets, and in cargoes.
    #[cfg(test)]
    pub(crate) fn under_way(&self) -> (u32, u32) {
        heap::under_way(self.arena(), self.place())
    }

    /// Sees to it that this process's death is noticed, before one of its threads sleeps.
    pub(crate) fn before_sleep(&self) {
        if let Ok(tag) = self.arena().tag() {
            census::hold_life(self.arena(), tag);
        }
    }
}

/// What travels.
#[derive(Serialize, Deserialize)]
struct Travelling {
    arena: u128,
    /// Which descriptor of the parcel is the arena, when the message carries descriptors.
    descriptor: Option<u32>,
    offset: u64,
    generation: u32,
}

impl Handle {
    /// Writes the handle into a message, and sees to it that the message keeps the object.
    pub(crate) fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (arena, place) = (self.arena(), self.place());
        let travelling = Travelling {
            arena: arena.id(),
            descriptor: carry::attach_shared(arena.id(), arena.descriptor()),
            offset: place.offset as u64,
            generation: place.generation,
        };
        let written = travelling.serialize(serializer)?;
        transit::note(self);
        Ok(written)
    }

    /// Reads a handle of an object of `kind` and `shape` from a message.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
        kind: Kind,
        shape: u32,
    ) -> Result<Self, D::Error> {
        let travelling = Travelling::deserialize(deserializer)?;
        Self::arrive(&travelling, kind, shape).map_err(D::Error::custom)
    }

    fn arrive(travelling: &Travelling, kind: Kind, shape: u32) -> Result<Self, Error> {
        let foreign = Error::ForeignArena { arena: travelling.arena };
        let arena = match (find(travelling.arena), travelling.descriptor) {
            (Some(arena), _) => arena,
            (None, Some(index)) => {
                attach(travelling.arena, carry::borrow(index).map_err(|_| foreign)?)?
            }
            (None, None) => return Err(foreign),
        };
        let offset = usize::try_from(travelling.offset)
            .map_err(|_| Error::Corrupt("a handle points outside its arena"))?;
        let place = Place { offset, generation: travelling.generation };
        Self::adopt(arena, place, (kind, shape), transit::arrival(arena))
    }
}
