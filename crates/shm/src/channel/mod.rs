//! The channel: messages from many to many, in order, by bytes. Queues and pipes are its faces.
//!
//! ```text
//! +----------------------------+--------+-----------------------------------+
//! | parts: senders, receivers, | Shared | ring: one record for each message |
//! | two for each slot          |        | its form, and short ones' bytes   |
//! +----------------------------+--------+-----------------------------------+
//! ```
//!
//! `tail` says how many messages were put and where in the [ring] the next begins, `head` the same
//! of those taken: one word each, a [mark]. A message that fits lies in the ring; another has a
//! block of its own. What a message carries is kept by its cargo. Both are parts of the channel
//! until the message is taken, in the slot that its number tells: see [`crate::message`].
//!
//! | word        | written by                | commits                                         |
//! |-------------|---------------------------|-------------------------------------------------|
//! | `tail`      | who holds `producer`      | the messages between it and the tail before     |
//! | `head`      | who holds `consumer`      | the taking of those between it and the one before|
//! | `closed`    | anyone, only upwards      | from 1 on: the end of putting; from 2 on: the   |
//! |             |                           | messages are destroyed; 3: and freed            |
//!
//! Each side also keeps the other's mark as it saw it last, and looks again when there is nothing to
//! do by that: the other's mark only moves on, so an old one is never too much.
//!
//! # Why no wake-up is lost
//!
//! The store of `tail` happens inside a ring of `not_empty`, that of `head` inside a ring of
//! `not_full`, and a closing rings both for all. The last producer (or consumer) to go rings
//! through its endpoint; if it dies, the kernel wakes those who watch it.
//!
//! # What a dead process leaves
//!
//! *A producer before the store of `tail`*: units beyond the last message, which the next producer
//! overwrites, and perhaps parts in the slot of number `tail`, which its burial frees, or the next
//! producer. *After it*: messages. *A consumer before the store of `head`*: nothing. *After it*: the
//! messages are gone with the process that had taken them, and with its burial what they carried. In
//! each case the lock is found with its owner dead, and there is nothing to repair: what a side has
//! seen of the other is true whoever saw it. *Who ended the channel at once, after the store of
//! `closed`*: destroyed messages, which the next who comes frees, or its burial. *Who ended it and has
//! not rung `not_full`*: those who wait for room hear of it when they look for themselves, which every
//! sleeper on a bell does now and then.
//!
//! The design is the two-lock queue of Michael and Scott (PODC 1996) over an array, with robust
//! locks and a single committing store on each side; that each side remembers the other's mark is
//! from the ring of Lamport as improved in MCRingBuffer (Lee, Bu and Chandranmenon, 2009).

mod burial;
mod layout;
mod mark;
mod receiving;
mod ring;
mod sending;
mod waiting;

use std::time::Duration;

use brigade_sys::atomic::Ordering::{Acquire, Relaxed, Release};
use brigade_sys::bell::Bell;
use brigade_sys::kill_point::kill_point;
use brigade_sys::robust::RobustLock;
use brigade_sys::time::Deadline;

pub(crate) use self::burial::{bury, bury_message};
use self::layout::{Layout, Progress, Shared};
use self::mark::Mark;
use self::ring::Ring;
use crate::arena::block::Kind;
use crate::arena::heap::Plan;
use crate::error::Error;
use crate::handle::Handle;
use crate::sides::{Side, Sides};

