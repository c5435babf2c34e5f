//! Putting messages: written behind the tail, then committed by its store.
//!
//! | word        | written by                                   | means                           |
//! |-------------|----------------------------------------------|---------------------------------|
//! | `had_parts` | who holds `producer`, before it hands over   | slots may have to be cleared    |
//!
//! # Why no wake-up is lost
//!
//! Every commit happens inside a ring of `not_empty`. See [`super`].
//!
//! # What a dead process leaves
//!
//! What is behind the tail, and is nothing. See [`super`], and [`super::burial`] for parts.

use brigade_sys::atomic::Ordering::Relaxed;
use brigade_sys::kill_point::kill_point;
use brigade_sys::time::Deadline;

use super::{CORRUPT, Channel, Locked, Mark, Plain, PutRefusal, Ring, patience};
use crate::error::Error;
use crate::message::{self, Form, Payload};
use crate::sides::Side;
use crate::transit::Contents;

/// What there is room for behind the tail.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    /// The message.
    Whole,
    /// Only its form: its bytes need a block, since a queue holds as many messages as it says.
    Form,
    /// Nothing.
    None,
}

impl Channel {
    /// Puts a message that carries `contents`, waiting for room until `deadline`.
    #[inline]
    pub(crate) fn put(
        &self,
        bytes: &[u8],
        contents: &Contents,
        deadline: Deadline,
    ) -> Result<(), PutRefusal> {
        if contents.is_empty() {
            loop {
                match self.put_plain(bytes, || deadline) {
                    Plain::Done => return Ok(()),
                    Plain::Nothing if self.linger_for_room() && !deadline.is_past() => {}
                    Plain::Locked => return Err(PutRefusal::Full),
                    Plain::Nothing | Plain::Other => break,
                }
            }
        }
        self.put_any(bytes, contents, deadline)
    }

    #[cold]
    fn put_any(
        &self,
        bytes: &[u8],
        contents: &Contents,
        deadline: Deadline,
    ) -> Result<(), PutRefusal> {
        let payload = self.prepare(bytes, contents).map_err(PutRefusal::Failed)?;
        self.put_some(&mut [payload], deadline).map(|_one| ())
    }

    /// Puts a message if there is room. Waits for another producer, but not for one that stands
    /// still.
    pub(crate) fn try_put(&self, bytes: &[u8], contents: &Contents) -> Result<(), PutRefusal> {
        if contents.is_empty() {
            match self.put_plain(bytes, patience) {
                Plain::Done => return Ok(()),
                Plain::Locked => return Err(PutRefusal::Full),
                Plain::Nothing | Plain::Other => {}
            }
        }
        if !self.may_put()
            && (self.sides().look_after(Side::Receiving) == Deadline::NEVER || !self.may_put())
        {
            return Err(PutRefusal::Full);
        }
        let payload = self.prepare(bytes, contents).map_err(PutRefusal::Failed)?;
        self.try_put_some(&mut [payload]).map(|_one| ())
    }

    /// Puts the first of these messages and those of the others that there is room for, waiting for
    /// room until `deadline`. Returns how many were put.
    pub(crate) fn put_some(
        &self,
        payloads: &mut [Payload<'_>],
        deadline: Deadline,
    ) -> Result<usize, PutRefusal> {
        loop {
            match self.put_run(payloads, || deadline) {
                Err(PutRefusal::Full) if !deadline.is_past() => {}
                done => return done,
            }
            self.wait_for_room(deadline);
        }
    }

    /// As [`put_some`](Self::put_some), without waiting for room.
    pub(crate) fn try_put_some(&self, payloads: &mut [Payload<'_>]) -> Result<usize, PutRefusal> {
        self.put_run(payloads, patience)
    }

    /// Copies a long message into a block and packs what a message carries, before any lock is
    /// taken.
    pub(crate) fn prepare<'a>(
        &self,
        bytes: &'a [u8],
        contents: &Contents,
    ) -> Result<Payload<'a>, Error> {
        Payload::prepare(self.handle.arena(), bytes, contents, self.layout.most_in_ring())
    }

    /// Puts a message that carries nothing, if there is no more to it than that.
    #[inline]
    fn put_plain(&self, bytes: &[u8], patience: impl FnOnce() -> Deadline) -> Plain {
        if bytes.len() > self.layout.most_in_ring() {
            return Plain::Other;
        }
        let Some(_locked) = Locked::new(&self.shared.producer, patience) else {
            return Plain::Locked;
        };
        if self.is_closed() || self.sides().is_deserted(Side::Receiving) {
            return Plain::Other;
        }
        let tail = self.shared.tail.own();
        let units = Ring::units_of(bytes.len());
        match self.room(tail, units) {
            Ok(Room::Whole) if self.clear(tail).is_ok() => {}
            Ok(Room::None) => {
                self.shared.tail.idle();
                return Plain::Nothing;
            }
            _ => return Plain::Other,
        }
        kill_point("channel.put.locked");
        if self.ring.write(tail.position, Form::plain(bytes.len()), bytes).is_err() {
            return Plain::Other;
        }
        kill_point("channel.put.written");
        // No more than the ring has.
        self.commit_put(tail.after(units as u32));
        Plain::Done
    }

