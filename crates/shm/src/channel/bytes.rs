//! How a message's bytes get into a channel and out of it.

use std::cell::Cell;

use brigade_sys::atomic::Ordering::Relaxed;
use brigade_sys::kill_point::kill_point;

use super::layout::{SPILLED, Slot};
use super::{CORRUPT, Channel};
use crate::arena::Arena;
use crate::arena::block::Kind;
use crate::arena::heap::{self, Place, Plan, body};
use crate::error::Error;

/// A message on its way in: its bytes, and where they are already if they are many.
pub(crate) struct Payload<'a> {
    bytes: &'a [u8],
    block: Option<Spill>,
}

/// A block with a long message that nobody has put yet. Dropped before it is the channel's, it is
/// freed.
struct Spill {
    arena: &'static Arena,
    slot: u16,
    place: Place,
    handed_over: Cell<bool>,
}

impl Drop for Spill {
    fn drop(&mut self) {
        // Once it is the channel's, a hold of this process would be one of its consumers'.
        if !self.handed_over.get() {
            let _ = heap::release(self.arena, self.slot, self.place);
        }
    }
}

/// A message on its way out.
pub(super) enum Taken {
    /// Copied from the ring.
    Short(Vec<u8>),
    /// In a block that this process now holds.
    Long { place: Place, length: usize },
}

