//! The shelf: messages that are given out in an order of their own, or must be answered for. All
//! queues but the first-in-first-out one of bytes are its faces.
//!
//! An item lies in a slot, and its word says all about it:
//!
//! | word of the item        | meaning                                                            |
//! |-------------------------|--------------------------------------------------------------------|
//! | vacant                  | no item                                                            |
//! | ready, n deliveries     | the item waits for a taker                                         |
//! | taken by p, n deliveries | process p has it and will answer for it, or die                   |
//! | failed, n deliveries    | nobody is to have it any more; kept to be looked at                |
//!
//! | word of the shelf | meaning                                                                  |
//! |-------------------|--------------------------------------------------------------------------|
//! | `end`             | open; closed for puts; closed, and what waits is thrown away             |
//!
//! Whatever happens is one store of one of these words, under the lock. [`item`] decides which
//! word comes next. All else is computed from them, and is computed anew when someone was stopped
//! in the middle: the index that says which item comes first, the counts, the chains of slots.
//!
//! Slots lie in chunks, each twice as large as the one before, so that growth moves nothing and
//! items that are taken need not be counted against the capacity.
//!
//! # Why no wake-up is lost
//!
//! The store that makes an item ready happens inside a ring of `not_empty`; one that makes room,
//! inside a ring of `not_full`; one that may be the last answer, inside a ring of `all_done`. One
//! that concerns two bells is inside the ring of the bell whose sleepers have no other witness, and
//! the other bell is rung after it: those who wait for an item watch the lives of all processes
//! that hold the shelf, and a new one rings for them; those who wait for an item that was given up
//! look for themselves now and then. Whoever waits looks at counts, which follow the stores: if a
//! process dies between them, the lock is orphaned, and that is looked at as well.
//!
//! # What a dead process leaves
//!
//! *Before its store*: a vacant slot with something in it, which the next one clears. *After it*:
//! counts, chains and an index that may not fit the items. In both cases the lock is found with its
//! owner dead, or the mark `untidy` set, and the next one walks over the slots. *Outside the lock*:
//! the items that it had taken, under its tag. Whoever waits for an item sees its death and gives
//! them to others; whoever takes one looks from time to time. *A message taken for good*: is gone
//! with its taker; if it was long, its block is freed when the slot is next used.

mod burial;
mod chain;
mod contents;
mod count;
mod healing;
mod holders;
mod index;
mod item;
mod layout;
mod locked;
mod slots;
mod waiting;

use std::mem::offset_of;
use std::time::Duration;

use brigade_sys::atomic::Ordering::Relaxed;
use brigade_sys::kill_point::kill_point;
use brigade_sys::time::Deadline;

pub(crate) use self::burial::{bury, bury_message};
use self::chain::Slots;
use self::item::{End, Event, State};
use self::layout::{CHUNKS, LENGTH, PARTS, SHARED_AT, Shared};
use self::locked::Locked;
use self::slots::{Chunks, Numbered};
use crate::arena::block::Kind;
use crate::arena::census::{self, Tag};
use crate::arena::heap::{self, Plan};
use crate::channel::{GetRefusal, PutRefusal};
use crate::error::Error;
use crate::handle::Handle;
use crate::message::{Message, Payload};
use crate::sides::{Side, Sides};
use crate::transit::Contents;

const CORRUPT: Error = Error::Corrupt("a queue's bookkeeping makes no sense");

/// How long an operation that does not wait lets another finish that holds the lock: much longer
/// than any takes, unless its process is stopped.
const PATIENCE: Duration = Duration::from_millis(200);

/// After how many takes a taker looks whether another has died, though it would not have to wait.
const LOOKS_AFTER: u64 = 64;

/// A shelf as this process sees it.
#[derive(Clone)]
pub(crate) struct Shelf {
    handle: Handle,
    shared: &'static Shared,
    chunks: Chunks,
}

/// Which item comes first, and what its taker owes.
pub trait Discipline {
    /// What items are compared by: the least comes first.
    type Rank: Ord;

    /// What a handle of such a queue is known by, so that it is not taken for another's.
    const SHAPE: u32;

    /// The queue's name.
    const NAME: &'static str;

    /// How an item is taken by those who do not say how.
    const TAKING: Taking;

    /// Whom the end waits for.
    const END: Patience;

    /// The rank of an item. Does not fail: any bytes may come as a key.
    fn rank(label: &Label<'_>) -> Self::Rank;
}

/// What an item is ranked by.
#[derive(Clone, Copy, Debug)]
pub struct Label<'a> {
    /// Its number in the order of arrival.
    pub arrival: u64,
    /// From when on it may be taken, in nanoseconds of the monotonic clock.
    pub due: u64,
    /// Its key, as it was written.
    pub key: &'a [u8],
}

/// Whether a taker will answer for what it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taking {
    /// It takes the item for good.
    ForGood,
    /// It takes the item on trust: the item comes back if it dies.
    OnTrust,
}

/// When a shelf into which nobody will put has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// As soon as it is empty.
    Empty,
    /// When it is empty and nothing can come back to it from others.
    Answered,
}

