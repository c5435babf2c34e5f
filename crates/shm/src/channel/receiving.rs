//! Taking messages: read before the head moves on, then committed by its store.
//!
//! # Why no wake-up is lost
//!
//! Every commit happens inside a ring of `not_full`. See [`super`].
//!
//! # What a dead process leaves
//!
//! Before the commit nothing: what it had read and held is still there. See [`super`].

use brigade_sys::kill_point::kill_point;
use brigade_sys::time::Deadline;

use super::{CORRUPT, Channel, GetRefusal, Locked, Mark, Plain, patience};
use crate::error::Error;
use crate::message::{Message, Opened, Parts};
use crate::sides::Side;

/// A message on its way out.
struct Taken {
    /// What lay in the ring.
    bytes: Vec<u8>,
    /// What lies in blocks that this process now holds.
    parts: Option<Parts>,
}

impl Taken {
    /// The message, when its taking is committed.
    #[inline]
    fn finish(self) -> Result<Message, Error> {
        match self.parts {
            None => Ok(Message::plain(self.bytes)),
            Some(parts) => parts.taken(self.bytes),
        }
    }
}

/// The consumers' lock, and what there is to take under it.
struct Turn {
    locked: Locked,
    head: Mark,
    /// Behind the head.
    tail: Mark,
}

impl Channel {
    /// Takes the first message, waiting for one until `deadline`. Its bytes are the first of
    /// `bytes`.
    #[inline]
    pub(crate) fn get(
        &self,
        deadline: Deadline,
        bytes: &mut Vec<u8>,
    ) -> Result<Opened, GetRefusal> {
        loop {
            let mut length = 0;
            match self.get_plain(|| deadline, bytes, &mut length) {
                Plain::Done => return Ok(Opened { length, cargo: None }),
                Plain::Nothing if self.linger_for_message() && !deadline.is_past() => {}
                Plain::Locked => return Err(GetRefusal::Empty),
                Plain::Nothing | Plain::Other => return self.get_any(deadline, bytes),
            }
        }
    }

    #[cold]
    fn get_any(&self, deadline: Deadline, bytes: &mut Vec<u8>) -> Result<Opened, GetRefusal> {
        loop {
            match self.take_first(|| deadline) {
                Err(GetRefusal::Empty) if !deadline.is_past() => self.wait_for_message(deadline),
                taken => return taken.map(|message| message.open(bytes)),
            }
        }
    }

    /// Takes the first message if there is one. Waits for another consumer, but not for one that
    /// stands still.
    pub(crate) fn try_get(&self, bytes: &mut Vec<u8>) -> Result<Opened, GetRefusal> {
        let mut length = 0;
        match self.get_plain(patience, bytes, &mut length) {
            Plain::Done => return Ok(Opened { length, cargo: None }),
            Plain::Locked => return Err(GetRefusal::Empty),
            Plain::Nothing | Plain::Other => {}
        }
        let taken = match self.take_first(patience) {
            Err(GetRefusal::Empty) if self.sides().look_after(Side::Sending) != Deadline::NEVER => {
                self.take_first(patience)
            }
            done => done,
        };
        taken.map(|message| message.open(bytes))
    }

    /// Takes the first message if it carries nothing and there is no more to it than that. Its
    /// bytes are the first of `bytes`, and so many are there.
    #[inline]
    fn get_plain(
        &self,
        patience: impl FnOnce() -> Deadline,
        bytes: &mut Vec<u8>,
        length: &mut usize,
    ) -> Plain {
        let Some(locked) = Locked::new(&self.shared.consumer, patience) else {
            return Plain::Locked;
        };
        let head = self.shared.head.own();
        let tail = self.tail_behind(head);
        if self.is_shut() || self.between(head, tail).is_err() {
            return Plain::Other;
        }
        if tail.number == head.number {
            self.shared.head.idle();
            return Plain::Nothing;
        }
        let Some((form, units)) = self.ring.form(head.position, tail.units_since(head)) else {
            return Plain::Other;
        };
        if form.has_parts() {
            return Plain::Other;
        }
        kill_point("channel.get.locked");
        // Checked against the units that there are.
        *length = form.length() as usize;
        if self.ring.read(head.position, *length, bytes).is_err() {
            return Plain::Other;
        }
        kill_point("channel.get.read");
        self.commit_get(locked, head.after(units));
        Plain::Done
    }

    /// Takes the first messages, as many as are there but at most `most`, waiting for one until
    /// `deadline`. Each goes to `sink`.
    pub(crate) fn get_some(
        &self,
        most: usize,
        deadline: Deadline,
        mut sink: impl FnMut(Result<Message, Error>),
    ) -> Result<(), GetRefusal> {
        loop {
            match self.take(most, || deadline, &mut sink) {
                Err(GetRefusal::Empty) if !deadline.is_past() => self.wait_for_message(deadline),
                done => return done,
            }
        }
    }

