//! Endpoints: who sends into a channel, and who receives from it.
//!
//! An endpoint is a part of the channel that processes hold. When the last process of a side has
//! let go of it or has died, the other side learns that the stream has ended.

use brigade_sys::kill_point::kill_point;
use serde::{Deserializer, Serializer};

use super::Channel;
use crate::arena::block::Kind;
use crate::arena::heap::{self, Plan};
use crate::error::Error;
use crate::handle::Handle;

/// One side of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Sending,
    Receiving,
}

impl Side {
    /// The number of the channel's part that is this side's endpoint.
    pub(super) fn part(self) -> usize {
        match self {
            Self::Sending => 0,
            Self::Receiving => 1,
        }
    }
}

/// Makes the endpoint of one side of a new channel; the bell at `bell` rings when it is deserted.
pub(super) fn create(channel: &Handle, side: Side, bell: usize) -> Result<(), Error> {
    let arena = channel.arena();
    let slot = arena.tag()?.slot;
    let plan = Plan { kind: Kind::Endpoint, shape: 0, length: 0, parts: 0 };
    let endpoint = heap::allocate(arena, slot, plan)?;
    heap::ring_when_abandoned(arena, endpoint, bell);
    heap::attach(arena, slot, endpoint, channel.place(), side.part())
}

/// This process's hold on one side of a channel.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint(Handle);

impl Endpoint {
    /// Registers this process on a side of `channel`.
    pub(crate) fn new(channel: &Channel, side: Side) -> Result<Self, Error> {
        let endpoint = channel.handle.part(side.part(), Kind::Endpoint)?;
        kill_point("channel.endpoint.held");
        channel.shared.mark_seen(side);
        Ok(Self(endpoint))
    }

    pub(crate) fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Self, D::Error> {
        Handle::deserialize(deserializer, Kind::Endpoint, 0).map(Self)
    }
}