impl Channel {
    /// Copies a long message into a block, before any lock is taken.
    pub(super) fn prepare_payload<'a>(&self, bytes: &'a [u8]) -> Result<Payload<'a>, Error> {
        let long = bytes.len() > self.layout.ring_bytes() / 4;
        let block = if long { Some(self.spill(bytes)?) } else { None };
        Ok(Payload { bytes, block })
    }

    fn spill(&self, bytes: &[u8]) -> Result<Spill, Error> {
        let arena = self.handle.arena();
        let slot = arena.tag()?.slot;
        let plan = Plan { kind: Kind::Bytes, shape: 0, length: bytes.len(), parts: 0 };
        let place = heap::allocate(arena, slot, plan)?;
        let spill = Spill { arena, slot, place, handed_over: Cell::new(false) };
        kill_point("channel.put.allocated");
        arena.mapping().write(body(place.offset), bytes).ok_or(CORRUPT)?;
        Ok(spill)
    }

    /// Writes the message that will be number `tail`, while `head` is the oldest there. Under the
    /// producers' lock; commits nothing.
    pub(super) fn write(&self, payload: &Payload<'_>, head: u64, tail: u64) -> Result<(), Error> {
        let index = self.index(tail);
        let (arena, channel) = (self.handle.arena(), self.handle.place());
        let part = self.layout.long_message(index);
        if heap::part(arena, channel, part).is_some() {
            // Taken long ago, or left by a producer that died before its commit.
            heap::detach(arena, channel, part)?;
        }
        let position = self.end_of(tail);
        let used = if head == tail { 0 } else { position.wrapping_sub(self.start_of(head)) };
        let free = (self.layout.ring_bytes() as u64).checked_sub(used).ok_or(CORRUPT)?;
        let slot = &self.slots[index];
        let length = payload.bytes.len() as u64;
        slot.position.store(position, Relaxed);
        if payload.block.is_none() && length <= free {
            slot.length.store(length, Relaxed);
            return self.copy_in(position, payload.bytes);
        }
        slot.length.store(length | SPILLED, Relaxed);
        match &payload.block {
            Some(block) => self.hand_over(block, part),
            // The ring is full of other messages; a queue holds as many as it says all the same.
            None => self.hand_over(&self.spill(payload.bytes)?, part),
        }
    }

    fn hand_over(&self, block: &Spill, part: usize) -> Result<(), Error> {
        let arena = self.handle.arena();
        heap::attach(arena, block.slot, block.place, self.handle.place(), part)?;
        block.handed_over.set(true);
        kill_point("channel.put.attached");
        Ok(())
    }

    /// Reads message number `head`. Under the consumers' lock; commits nothing.
    pub(super) fn read(&self, head: u64) -> Result<Taken, Error> {
        let index = self.index(head);
        let slot = &self.slots[index];
        let length = slot.length.load(Relaxed);
        if length & SPILLED == 0 {
            let length = usize::try_from(length).map_err(|_| CORRUPT)?;
            let mut bytes = vec![0; length.min(self.layout.ring_bytes())];
            if bytes.len() != length {
                return Err(CORRUPT);
            }
            self.copy_out(slot.position.load(Relaxed), &mut bytes)?;
            return Ok(Taken::Short(bytes));
        }
        let length = usize::try_from(length & !SPILLED).map_err(|_| CORRUPT)?;
        let arena = self.handle.arena();
        let part = self.layout.long_message(index);
        let place = heap::part(arena, self.handle.place(), part).ok_or(CORRUPT)?;
        if heap::length_of(arena, place) != Some(length) {
            return Err(CORRUPT);
        }
        // A copy of that many bytes is about to be made.
        arena.mapping().bytes(body(place.offset), length).ok_or(CORRUPT)?;
        heap::hold_for(arena, arena.tag()?.slot, place)?;
        kill_point("channel.get.held");
        Ok(Taken::Long { place, length })
    }

    /// Returns the bytes of a message that is taken, and frees its block.
    pub(super) fn finish(&self, taken: Taken) -> Result<Vec<u8>, Error> {
        let (place, length) = match taken {
            Taken::Short(bytes) => return Ok(bytes),
            Taken::Long { place, length } => (place, length),
        };
        let arena = self.handle.arena();
        let mut bytes = vec![0; length];
        arena.mapping().read(body(place.offset), &mut bytes).ok_or(CORRUPT)?;
        kill_point("channel.get.copied");
        heap::release_part(arena, arena.tag()?.slot, place)?;
        kill_point("channel.get.freed");
        Ok(bytes)
    }

    fn index(&self, number: u64) -> usize {
        // The remainder is less than a capacity that is a usize.
        (number % self.capacity() as u64) as usize
    }

    fn start_of(&self, number: u64) -> u64 {
        self.slots[self.index(number)].position.load(Relaxed)
    }

    /// The position after the last message before number `tail`.
    fn end_of(&self, tail: u64) -> u64 {
        if tail == 0 {
            return 0;
        }
        let Slot { position, length } = &self.slots[self.index(tail - 1)];
        let length = length.load(Relaxed);
        let in_ring = if length & SPILLED == 0 { length } else { 0 };
        position.load(Relaxed).wrapping_add(in_ring)
    }

    /// Where `position` lies, and how many bytes there are before the ring begins anew.
    fn place_in_ring(&self, position: u64) -> (usize, usize) {
        let ring = self.layout.ring_bytes();
        let at = (position % ring as u64) as usize;
        (self.handle.body() + self.layout.ring_at() + at, ring - at)
    }

    fn copy_in(&self, position: u64, bytes: &[u8]) -> Result<(), Error> {
        let mapping = self.handle.arena().mapping();
        let (at, room) = self.place_in_ring(position);
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        mapping.write(at, first).ok_or(CORRUPT)?;
        let start = self.handle.body() + self.layout.ring_at();
        mapping.write(start, rest).ok_or(CORRUPT)
    }

    fn copy_out(&self, position: u64, bytes: &mut [u8]) -> Result<(), Error> {
        let mapping = self.handle.arena().mapping();
        let (at, room) = self.place_in_ring(position);
        let (first, rest) = bytes.split_at_mut(room.min(bytes.len()));
        mapping.read(at, first).ok_or(CORRUPT)?;
        let start = self.handle.body() + self.layout.ring_at();
        mapping.read(start, rest).ok_or(CORRUPT)
    }
}