    /// As [`get_some`](Self::get_some), without waiting for a message.
    pub(crate) fn try_get_some(
        &self,
        most: usize,
        mut sink: impl FnMut(Result<Message, Error>),
    ) -> Result<(), GetRefusal> {
        match self.take(most, patience, &mut sink) {
            Err(GetRefusal::Empty) if self.sides().look_after(Side::Sending) != Deadline::NEVER => {
                self.take(most, patience, &mut sink)
            }
            done => done,
        }
    }

    /// Takes the first message.
    fn take_first(&self, patience: impl Fn() -> Deadline) -> Result<Message, GetRefusal> {
        let turn = self.begin(patience)?;
        kill_point("channel.get.locked");
        let (taken, head) = self.read_first(&turn)?;
        kill_point("channel.get.read");
        self.commit_get(turn.locked, head);
        taken.finish().map_err(GetRefusal::Failed)
    }

    /// Takes up to `most` messages with one commit, and gives them to `sink` without the lock.
    fn take(
        &self,
        most: usize,
        patience: impl Fn() -> Deadline,
        sink: &mut impl FnMut(Result<Message, Error>),
    ) -> Result<(), GetRefusal> {
        let turn = self.begin(patience)?;
        kill_point("channel.get.locked");
        let (first, mut head) = self.read_first(&turn)?;
        let mut others = Vec::new();
        while others.len() + 1 < most && head.number != turn.tail.number {
            match self.read(head, turn.tail) {
                Ok((taken, next)) => {
                    others.push(taken);
                    head = next;
                }
                // Who takes it next is told.
                Err(_) => break,
            }
        }
        kill_point("channel.get.read");
        self.commit_get(turn.locked, head);
        std::iter::once(first).chain(others).map(Taken::finish).for_each(sink);
        Ok(())
    }

    /// Takes the lock, if there is something to take.
    fn begin(&self, patience: impl Fn() -> Deadline) -> Result<Turn, GetRefusal> {
        if let Some(turn) = self.lock_to_take(&patience)? {
            return Ok(turn);
        }
        // Asked before the second look at the tail: what was put before the end is seen by that.
        if !self.is_closed() && !self.sides().is_surely_deserted(Side::Sending) {
            return Err(GetRefusal::Empty);
        }
        if let Some(turn) = self.lock_to_take(&patience)? {
            return Ok(turn);
        }
        self.empty();
        self.sides().bury(Side::Sending);
        Err(GetRefusal::Closed)
    }

    /// Takes the lock and looks at all that is there; `None` if there is nothing to take.
    fn lock_to_take(&self, patience: impl Fn() -> Deadline) -> Result<Option<Turn>, GetRefusal> {
        let locked = Locked::new(&self.shared.consumer, patience).ok_or(GetRefusal::Empty)?;
        let head = self.shared.head.own();
        let tail = self.shared.head.look_at(&self.shared.tail);
        if tail.number == head.number || self.is_shut() {
            self.shared.head.idle();
            return Ok(None);
        }
        self.between(head, tail).map_err(GetRefusal::Failed)?;
        Ok(Some(Turn { locked, head, tail }))
    }

    /// The tail as it was seen last, or if that is no further than `head`, as it is.
    #[inline]
    fn tail_behind(&self, head: Mark) -> Mark {
        let seen = self.shared.head.other();
        if seen.number != head.number {
            return seen;
        }
        self.shared.head.look_at(&self.shared.tail)
    }

    #[inline]
    fn read_first(&self, turn: &Turn) -> Result<(Taken, Mark), GetRefusal> {
        match self.read(turn.head, turn.tail) {
            Err(_) if self.is_shut() => Err(GetRefusal::Closed),
            read => read.map_err(GetRefusal::Failed),
        }
    }

    /// Reads the message that begins at `head`, and says where it ends. Commits nothing.
    #[inline]
    fn read(&self, head: Mark, tail: Mark) -> Result<(Taken, Mark), Error> {
        let most = tail.units_since(head);
        let (form, units) = self.ring.form(head.position, most).ok_or(CORRUPT)?;
        let mut bytes = Vec::new();
        if !form.is_long() {
            // Checked against the units that there are.
            let length = form.length() as usize;
            self.ring.read(head.position, length, &mut bytes)?;
            bytes.truncate(length);
        }
        let parts = if form.has_parts() {
            let part = self.layout.part_of_slot(self.layout.slot_of(head.number));
            Some(Parts::hold(self.handle.arena(), self.handle.place(), part, form)?)
        } else {
            None
        };
        Ok((Taken { bytes, parts }, head.after(units)))
    }

    #[inline]
    fn commit_get(&self, locked: Locked, head: Mark) {
        self.shared.not_full.ring_after(|| {
            self.shared.head.commit(head);
            kill_point("channel.get.committed");
        });
        drop(locked);
        kill_point("channel.get.unlocked");
    }
}
