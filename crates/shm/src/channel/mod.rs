//! The channel: messages from many to many, in order, by bytes. Queues and pipes are its faces.
//!
//! ```text
//! +----------------------------+--------+----------------+---------------------+
//! | parts: senders, receivers, | Shared | slot 0 .. n-1  | ring of bytes       |
//! | two for each slot          |        | where, how long| short messages      |
//! +----------------------------+--------+----------------+---------------------+
//! ```
//!
//! `tail` counts the messages put, `head` those taken; message number `i` is described by slot
//! `i % n`. A message that fits lies in the ring of bytes; another has a block of its own. What a
//! message carries is kept by its cargo. Both are parts of the channel until the message is taken:
//! see [`crate::message`].
//!
//! | word        | written by                | commits                                         |
//! |-------------|---------------------------|-------------------------------------------------|
//! | `tail`      | who holds `producer`      | the message in slot `tail % n`                  |
//! | `head`      | who holds `consumer`      | the taking of the message in slot `head % n`    |
//! | `closed`    | anyone, only upwards      | from 1 on: the end of putting; from 2 on: the   |
//! |             |                           | messages are destroyed; 3: and freed            |
//!
//! # Why no wake-up is lost
//!
//! The store of `tail` happens inside a ring of `not_empty`, that of `head` inside a ring of
//! `not_full`, and a closing rings both for all. The last producer (or consumer) to go rings
//! through its endpoint; if it dies, the kernel wakes those who watch it.
//!
//! # What a dead process leaves
//!
//! *A producer before the store of `tail`*: bytes beyond the last message, which the next producer
//! overwrites, and perhaps parts in its slot, which its burial frees, or the next producer. *After
//! it*: a message. *A consumer before the store of `head`*: nothing. *After it*: the message is gone
//! with the process that had taken it, and with its burial what it carried. In each case the lock
//! is found with its owner dead, and there is nothing to repair. *Who ended the channel at once,
//! after the store of `closed`*: destroyed messages, which the next who comes frees, or its burial.
//! *Who ended it and has not rung `not_full`*: those who wait for room hear of it when they look for
//! themselves, which every sleeper on a bell does now and then.
//!
//! The design is the two-lock queue of Michael and Scott (PODC 1996) over an array, with robust
//! locks and a single committing store on each side.

mod burial;
mod bytes;
mod layout;

use std::time::Duration;

use brigade_sys::atomic::Ordering::{Acquire, Relaxed, Release};
use brigade_sys::bell::Bell;
use brigade_sys::kill_point::kill_point;
use brigade_sys::robust::RobustLock;
use brigade_sys::time::Deadline;
use brigade_sys::wait::Sleep;

pub(crate) use self::burial::{bury, bury_message};
use self::bytes::Taken;
use self::layout::{Layout, Shared, Slot};
use crate::arena::block::Kind;
use crate::arena::heap::Plan;
use crate::error::Error;
use crate::handle::Handle;
use crate::message::{Message, Payload};
use crate::sides::{ROUND, Side, Sides};
use crate::transit::Contents;

/// A channel as this process sees it.
#[derive(Clone)]
pub(crate) struct Channel {
    handle: Handle,
    shared: &'static Shared,
    slots: &'static [Slot],
    layout: Layout,
}

/// Why a message was not put.
#[derive(Debug)]
pub(crate) enum PutRefusal {
    /// There is no room, or the deadline has passed before there was.
    Full,
    /// The channel is closed, or all its consumers are gone.
    Closed,
    /// The memory failed.
    Failed(Error),
}

/// Why no message was taken.
#[derive(Debug)]
pub(crate) enum GetRefusal {
    /// There is none, or the deadline has passed before there was.
    Empty,
    /// There is none and there will be none.
    Closed,
    /// The memory failed.
    Failed(Error),
}

/// How long an operation that does not wait lets another finish that holds the lock: much longer
/// than any takes, unless its process is stopped.
const PATIENCE: Duration = Duration::from_millis(200);

/// What `closed` says: nothing can be put any more; there is nothing to be taken either; and what
/// was there is freed.
const CLOSED: u32 = 1;
const SHUT: u32 = 2;
const EMPTIED: u32 = 3;

const CORRUPT: Error = Error::Corrupt("a queue's bookkeeping makes no sense");

