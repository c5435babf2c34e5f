//! How a message's bytes get into a channel and out of it.

use brigade_sys::atomic::Ordering::Relaxed;

use super::layout::Slot;
use super::{CORRUPT, Channel};
use crate::error::Error;
use crate::message::{self, Form, Message, Parts, Payload};
use crate::transit::Contents;

/// A message on its way out.
pub(super) struct Taken {
    /// What lay in the ring.
    bytes: Vec<u8>,
    /// What lies in blocks that this process now holds.
    parts: Option<Parts>,
}

impl Channel {
    /// Copies a long message into a block and packs what a message carries, before any lock is
    /// taken.
    pub(crate) fn prepare<'a>(
        &self,
        bytes: &'a [u8],
        contents: &Contents,
    ) -> Result<Payload<'a>, Error> {
        Payload::prepare(self.handle.arena(), bytes, contents, self.layout.ring_bytes() / 4)
    }

    /// Finds room for the message that will be number `tail`, while `head` is the oldest there: in
    /// the ring or, if that is full of other messages, in a block, since a queue holds as many as
    /// it says. Returns the message's position in the ring. Under the producers' lock.
    pub(super) fn fit(
        &self,
        payload: &mut Payload<'_>,
        head: u64,
        tail: u64,
    ) -> Result<u64, Error> {
        let position = self.end_of(tail);
        let used = if head == tail { 0 } else { position.wrapping_sub(self.start_of(head)) };
        let free = (self.layout.ring_bytes() as u64).checked_sub(used).ok_or(CORRUPT)?;
        if payload.bytes().len() as u64 > free {
            payload.lengthen()?;
        }
        Ok(position)
    }

    /// Writes the message that will be number `tail` at `position`. Under the producers' lock;
    /// commits nothing.
    pub(super) fn write(
        &self,
        payload: &mut Payload<'_>,
        position: u64,
        tail: u64,
    ) -> Result<(), Error> {
        let index = self.layout.slot_of(tail);
        let (arena, channel) = (self.handle.arena(), self.handle.place());
        let part = self.layout.part_of_slot(index);
        message::clear(arena, channel, part)?;
        let slot = &self.slots[index];
        let form = payload.form();
        slot.position.store(position, Relaxed);
        slot.form.store(form.to_word(), Relaxed);
        if form.has_parts() {
            self.announce_sender()?;
            payload.hand_over(channel, part)?;
        }
        if form.is_long() { Ok(()) } else { self.copy_in(position, payload.bytes()) }
    }

    /// Reads message number `head`. Under the consumers' lock; commits nothing.
    pub(super) fn read(&self, head: u64) -> Result<Taken, Error> {
        let index = self.layout.slot_of(head);
        let slot = &self.slots[index];
        let form = Form::from_word(slot.form.load(Relaxed));
        let mut bytes = Vec::new();
        if !form.is_long() {
            let length = usize::try_from(form.length()).map_err(|_| CORRUPT)?;
            if length > self.layout.ring_bytes() {
                return Err(CORRUPT);
            }
            bytes.resize(length, 0);
            self.copy_out(slot.position.load(Relaxed), &mut bytes)?;
        }
        let parts = if form.has_parts() {
            let part = self.layout.part_of_slot(index);
            Some(Parts::hold(self.handle.arena(), self.handle.place(), part, form)?)
        } else {
            None
        };
        Ok(Taken { bytes, parts })
    }

    fn start_of(&self, number: u64) -> u64 {
        self.slots[self.layout.slot_of(number)].position.load(Relaxed)
    }

    /// The position after the last message before number `tail`.
    fn end_of(&self, tail: u64) -> u64 {
        if tail == 0 {
            return 0;
        }
        let Slot { position, form } = &self.slots[self.layout.slot_of(tail - 1)];
        let form = Form::from_word(form.load(Relaxed));
        let in_ring = if form.is_long() { 0 } else { form.length() };
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

impl Taken {
    /// The message, when its taking is committed.
    pub(super) fn finish(self) -> Result<Message, Error> {
        match self.parts {
            None => Ok(Message::plain(self.bytes)),
            Some(parts) => parts.taken(self.bytes),
        }
    }
}
