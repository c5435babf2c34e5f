//! The channel: messages from many to many, in order, by bytes. Queues and pipes are its faces.
//!
//! ```text
//! +----------------------------+--------+----------------+---------------------+
//! | parts: senders, receivers, | Shared | slot 0 .. n-1  | ring of bytes       |
//! | long message of slot 0 ..  |        | where, how long| short messages      |
//! +----------------------------+--------+----------------+---------------------+
//! ```
//!
//! `tail` counts the messages put, `head` those taken; message number `i` is described by slot
//! `i % n`. A message that fits lies in the ring of bytes; another has a block of its own, which is
//! a part of the channel until it is taken.
//!
//! | word        | written by                | commits                                         |
//! |-------------|---------------------------|-------------------------------------------------|
//! | `tail`      | who holds `producer`      | the message in slot `tail % n`                  |
//! | `head`      | who holds `consumer`      | the taking of the message in slot `head % n`    |
//! | `closed`    | anyone, once, from 0 to 1 | the end of putting                              |
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
//! overwrites, and perhaps a block in its slot, which the next producer frees. *After it*: a
//! message. *A consumer before the store of `head`*: nothing. *After it*: the message is gone with
//! the process that had taken it. In each case the lock is found with its owner dead, and there
//! is nothing to repair.
//!
//! The design is the two-lock queue of Michael and Scott (PODC 1996) over an array, with robust
//! locks and a single committing store on each side.

mod bytes;
mod endpoint;
mod layout;

use std::time::Duration;

use brigade_sys::atomic::Ordering::{Acquire, Relaxed, Release};
use brigade_sys::bell::Bell;
use brigade_sys::kill_point::kill_point;
use brigade_sys::robust::RobustLock;
use brigade_sys::time::Deadline;
use brigade_sys::wait::Sleep;