/// A message that is to be put.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) contents: &'a Contents,
    /// How many of the bytes, from the first on, are the key.
    pub(crate) key: usize,
    pub(crate) due: u64,
}

/// An item that this process has taken and will answer for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    number: usize,
    arrival: u64,
}

/// What becomes of an item that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    Returned,
    Rejected,
}

/// A message, and where its key ends.
#[derive(Debug)]
pub(crate) struct Letter {
    message: Message,
    key: usize,
}

impl Letter {
    /// Gives the key and what follows it to `decode`.
    pub(crate) fn read<R>(self, decode: impl FnOnce(&[u8], &[u8]) -> R) -> R {
        let key = self.key;
        self.message.read(|bytes| {
            let (key, value) = bytes.split_at(key.min(bytes.len()));
            decode(key, value)
        })
    }
}

/// A message that was taken.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) letter: Letter,
    /// The right to answer for it, if it was taken on trust.
    pub(crate) ticket: Ticket,
    /// How often it has been taken on trust.
    pub(crate) deliveries: u16,
}

impl Shelf {
    /// Makes a shelf on which `capacity` items can wait; `shape` says of which face it is.
    pub(crate) fn new(capacity: usize, shape: u32) -> Result<Self, Error> {
        let parts = PARTS as u32;
        let handle = Handle::create(Plan { kind: Kind::Shelf, shape, length: LENGTH, parts })?;
        let shelf = Self::open(handle)?;
        shelf.shared.capacity.store(capacity as u64, Relaxed);
        let bell = |bell: usize| shelf.handle.body() + SHARED_AT + bell;
        let not_empty = bell(offset_of!(Shared, not_empty));
        shelf.sides().create(Side::Sending, not_empty)?;
        shelf.sides().create(Side::Receiving, bell(offset_of!(Shared, not_full)))?;
        // Those who wait for an item watch all who may take one, and must watch a new one too.
        heap::ring_when_abandoned(shelf.handle.arena(), shelf.handle.place(), not_empty);
        Ok(shelf)
    }

    /// The shelf behind a handle, checked.
    pub(crate) fn open(handle: Handle) -> Result<Self, Error> {
        let (arena, place) = (handle.arena(), handle.place());
        let shared = arena.mapping().get(handle.body() + SHARED_AT);
        match (shared, heap::length_of(arena, place)) {
            (Some(shared), Some(LENGTH)) => Ok(Self { handle, shared, chunks: Chunks::default() }),
            _ => Err(CORRUPT),
        }
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Who puts into the shelf, and who takes from it.
    pub(crate) fn sides(&self) -> Sides<'_> {
        Sides::new(&self.handle, &self.shared.seen, CHUNKS)
    }

    pub(crate) fn capacity(&self) -> usize {
        usize::try_from(self.shared.capacity.load(Relaxed)).unwrap_or(usize::MAX)
    }

    /// How many items wait now.
    pub(crate) fn len<D: Discipline>(&self) -> usize {
        self.tidy::<D>();
        self.ready()
    }

    /// How many items were put and are not done with.
    pub(crate) fn unfinished<D: Discipline>(&self) -> usize {
        self.tidy::<D>();
        self.unfinished_now()
    }

    /// How many items were given up.
    pub(crate) fn failed<D: Discipline>(&self) -> usize {
        self.tidy::<D>();
        self.shared.caches.failed.get() as usize
    }

    /// Gives an item up that comes back after `most` deliveries.
    pub(crate) fn limit_deliveries(&self, most: u16) {
        self.shared.most_deliveries.store(most.into(), Relaxed);
    }

    /// Ends the putting; what is there can still be taken.
    pub(crate) fn close(&self) {
        let shared = self.shared;
        shared.not_full.ring_all_after(|| self.raise_end(End::Closed));
        kill_point("shelf.end.rung");
        shared.not_empty.ring_all_after(|| ());
        shared.given_up.ring_all_after(|| ());
        kill_point("shelf.end.told");
    }

    /// Ends the putting and throws away what waits.
    pub(crate) fn discard<D: Discipline>(&self) {
        // One after the other: those who wait for room hear of the first, those who wait for the
        // last answer of the second, wherever this process dies.
        self.close();
        self.shared.all_done.ring_all_after(|| self.raise_end(End::Discarded));
        // If there is litter, whoever has the lock next takes it away: one who stands still inside
        // is not waited for, and an error is told to the next.
        let _ = Locked::<D>::new(self, Deadline::after(PATIENCE));
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.end() != End::Open
    }

    /// Answers for an item that this process has taken; false when it has no right to.
    pub(crate) fn answer<D: Discipline>(
        &self,
        ticket: Ticket,
        answer: Answer,
    ) -> Result<bool, Error> {
        let by = self.handle.arena().tag()?;
        let locked = self.lock::<D>()?;
        let item = locked.slot(ticket.number)?;
        let is_ours = matches!(item.state(), State::Taken { by: taker, .. } if taker == by);
        if !is_ours || item.arrival() != ticket.arrival {
            return Ok(false);
        }
        let event = match answer {
            Answer::Done => Event::Acknowledge { by },
            Answer::Returned => Event::GiveBack { by },
            Answer::Rejected => Event::Reject { by },
        };
        locked.settle(item, event)?;
        Ok(true)
    }