impl Channel {
    /// Makes a channel for `capacity` messages, of which about `bytes` bytes lie in its ring.
    pub(crate) fn new(capacity: usize, bytes: usize) -> Result<Self, Error> {
        let layout = Layout::new(capacity, bytes)?;
        let plan =
            Plan { kind: Kind::Channel, shape: 0, length: layout.length(), parts: layout.parts() };
        let handle = Handle::create(plan)?;
        let shared: &Shared =
            handle.arena().mapping().get(handle.body() + layout.shared_at()).ok_or(CORRUPT)?;
        shared.ring_bytes.store(layout.ring_bytes() as u64, Relaxed);
        let channel = Self::open(handle)?;
        for side in Side::BOTH {
            let bell = Self::bell_offset(&channel.handle, layout, side);
            channel.sides().create(side, bell)?;
        }
        Ok(channel)
    }

    /// The channel behind a handle, checked.
    pub(crate) fn open(handle: Handle) -> Result<Self, Error> {
        let (arena, body) = (handle.arena(), handle.body());
        let layout = Layout::read(arena, handle.place()).ok_or(CORRUPT)?;
        let shared = arena.mapping().get(body + layout.shared_at()).ok_or(CORRUPT)?;
        let slots = arena.mapping().slice(body + layout.slots_at(), layout.capacity());
        let slots = slots.ok_or(CORRUPT)?;
        Ok(Self { handle, shared, slots, layout })
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(crate) fn capacity(&self) -> usize {
        self.layout.capacity()
    }

    /// How many messages are there now.
    pub(crate) fn len(&self) -> usize {
        if self.is_shut() {
            return 0;
        }
        let (head, tail) = self.view().counts();
        // More than the capacity only in overwritten memory.
        usize::try_from(tail.wrapping_sub(head)).unwrap_or(usize::MAX).min(self.capacity())
    }

    fn view(&self) -> View {
        View { shared: self.shared, layout: self.layout }
    }

    /// Ends the putting; what is there can still be taken.
    pub(crate) fn close(&self) {
        self.end(CLOSED);
    }

    /// Ends the putting and the taking: what is there is destroyed.
    pub(crate) fn shut(&self) {
        self.end(SHUT);
        self.empty();
    }

    fn end(&self, how: u32) {
        self.shared.not_empty.ring_all_after(|| {
            // PAIR closed: what was put before the close is seen by who sees it closed.
            self.shared.closed.fetch_max(how, Release);
            kill_point("channel.closed");
        });
        self.shared.not_full.ring_all_after(|| ());
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.view().end() >= CLOSED
    }

    /// Whether the messages are destroyed.
    fn is_shut(&self) -> bool {
        self.view().end() >= SHUT
    }

    /// Puts a message that carries `contents`, waiting for room until `deadline`.
    pub(crate) fn put(
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
            match self.put_run(payloads, deadline) {
                Err(PutRefusal::Full) if !deadline.is_past() => {}
                done => return done,
            }
            self.handle.before_sleep();
            let round = self.sides().look_after(Side::Receiving);
            let watch = |sleep: &mut Sleep<'static>| self.sides().watch(Side::Receiving, sleep);
            let look = || {
                (self.may_put() || self.sides().needs_round(Side::Receiving, round)).then_some(())
            };
            let _ = self.shared.not_full.wait(deadline.min(round), look, watch);
        }
    }

    /// As [`put_some`](Self::put_some), without waiting for room.
    pub(crate) fn try_put_some(&self, payloads: &mut [Payload<'_>]) -> Result<usize, PutRefusal> {
        self.put_run(payloads, Deadline::after(PATIENCE))
    }

    /// Takes the first message, waiting for one until `deadline`.
    pub(crate) fn get(&self, deadline: Deadline) -> Result<Message, GetRefusal> {
        let mut message = None;
        self.get_some(1, deadline, |it| message = Some(it))?;
        message.unwrap_or(Err(CORRUPT)).map_err(GetRefusal::Failed)
    }

    /// Takes the first message if there is one. Waits for another consumer, but not for one that
    /// stands still.
    pub(crate) fn try_get(&self) -> Result<Message, GetRefusal> {
        let mut message = None;
        self.try_get_some(1, |it| message = Some(it))?;
        message.unwrap_or(Err(CORRUPT)).map_err(GetRefusal::Failed)
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
            match self.take(most, deadline, &mut sink) {
                Err(GetRefusal::Empty) if !deadline.is_past() => {}
                done => return done,
            }
            self.handle.before_sleep();
            let round = self.sides().look_after(Side::Sending);
            let watch = |sleep: &mut Sleep<'static>| self.sides().watch(Side::Sending, sleep);
            let look =
                || (self.may_get() || self.sides().needs_round(Side::Sending, round)).then_some(());
            let _ = self.shared.not_empty.wait(deadline.min(round), look, watch);
        }
    }