pub(crate) use self::bytes::Payload;
pub(crate) use self::endpoint::{Endpoint, Side};
use self::layout::{Layout, Shared, Slot};
use crate::arena::block::Kind;
use crate::arena::heap::{self, Place, Plan};
use crate::error::Error;
use crate::handle::Handle;

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
        for side in [Side::Sending, Side::Receiving] {
            endpoint::create(&handle, side, Self::bell_offset(&handle, layout, side))?;
        }
        Self::open(handle)
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
        let mut head = self.shared.head.0.load(Acquire); // PAIR head
        loop {
            let tail = self.shared.tail.0.load(Acquire); // PAIR tail
            let now = self.shared.head.0.load(Acquire); // PAIR head
            let count = usize::try_from(tail.wrapping_sub(now)).unwrap_or(usize::MAX);
            // Both numbers are of the same moment, or the head moved on: then look again. Over
            // the capacity it moved past this tail, or the memory was overwritten.
            if now == head {
                return count.min(self.capacity());
            }
            head = now;
        }
    }

    /// Ends the putting; what is there can still be taken.
    pub(crate) fn close(&self) {
        self.shared.not_empty.ring_all_after(|| {
            // PAIR closed: what was put before the close is seen by who sees it closed.
            self.shared.closed.store(1, Release);
            kill_point("channel.closed");
        });
        self.shared.not_full.ring_all_after(|| ());
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.shared.closed.load(Acquire) != 0 // PAIR closed: with the store in `close`.
    }

    /// Puts a message, waiting for room until `deadline`.
    pub(crate) fn put(&self, bytes: &[u8], deadline: Deadline) -> Result<(), PutRefusal> {
        let payload = self.prepare_payload(bytes).map_err(PutRefusal::Failed)?;
        loop {
            match self.put_now(&payload, deadline) {
                Err(PutRefusal::Full) if !deadline.is_past() => {}
                done => return done,
            }
            self.handle.before_sleep();
            let watch = |sleep: &mut Sleep<'static>| self.watch(Side::Receiving, sleep);
            let look = || self.may_put().then_some(());
            if self.shared.not_full.wait(deadline, look, watch).is_none() {
                return Err(PutRefusal::Full);
            }
        }
    }

    /// Puts a message if there is room. Waits for another producer, but not for one that stands
    /// still.
    pub(crate) fn try_put(&self, bytes: &[u8]) -> Result<(), PutRefusal> {
        if !self.may_put() {
            return Err(PutRefusal::Full);
        }
        let payload = self.prepare_payload(bytes).map_err(PutRefusal::Failed)?;
        self.put_now(&payload, Deadline::after(PATIENCE))
    }

    /// Takes the first message, waiting for one until `deadline`.
    pub(crate) fn get(&self, deadline: Deadline) -> Result<Vec<u8>, GetRefusal> {
        loop {
            match self.get_now(deadline) {
                Err(GetRefusal::Empty) if !deadline.is_past() => {}
                done => return done,
            }
            self.handle.before_sleep();
            let watch = |sleep: &mut Sleep<'static>| self.watch(Side::Sending, sleep);
            let look = || self.may_get().then_some(());
            if self.shared.not_empty.wait(deadline, look, watch).is_none() {
                return self.get_now(deadline);
            }
        }
    }

    /// Takes the first message if there is one. Waits for another consumer, but not for one that
    /// stands still.
    pub(crate) fn try_get(&self) -> Result<Vec<u8>, GetRefusal> {
        self.get_now(Deadline::after(PATIENCE))
    }

    /// Whether a put would not block: there is room, or nobody to take.
    pub(crate) fn may_put(&self) -> bool {
        self.len() < self.capacity() || self.is_closed() || self.is_deserted(Side::Receiving)
    }

    /// Whether a get would not block: there is a message, or nobody to put one.
    pub(crate) fn may_get(&self) -> bool {
        self.len() > 0 || self.is_closed() || self.is_deserted(Side::Sending)
    }

    /// Adds what will change when a get would not block to `sleep`.
    pub(crate) fn prepare_get<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.handle.before_sleep();
        self.shared.not_empty.prepare(sleep);
        self.watch(Side::Sending, sleep);
    }

    /// Adds what will change when a put would not block to `sleep`.
    pub(crate) fn prepare_put<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.handle.before_sleep();
        self.shared.not_full.prepare(sleep);
        self.watch(Side::Receiving, sleep);
    }

    fn put_now(&self, payload: &Payload<'_>, deadline: Deadline) -> Result<(), PutRefusal> {
        let locked = Locked::new(&self.shared.producer, deadline).ok_or(PutRefusal::Full)?;
        if self.is_closed() || self.is_surely_deserted(Side::Receiving) {
            drop(locked);
            self.bury(Side::Receiving);
            return Err(PutRefusal::Closed);
        }
        let tail = self.shared.tail.0.load(Relaxed);
        let head = self.shared.head.0.load(Acquire); // PAIR head: with the store in `get_now`.
        match self.count(head, tail).map_err(PutRefusal::Failed)? {
            count if count < self.capacity() as u64 => {}
            _ => return Err(PutRefusal::Full),
        }
        kill_point("channel.put.locked");
        self.write(payload, head, tail).map_err(PutRefusal::Failed)?;
        kill_point("channel.put.written");
        self.shared.not_empty.ring_after(|| {
            // PAIR tail: the message is written before it is there to be taken.
            self.shared.tail.0.store(tail.wrapping_add(1), Release);
            kill_point("channel.put.committed");
        });
        kill_point("channel.put.rung");
        Ok(())
    }

    fn get_now(&self, deadline: Deadline) -> Result<Vec<u8>, GetRefusal> {
        // Asked before the look at the tail: what was put before the end is seen by that look.
        let ended = self.is_closed() || self.is_surely_deserted(Side::Sending);
        let locked = Locked::new(&self.shared.consumer, deadline).ok_or(GetRefusal::Empty)?;
        let head = self.shared.head.0.load(Relaxed);
        let tail = self.shared.tail.0.load(Acquire); // PAIR tail: with the store in `put_now`.
        if self.count(head, tail).map_err(GetRefusal::Failed)? == 0 {
            drop(locked);
            if !ended {
                return Err(GetRefusal::Empty);
            }
            self.bury(Side::Sending);
            return Err(GetRefusal::Closed);
        }
        kill_point("channel.get.locked");
        let taken = self.read(head).map_err(GetRefusal::Failed)?;
        kill_point("channel.get.read");
        self.shared.not_full.ring_after(|| {
            // PAIR head: the message is read before its place is there to be written.
            self.shared.head.0.store(head.wrapping_add(1), Release);
            kill_point("channel.get.committed");
        });
        drop(locked);
        kill_point("channel.get.unlocked");
        self.finish(taken).map_err(GetRefusal::Failed)
    }

    /// How many messages there are, under the lock of either side.
    fn count(&self, head: u64, tail: u64) -> Result<u64, Error> {
        let count = tail.wrapping_sub(head);
        if count <= self.capacity() as u64 { Ok(count) } else { Err(CORRUPT) }
    }

    /// As [`is_deserted`](Self::is_deserted), when no endpoint can move meanwhile. Takes the
    /// heap's lock.
    fn is_surely_deserted(&self, side: Side) -> bool {
        self.is_deserted(side)
            && self
                .endpoint(side)
                .is_none_or(|it| heap::is_surely_abandoned(self.handle.arena(), it))
    }

    /// Whether endpoints of this side were made and none seems left with a living process.
    fn is_deserted(&self, side: Side) -> bool {
        self.shared.was_seen(side)
            && self.endpoint(side).is_none_or(|it| heap::is_abandoned(self.handle.arena(), it))
    }

    fn bury(&self, side: Side) {
        if let Some(endpoint) = self.endpoint(side) {
            heap::bury_holders(self.handle.arena(), endpoint);
        }
    }

    fn watch(&self, side: Side, sleep: &mut Sleep<'_>) {
        if self.shared.was_seen(side)
            && let Some(endpoint) = self.endpoint(side)
        {
            heap::watch_holders(self.handle.arena(), endpoint, sleep);
        }
    }

    fn endpoint(&self, side: Side) -> Option<Place> {
        heap::part(self.handle.arena(), self.handle.place(), side.part())
    }

    /// Where the bell lies that those who wait for this side listen to.
    fn bell_offset(handle: &Handle, layout: Layout, side: Side) -> usize {
        handle.body() + layout.shared_at() + Shared::bell_of_peers(side)
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