    /// Says that the first of the items that this process has taken is done with; false when it
    /// has taken none.
    pub(crate) fn acknowledge_first<D: Discipline>(&self) -> Result<bool, Error> {
        let by = self.handle.arena().tag()?;
        let locked = self.lock::<D>()?;
        let Some(item) = locked.first_taken_by(by)? else { return Ok(false) };
        locked.settle(item, Event::Acknowledge { by })?;
        Ok(true)
    }

    fn lock<D: Discipline>(&self) -> Result<Locked<'_, D>, Error> {
        Locked::new(self, Deadline::NEVER)?.ok_or(CORRUPT)
    }

    fn put_now<D: Discipline>(
        &self,
        draft: &Draft<'_>,
        payload: &mut Payload<'_>,
        deadline: Deadline,
    ) -> Result<(), PutRefusal> {
        let locked = Locked::<D>::new(self, deadline).map_err(PutRefusal::Failed)?;
        let locked = locked.ok_or(PutRefusal::Full)?;
        if self.is_closed() || self.sides().is_surely_deserted(Side::Receiving) {
            drop(locked);
            self.sides().bury(Side::Receiving);
            return Err(PutRefusal::Closed);
        }
        if locked.ready() >= self.capacity() {
            return Err(PutRefusal::Full);
        }
        kill_point("shelf.put.begun");
        let arena = self.handle.arena();
        let put = locked.put(|item| contents::write(arena, item, draft, payload));
        put.map_err(PutRefusal::Failed)?;
        payload.sent();
        drop(locked);
        if self.end() == End::Discarded {
            // It came too late to be thrown away with the others, and nobody may come who does it.
            self.discard::<D>();
        }
        Ok(())
    }

    fn take_now<D: Discipline>(
        &self,
        taking: Taking,
        deadline: Deadline,
    ) -> Result<Taken, GetRefusal> {
        let by = self.handle.arena().tag().map_err(GetRefusal::Failed)?;
        let locked = Locked::<D>::new(self, deadline).map_err(GetRefusal::Failed)?;
        let locked = locked.ok_or(GetRefusal::Empty)?;
        let Some(item) = locked.next_for(by).map_err(GetRefusal::Failed)? else {
            let ended = self.has_ended::<D>(by) && self.surely_nobody_will_put();
            drop(locked);
            if !ended {
                return Err(GetRefusal::Empty);
            }
            self.sides().bury(Side::Sending);
            return Err(GetRefusal::Closed);
        };
        let ticket = Ticket { number: item.number, arrival: item.arrival() };
        let key = contents::key_of(item);
        let taken = match taking {
            Taking::ForGood => take_for_good(locked, item).map(|message| (message, 0)),
            Taking::OnTrust => take_on_trust(locked, item, by),
        };
        let (message, deliveries) = taken.map_err(GetRefusal::Failed)?;
        Ok(Taken { letter: Letter { message, key }, ticket, deliveries })
    }

    /// Takes an item that was given up, if there is one.
    fn collect_now<D: Discipline>(&self, deadline: Deadline) -> Result<Letter, GetRefusal> {
        let locked = Locked::<D>::new(self, deadline).map_err(GetRefusal::Failed)?;
        let locked = locked.ok_or(GetRefusal::Empty)?;
        let Some(item) = locked.first_failed().map_err(GetRefusal::Failed)? else {
            let ended = self.is_over() && self.surely_nobody_will_put();
            return Err(if ended { GetRefusal::Closed } else { GetRefusal::Empty });
        };
        let key = contents::key_of(item);
        let message = collect(locked, item).map_err(GetRefusal::Failed)?;
        Ok(Letter { message, key })
    }
}

fn take_for_good<D: Discipline>(locked: Locked<'_, D>, item: Numbered) -> Result<Message, Error> {
    let (parts, short) = contents::hold(locked.shelf.handle.arena(), item)?;
    kill_point("shelf.take.held");
    locked.take(item, Event::Get)?;
    drop(locked);
    parts.taken(short)
}

fn take_on_trust<D: Discipline>(
    locked: Locked<'_, D>,
    item: Numbered,
    by: Tag,
) -> Result<(Message, u16), Error> {
    let arena = locked.shelf.handle.arena();
    // So that those who wait for the item hear of this process's death at once.
    census::hold_life(arena, by);
    locked.take(item, Event::Borrow { by })?;
    let deliveries = match item.state() {
        State::Taken { deliveries, .. } => deliveries,
        _ => 0,
    };
    // Before the lock goes: another thread of this process may call the first item that the process
    // has taken done, which is this one, and then the slot is another item's.
    let message = contents::copy(arena, item);
    drop(locked);
    Ok((message?, deliveries))
}

fn collect<D: Discipline>(locked: Locked<'_, D>, item: Numbered) -> Result<Message, Error> {
    let (parts, short) = contents::hold(locked.shelf.handle.arena(), item)?;
    locked.settle(item, Event::Collect)?;
    drop(locked);
    parts.taken(short)
}