    /// Puts the messages that there is room for with as few commits as can be, but at least one
    /// message. One that has parts has a commit of its own: a burial looks for parts that were not
    /// committed in the slot of number `tail` alone.
    fn put_run(
        &self,
        payloads: &mut [Payload<'_>],
        patience: impl FnOnce() -> Deadline,
    ) -> Result<usize, PutRefusal> {
        let locked = Locked::new(&self.shared.producer, patience).ok_or(PutRefusal::Full)?;
        if self.is_closed() || self.sides().is_surely_deserted(Side::Receiving) {
            drop(locked);
            self.empty();
            self.sides().bury(Side::Receiving);
            return Err(PutRefusal::Closed);
        }
        kill_point("channel.put.locked");
        let (mut tail, mut written, mut committed) = (self.shared.tail.own(), 0, 0);
        for payload in payloads.iter_mut() {
            let done = self.fit(payload, tail).and_then(|room| {
                if room == Room::None {
                    return Ok(None);
                }
                if payload.form().has_parts() && written > committed {
                    self.commit_put(tail);
                    committed = written;
                }
                self.write(payload, tail).map(Some)
            });
            match done {
                Ok(Some(next)) => tail = next,
                Err(error) if written == 0 => return Err(PutRefusal::Failed(error)),
                // The others are put; the next attempt begins with this one.
                Ok(None) | Err(_) => break,
            }
            written += 1;
            kill_point("channel.put.written");
            if payload.form().has_parts() {
                self.commit_put(tail);
                committed = written;
                payload.sent();
                if self.is_shut() {
                    // Nobody may come who frees it.
                    self.empty_again();
                }
            }
        }
        if written == 0 {
            self.shared.tail.idle();
            return Err(PutRefusal::Full);
        }
        if written > committed {
            self.commit_put(tail);
            // Also without parts a message may carry what is counted.
            payloads[..written].iter_mut().for_each(Payload::sent);
        }
        Ok(written)
    }

    /// Finds room behind `tail` for a message, in the ring or, if that is full of other messages,
    /// in a block.
    fn fit(&self, payload: &mut Payload<'_>, tail: Mark) -> Result<Room, Error> {
        let in_ring = if payload.form().is_long() { 0 } else { payload.bytes().len() };
        let room = self.room(tail, Ring::units_of(in_ring))?;
        if room == Room::Form {
            payload.lengthen()?;
        }
        Ok(room)
    }

    /// What there is room for behind `tail`, of a record that takes `units`.
    #[inline]
    fn room(&self, tail: Mark, units: usize) -> Result<Room, Error> {
        match self.room_after(self.shared.tail.other(), tail, units) {
            Ok(Room::Whole) => Ok(Room::Whole),
            _ => self.room_after(self.shared.tail.look_at(&self.shared.head), tail, units),
        }
    }

    /// What there is room for behind `tail` if `head` is the oldest message's place. A unit is kept
    /// for each of the messages that the channel can still hold then.
    #[inline]
    fn room_after(&self, head: Mark, tail: Mark, units: usize) -> Result<Room, Error> {
        let (messages, used) = self.between(head, tail)?;
        if messages == self.layout.capacity() {
            return Ok(Room::None);
        }
        let free = self.layout.ring_units() - used as usize;
        let kept = (self.layout.capacity() - messages - 1) as usize;
        match free.checked_sub(kept) {
            Some(room) if room >= units => Ok(Room::Whole),
            Some(1..) => Ok(Room::Form),
            _ => Err(CORRUPT),
        }
    }

    /// Writes the message that begins at `tail`, and says where it ends. Commits nothing.
    fn write(&self, payload: &mut Payload<'_>, tail: Mark) -> Result<Mark, Error> {
        self.clear(tail)?;
        let form = payload.form();
        if form.has_parts() {
            let part = self.layout.part_of_slot(self.layout.slot_of(tail.number));
            self.shared.had_parts.store(1, Relaxed);
            self.announce_sender()?;
            payload.hand_over(self.handle.place(), part)?;
        }
        self.ring.write(tail.position, form, payload.bytes())?;
        let in_ring = if form.is_long() { 0 } else { payload.bytes().len() };
        // No more than the ring has.
        Ok(tail.after(Ring::units_of(in_ring) as u32))
    }

    /// Frees what is left in the slot of the message that begins at `tail`.
    #[inline]
    fn clear(&self, tail: Mark) -> Result<(), Error> {
        // The lock brought the word to us from whoever had parts.
        if self.shared.had_parts.load(Relaxed) == 0 {
            return Ok(());
        }
        let part = self.layout.part_of_slot(self.layout.slot_of(tail.number));
        message::clear(self.handle.arena(), self.handle.place(), part)
    }

    #[inline]
    fn commit_put(&self, tail: Mark) {
        self.shared.not_empty.ring_after(|| {
            self.shared.tail.commit(tail);
            kill_point("channel.put.committed");
        });
        kill_point("channel.put.rung");
    }
}