/// A channel as this process sees it.
#[derive(Clone)]
pub(crate) struct Channel {
    handle: Handle,
    shared: &'static Shared,
    ring: Ring,
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

/// How a plain operation went: on one message that carries nothing and lies in the ring.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plain {
    Done,
    /// There was no room, or no message.
    Nothing,
    /// Another of this side had the lock for too long.
    Locked,
    /// There is more to it: nothing was done.
    Other,
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
        layout.note(shared);
        let channel = Self::open(handle)?;
        for side in Side::BOTH {
            let bell = Self::bell_offset(&channel.handle, layout, side);
            channel.sides().create(side, bell)?;
        }
        Ok(channel)
    }

    /// The channel behind a handle, checked.
    pub(crate) fn open(handle: Handle) -> Result<Self, Error> {
        let (mapping, body) = (handle.arena().mapping(), handle.body());
        let layout = Layout::read(handle.arena(), handle.place()).ok_or(CORRUPT)?;
        let shared = mapping.get(body + layout.shared_at()).ok_or(CORRUPT)?;
        let ring = Ring::new(mapping, body, layout).ok_or(CORRUPT)?;
        Ok(Self { handle, shared, ring, layout })
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(crate) fn capacity(&self) -> usize {
        self.layout.capacity() as usize
    }

    /// How many messages are there now.
    pub(crate) fn len(&self) -> usize {
        if self.is_shut() {
            return 0;
        }
        let (head, tail) = self.view().marks();
        // More than the capacity only in overwritten memory.
        tail.messages_since(head).min(self.layout.capacity()) as usize
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

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.view().end() >= CLOSED
    }

    /// Whether the messages are destroyed.
    #[inline]
    fn is_shut(&self) -> bool {
        self.view().end() >= SHUT
    }

    /// Checks that there may be so much between two marks, and says how many messages and units
    /// there are.
    #[inline]
    fn between(&self, head: Mark, tail: Mark) -> Result<(u32, u32), Error> {
        let (messages, units) = (tail.messages_since(head), tail.units_since(head));
        let is_sensible =
            messages <= self.layout.capacity() && units as usize <= self.layout.ring_units();
        if is_sensible { Ok((messages, units)) } else { Err(CORRUPT) }
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
    #[inline]
    fn end(self) -> u32 {
        self.shared.closed.load(Acquire) // PAIR closed: with the store in `Channel::end`.
    }

    /// The head and the tail, at one moment.
    fn marks(self) -> (Mark, Mark) {
        let mut head = self.shared.head.read();
        loop {
            let tail = self.shared.tail.read();
            let now = self.shared.head.read();
            // Both are of the same moment, or the head moved on: then look again.
            if now == head {
                return (head, tail);
            }
            head = now;
        }
    }
}

impl Progress {
    /// The side's mark, and with it what the side has done.
    #[inline]
    fn read(&self) -> Mark {
        // PAIR mark: the tail's messages are written, and the head's are read.
        Mark::from_word(self.mark.0.load(Acquire))
    }

    /// Moves the side's mark: commits. Under the side's lock.
    #[inline]
    fn commit(&self, mark: Mark) {
        // PAIR mark: what was done before is seen by who sees the mark.
        self.mark.0.store(mark.to_word(), Release);
    }

    /// The side's own mark. Under the side's lock.
    #[inline]
    fn own(&self) -> Mark {
        Mark::from_word(self.mark.0.load(Relaxed))
    }

    /// The other side's mark, as it was seen last. Under the side's lock.
    #[inline]
    fn other(&self) -> Mark {
        // What the other had done when it was there came to us with the lock.
        Mark::from_word(self.other.load(Relaxed))
    }

    /// Looks at the mark of `other` again. Under the side's lock.
    #[inline]
    fn look_at(&self, other: &Self) -> Mark {
        let mark = other.read();
        self.other.store(mark.to_word(), Relaxed);
        mark
    }
}

/// One side's lock, released when dropped. A dead owner leaves nothing to repair: see the head.
struct Locked(&'static RobustLock);

impl Locked {
    /// Takes the lock, waiting for it until the moment that `patience` says; `None` when that has
    /// passed.
    #[inline]
    fn new(lock: &'static RobustLock, patience: impl FnOnce() -> Deadline) -> Option<Self> {
        let acquired = lock.try_lock().or_else(|| lock.lock(patience()));
        acquired.map(|_acquired| Self(lock))
    }
}

impl Drop for Locked {
    #[inline]
    fn drop(&mut self) {
        self.0.unlock();
    }
}

/// How long an operation that does not wait for the other side waits for its own.
fn patience() -> Deadline {
    Deadline::after(PATIENCE)
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