    /// As [`get_some`](Self::get_some), without waiting for a message.
    pub(crate) fn try_get_some(
        &self,
        most: usize,
        mut sink: impl FnMut(Result<Message, Error>),
    ) -> Result<(), GetRefusal> {
        match self.take(most, Deadline::after(PATIENCE), &mut sink) {
            Err(GetRefusal::Empty) if self.sides().look_after(Side::Sending) != Deadline::NEVER => {
                self.take(most, Deadline::after(PATIENCE), &mut sink)
            }
            done => done,
        }
    }

    /// Whether a put would not block: there is room, or nobody to take.
    pub(crate) fn may_put(&self) -> bool {
        self.len() < self.capacity()
            || self.is_closed()
            || self.sides().is_deserted(Side::Receiving)
    }

    /// Whether a get would not block: there is a message, or nobody to put one.
    pub(crate) fn may_get(&self) -> bool {
        self.len() > 0 || self.is_closed() || self.sides().is_deserted(Side::Sending)
    }

    /// Adds what will change when a get would not block to `sleep`.
    pub(crate) fn prepare_get<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.handle.before_sleep();
        self.shared.not_empty.prepare(sleep);
        self.sides().watch(Side::Sending, sleep);
        if self.sides().look_after(Side::Sending) != Deadline::NEVER {
            sleep.nap(ROUND);
        }
    }

    /// Adds what will change when a put would not block to `sleep`.
    pub(crate) fn prepare_put<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.handle.before_sleep();
        self.shared.not_full.prepare(sleep);
        self.sides().watch(Side::Receiving, sleep);
        if self.sides().look_after(Side::Receiving) != Deadline::NEVER {
            sleep.nap(ROUND);
        }
    }

    /// Puts the messages that there is room for with as few commits as can be, but at least one
    /// message. One that has parts has a commit of its own: a burial looks for parts that were not
    /// committed in the slot of number `tail` alone.
    fn put_run(
        &self,
        payloads: &mut [Payload<'_>],
        deadline: Deadline,
    ) -> Result<usize, PutRefusal> {
        let locked = Locked::new(&self.shared.producer, deadline).ok_or(PutRefusal::Full)?;
        if self.is_closed() || self.sides().is_surely_deserted(Side::Receiving) {
            drop(locked);
            self.empty();
            self.sides().bury(Side::Receiving);
            return Err(PutRefusal::Closed);
        }
        let tail = self.shared.tail.0.load(Relaxed);
        let head = self.shared.head.0.load(Acquire); // PAIR head: with the store in `take`.
        let count = self.count(head, tail).map_err(PutRefusal::Failed)?;
        if count == self.capacity() {
            return Err(PutRefusal::Full);
        }
        kill_point("channel.put.locked");
        let (mut written, mut committed) = (0, 0);
        for payload in payloads.iter_mut().take(self.capacity() - count) {
            let number = tail.wrapping_add(written as u64);
            let done = self.fit(payload, head, number).and_then(|position| {
                if payload.form().has_parts() && written > committed {
                    self.commit_put(number);
                    committed = written;
                }
                self.write(payload, position, number)
            });
            match done {
                Ok(()) => written += 1,
                Err(error) if written == 0 => return Err(PutRefusal::Failed(error)),
                // The others are put; the next attempt begins with this one.
                Err(_) => break,
            }
            kill_point("channel.put.written");
            if payload.form().has_parts() {
                self.commit_put(number.wrapping_add(1));
                committed = written;
                payload.sent();
                if self.is_shut() {
                    // Nobody may come who frees it.
                    self.empty_again();
                }
            }
        }
        if written > committed {
            self.commit_put(tail.wrapping_add(written as u64));
            // Also without parts a message may carry what is counted.
            payloads[..written].iter_mut().for_each(Payload::sent);
        }
        Ok(written)
    }

    fn commit_put(&self, tail: u64) {
        self.shared.not_empty.ring_after(|| {
            // PAIR tail: the messages are written before they are there to be taken.
            self.shared.tail.0.store(tail, Release);
            kill_point("channel.put.committed");
        });
        kill_point("channel.put.rung");
    }

    /// Takes up to `most` messages with one commit, and gives them to `sink` without the lock.
    fn take(
        &self,
        most: usize,
        deadline: Deadline,
        sink: &mut impl FnMut(Result<Message, Error>),
    ) -> Result<(), GetRefusal> {
        // Asked before the look at the tail: what was put before the end is seen by that look.
        let ended = self.is_closed() || self.sides().is_surely_deserted(Side::Sending);
        let locked = Locked::new(&self.shared.consumer, deadline).ok_or(GetRefusal::Empty)?;
        let head = self.shared.head.0.load(Relaxed);
        let tail = self.shared.tail.0.load(Acquire); // PAIR tail: with the store in `commit_put`.
        let count = self.count(head, tail).map_err(GetRefusal::Failed)?;
        if count == 0 || self.is_shut() {
            drop(locked);
            if !ended && !self.is_shut() {
                return Err(GetRefusal::Empty);
            }
            self.empty();
            self.sides().bury(Side::Sending);
            return Err(GetRefusal::Closed);
        }
        kill_point("channel.get.locked");
        let first = match self.read(head) {
            Err(_) if self.is_shut() => return Err(GetRefusal::Closed),
            first => first.map_err(GetRefusal::Failed)?,
        };
        let mut others = Vec::new();
        for number in 1..count.min(most) as u64 {
            match self.read(head.wrapping_add(number)) {
                Ok(taken) => others.push(taken),
                // Who takes it next is told.
                Err(_) => break,
            }
        }
        kill_point("channel.get.read");
        self.shared.not_full.ring_after(|| {
            let head = head.wrapping_add(1 + others.len() as u64);
            // PAIR head: the messages are read before their places are there to be written.
            self.shared.head.0.store(head, Release);
            kill_point("channel.get.committed");
        });
        drop(locked);
        kill_point("channel.get.unlocked");
        std::iter::once(first).chain(others).map(Taken::finish).for_each(sink);
        Ok(())
    }

    /// How many messages there are, under the lock of either side.
    fn count(&self, head: u64, tail: u64) -> Result<usize, Error> {
        let count = usize::try_from(tail.wrapping_sub(head)).map_err(|_| CORRUPT)?;
        if count <= self.capacity() { Ok(count) } else { Err(CORRUPT) }
    }

    /// Who sends into the channel, and who receives from it.
    pub(crate) fn sides(&self) -> Sides<'_> {
        Sides::new(&self.handle, &self.shared.seen, 0)
    }

    /// Where the bell lies that those who wait for this side listen to.
    fn bell_offset(handle: &Handle, layout: Layout, side: Side) -> usize {
        handle.body() + layout.shared_at() + Shared::bell_of_peers(side)
    }
}

/// A channel's words, seen without a handle.
#[derive(Clone, Copy)]
struct View {
    shared: &'static Shared,
    layout: Layout,
}

impl View {
    /// How far the channel has ended.
    fn end(self) -> u32 {
        self.shared.closed.load(Acquire) // PAIR closed: with the store in `Channel::end`.
    }

    /// How many messages have been taken, and how many put, at one moment.
    fn counts(self) -> (u64, u64) {
        let mut head = self.shared.head.0.load(Acquire); // PAIR head
        loop {
            let tail = self.shared.tail.0.load(Acquire); // PAIR tail
            let now = self.shared.head.0.load(Acquire); // PAIR head
            // Both numbers are of the same moment, or the head moved on: then look again.
            if now == head {
                return (head, tail);
            }
            head = now;
        }
    }
}

/// One side's lock, released when dropped. A dead owner leaves nothing to repair: see the head.
struct Locked(&'static RobustLock);

impl Locked {
    fn new(lock: &'static RobustLock, deadline: Deadline) -> Option<Self> {
        lock.lock(deadline).map(|_acquired| Self(lock))
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.0.unlock();
    }
}

impl Shared {
    /// The bell that rings when the last of `side` goes, for the other side's sleepers.
    fn bell_of_peers(side: Side) -> usize {
        match side {
            Side::Sending => std::mem::offset_of!(Shared, not_empty),
            Side::Receiving => std::mem::offset_of!(Shared, not_full),
        }
    }
}

const _: () = assert!(size_of::<Bell>() == 64);

#[cfg(test)]
mod tests;
