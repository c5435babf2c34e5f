//! The ring behind a broadcast: messages from many to each of many, by bytes.
//!
//! `tail` counts the messages put; message number `i` is in slot `i % n` while `first <= i`. Each
//! subscriber has a seat: a part of the broadcast, with the number of the message that it gets next.
//!
//! | word                | written by               | commits                                         |
//! |---------------------|--------------------------|-------------------------------------------------|
//! | `tail`              | who holds `lock`         | the message in slot `tail % n`, for everybody   |
//! | `first`             | who holds `lock`         | that the messages before it are gone            |
//! | a seat's `position` | who holds the seat's lock| that the subscriber has got the one before      |
//! | a seat's part word  | who holds `lock`         | that there is such a subscriber                 |
//!
//! A place is used again when every subscriber has got the message in it, or, if the broadcast
//! [overwrites](super::Overflow::Overwrite), when it is needed. In the first case the seat's position
//! keeps the message where it is while it is read, in the second the lock does.
//!
//! # Why no wake-up is lost
//!
//! The store of `tail` happens inside a ring of `not_empty` for all, that of a position inside a
//! ring of `not_full`. The end of a seat, or of the last publisher, rings as well; if the kernel
//! ends it, who waits for it is woken, since it watches its holders.
//!
//! # What a dead process leaves
//!
//! *A publisher before the store of `tail`*: bytes in a slot that nobody reads, and perhaps parts
//! there, which the next publisher or its burial frees. *After it*: a message for everybody. *A
//! subscriber before the store of its position*: a message that another of its selves gets. *After
//! it*: the message is gone with it. A seat that no living process holds keeps nobody waiting: who
//! needs its place takes it away. Nothing is to be repaired under either lock.

use std::time::Duration;

use brigade_sys::atomic::Ordering::{Acquire, Relaxed, Release};
use brigade_sys::kill_point::kill_point;
use brigade_sys::robust::RobustLock;
use brigade_sys::time::Deadline;
use brigade_sys::wait::Sleep;

use super::Overflow;
use super::layout::{Layout, PUBLISHERS, SHORT, Seat, Shared, Slot, seats};
use crate::arena::Arena;
use crate::arena::block::Kind;
use crate::arena::census::{self, Tag};
use crate::arena::heap::{self, Place, Plan, body};
use crate::channel::{GetRefusal, PutRefusal};
use crate::error::Error;
use crate::handle::Handle;
use crate::message::{self, Form, Message, PARTS, Payload};
use crate::transit::Contents;

pub(super) const CORRUPT: Error = Error::Corrupt("a broadcast's bookkeeping makes no sense");

/// How long an operation that does not wait lets another finish that holds the lock.
const PATIENCE: Duration = Duration::from_millis(200);

/// How often a sleeper looks for the dead while what it waits for is in a message.
const ROUND: Duration = Duration::from_millis(20);

/// A broadcast as this process sees it.
#[derive(Clone)]
pub(super) struct Ring {
    handle: Handle,
    shared: &'static Shared,
    slots: &'static [Slot],
    layout: Layout,
}

/// A lock, released when dropped. A dead owner leaves nothing to repair: see the head.
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

impl Ring {
    pub(super) fn new(capacity: usize, overflow: Overflow) -> Result<Self, Error> {
        let layout = Layout::new(capacity)?;
        let (length, parts) = (layout.length(), layout.parts());
        let handle = Handle::create(Plan { kind: Kind::Broadcast, shape: 0, length, parts })?;
        let ring = Self::open(handle)?;
        ring.shared.overflow.store(overflow as u32, Relaxed);
        let bell = std::mem::offset_of!(Shared, not_empty);
        ring.make_part(PUBLISHERS, 0, bell, |_| Some(()))?;
        Ok(ring)
    }

    /// The broadcast behind a handle, checked.
    pub(super) fn open(handle: Handle) -> Result<Self, Error> {
        let (arena, body) = (handle.arena(), handle.body());
        let layout = Layout::read(arena, handle.place()).ok_or(CORRUPT)?;
        let shared = arena.mapping().get(body + layout.shared_at()).ok_or(CORRUPT)?;
        let slots = arena.mapping().slice(body + layout.slots_at(), layout.capacity());
        Ok(Self { handle, shared, slots: slots.ok_or(CORRUPT)?, layout })
    }

    /// Makes a part that processes hold, and rings `bell` when nobody does any more.
    fn make_part(
        &self,
        index: usize,
        length: usize,
        bell: usize,
        fill: impl FnOnce(Place) -> Option<()>,
    ) -> Result<(), Error> {
        let (arena, slot) = (self.handle.arena(), self.handle.arena().tag()?.slot);
        let plan = Plan { kind: Kind::Endpoint, shape: 0, length, parts: 0 };
        let part = heap::allocate(arena, slot, plan)?;
        kill_point("broadcast.part.made");
        let bell = self.handle.body() + self.layout.shared_at() + bell;
        heap::ring_when_abandoned(arena, part, bell);
        let made = fill(part).ok_or(CORRUPT);
        let made = made.and_then(|()| heap::attach(arena, slot, part, self.handle.place(), index));
        if made.is_err() {
            heap::release(arena, slot, part)?;
        }
        kill_point("broadcast.part.attached");
        made
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(super) fn capacity(&self) -> usize {
        self.layout.capacity()
    }

    fn overwrites(&self) -> bool {
        self.shared.overflow.load(Relaxed) == Overflow::Overwrite as u32
    }

    /// The hold by which the broadcast does not end.
    pub(super) fn publisher(&self) -> Result<Handle, Error> {
        let publisher = self.handle.part(PUBLISHERS, Kind::Endpoint)?;
        kill_point("broadcast.publisher.held");
        self.shared.mark_published();
        Ok(publisher)
    }

    /// A new seat, which gets what is put from now on.
    pub(super) fn subscribe(&self) -> Result<Handle, Error> {
        let _locked = Locked::new(&self.shared.lock, Deadline::NEVER);
        let index = self.free_seat().ok_or_else(|| {
            let expectation = "a broadcast has at most 64 subscribers";
            Error::Invalid { kind: "subscriber", expectation }
        })?;
        let tail = self.shared.tail.0.load(Relaxed);
        let bell = std::mem::offset_of!(Shared, not_full);
        let arena = self.handle.arena();
        self.make_part(index, size_of::<Seat>(), bell, |part| {
            let seat: &Seat = arena.mapping().get(body(part.offset))?;
            seat.position.store(tail, Relaxed);
            Some(())
        })?;
        // Nobody takes it away meanwhile for want of a holder: that needs the lock.
        self.handle.part(index, Kind::Endpoint)
    }

    /// An empty part word. Takes a seat away that nobody living has, if there is no other. Under
    /// the lock.
    fn free_seat(&self) -> Option<usize> {
        let arena = self.handle.arena();
        let empty = || seats().find(|&index| self.part(index).is_none());
        empty().or_else(|| {
            census::bury_all_dead(arena);
            self.end_abandoned();
            empty()
        })
    }

    fn part(&self, index: usize) -> Option<Place> {
        heap::part(self.handle.arena(), self.handle.place(), index)
    }

    fn seat(&self, place: Place) -> Option<&'static Seat> {
        self.handle.arena().mapping().get(body(place.offset))
    }

    /// Takes the seats away that nobody living has. Under the lock.
    fn end_abandoned(&self) {
        let arena = self.handle.arena();
        for index in seats() {
            if self.part(index).is_some_and(|seat| heap::is_surely_abandoned(arena, seat)) {
                // A corrupt arena is reported to whoever uses it next.
                let _ = heap::detach(arena, self.handle.place(), index);
            }
        }
    }

    /// The seats that somebody living seems to have.
    fn living_seats(&self) -> impl Iterator<Item = Place> {
        let arena = self.handle.arena();
        seats().filter_map(|index| self.part(index)).filter(|&it| !heap::is_abandoned(arena, it))
    }

    /// The oldest message that somebody living has not got, of those before `tail`.
    fn slowest(&self, tail: u64) -> u64 {
        let oldest = tail.saturating_sub(self.capacity() as u64);
        let positions = self.living_seats().filter_map(|place| self.seat(place)).map(|seat| {
            // PAIR position: what the subscriber read it has read before its place is used again.
            seat.position.load(Acquire)
        });
        // A position outside of what there can be was overwritten: it keeps nobody waiting.
        positions.filter(|position| (oldest..=tail).contains(position)).min().unwrap_or(tail)
    }

    /// Ends the putting; what is there can still be got.
    pub(super) fn close(&self) {
        self.shared.not_empty.ring_all_after(|| {
            // PAIR closed: what was put before the close is seen by who sees it closed.
            self.shared.closed.store(1, Release);
            kill_point("broadcast.closed");
        });
        self.shared.not_full.ring_all_after(|| ());
    }

    pub(super) fn is_closed(&self) -> bool {
        self.shared.closed.load(Acquire) != 0 // PAIR closed: with the store in `close`.
    }

    /// Puts a message for everybody, waiting until `deadline` for the slowest to make room.
    pub(super) fn put(
        &self,
        bytes: &[u8],
        contents: &Contents,
        deadline: Deadline,
    ) -> Result<(), PutRefusal> {
        let payload = Payload::prepare(self.handle.arena(), bytes, contents, SHORT);
        let mut payload = payload.map_err(PutRefusal::Failed)?;
        let patience = Deadline::after(PATIENCE);
        loop {
            let turn = if deadline.is_past() { patience } else { deadline };
            match self.put_now(&mut payload, turn) {
                Err(PutRefusal::Full) if !deadline.is_past() => {}
                done => return done,
            }
            self.handle.before_sleep();
            let round = self.look_after_seats();
            let look = || self.may_put().then_some(());
            let watch = |sleep: &mut Sleep<'static>| self.watch_seats(sleep);
            let _ = self.shared.not_full.wait(deadline.min(round), look, watch);
        }
    }

    fn put_now(&self, payload: &mut Payload<'_>, deadline: Deadline) -> Result<(), PutRefusal> {
        let locked = Locked::new(&self.shared.lock, deadline).ok_or(PutRefusal::Full)?;
        if self.is_closed() {
            return Err(PutRefusal::Closed);
        }
        let tail = self.shared.tail.0.load(Relaxed);
        if !self.make_room(tail) {
            return Err(PutRefusal::Full);
        }
        kill_point("broadcast.put.locked");
        self.write(payload, tail).map_err(PutRefusal::Failed)?;
        kill_point("broadcast.put.written");
        self.shared.not_empty.ring_all_after(|| {
            // PAIR tail: the message is written before it is there to be got.
            self.shared.tail.0.store(tail.wrapping_add(1), Release);
            kill_point("broadcast.put.committed");
        });
        drop(locked);
        payload.sent();
        Ok(())
    }

    /// Sees to it that the slot of number `tail` is free. Under the lock.
    fn make_room(&self, tail: u64) -> bool {
        let capacity = self.capacity() as u64;
        let is_free = |first: u64| tail.wrapping_sub(first) < capacity;
        let first = self.shared.first.0.load(Relaxed);
        if is_free(first) {
            return true;
        }
        let new = if self.overwrites() {
            tail.wrapping_sub(capacity - 1)
        } else {
            self.end_abandoned();
            self.slowest(tail)
        };
        // Under the lock; who reads it has the lock too.
        self.shared.first.0.store(new, Relaxed);
        kill_point("broadcast.put.made-room");
        is_free(new)
    }

    /// Writes the message that will be number `tail`. Under the lock; commits nothing.
    fn write(&self, payload: &mut Payload<'_>, tail: u64) -> Result<(), Error> {
        let index = self.layout.slot_of(tail);
        let (arena, place) = (self.handle.arena(), self.handle.place());
        let part = self.layout.part_of_slot(index);
        message::clear(arena, place, part)?;
        let form = payload.form();
        self.slots[index].form.store(form.to_word(), Relaxed);
        if form.has_parts() {
            // The heap's lock, under which the parts are handed over, shows it to a burial.
            self.shared.sender.0.store(arena.tag()?.to_word(), Relaxed);
            kill_point("broadcast.put.announced");
            payload.hand_over(place, part)?;
        }
        if form.is_long() {
            return Ok(());
        }
        let at = self.handle.body() + self.layout.bytes_at(index);
        arena.mapping().write(at, payload.bytes()).ok_or(CORRUPT)
    }

    /// Gets the next message of a seat, waiting for one until `deadline`.
    pub(super) fn get(&self, seat: &Handle, deadline: Deadline) -> Result<Message, GetRefusal> {
        let patience = Deadline::after(PATIENCE);
        loop {
            let turn = if deadline.is_past() { patience } else { deadline };
            match self.get_now(seat, turn) {
                Err(GetRefusal::Empty) if !deadline.is_past() => {}
                done => return done,
            }
            self.handle.before_sleep();
            let round = self.look_after_publishers();
            let look = || self.may_get(seat).then_some(());
            let watch = |sleep: &mut Sleep<'static>| self.watch_publishers(sleep);
            let _ = self.shared.not_empty.wait(deadline.min(round), look, watch);
        }
    }

    fn get_now(&self, handle: &Handle, deadline: Deadline) -> Result<Message, GetRefusal> {
        // Asked before the look at the tail: what was put before the end is seen by that look.
        let ended = self.is_closed() || self.is_surely_deserted();
        let seat = self.seat(handle.place()).ok_or(GetRefusal::Failed(CORRUPT))?;
        let locked = Locked::new(&seat.lock, deadline).ok_or(GetRefusal::Empty)?;
        let writers = if self.overwrites() {
            Some(Locked::new(&self.shared.lock, deadline).ok_or(GetRefusal::Empty)?)
        } else {
            None
        };
        let tail = self.shared.tail.0.load(Acquire); // PAIR tail: with the store in `put_now`.
        let position = self.next_of(seat, tail);
        if position == tail {
            return Err(if ended { GetRefusal::Closed } else { GetRefusal::Empty });
        }
        kill_point("broadcast.get.locked");
        let message = self.read(position).map_err(GetRefusal::Failed)?;
        kill_point("broadcast.get.read");
        drop(writers);
        self.shared.not_full.ring_after(|| {
            // PAIR position: the message is read before its place is there to be written.
            seat.position.store(position.wrapping_add(1), Release);
            kill_point("broadcast.get.committed");
        });
        drop(locked);
        Ok(message)
    }

    /// The number of the message that comes next for a seat, which has it counted if it has missed
    /// some. Under the seat's lock, and the publishers' too if they overwrite.
    fn next_of(&self, seat: &Seat, tail: u64) -> u64 {
        let position = seat.position.load(Relaxed);
        let capacity = self.capacity() as u64;
        let oldest = if self.overwrites() {
            self.shared.first.0.load(Relaxed)
        } else {
            tail.saturating_sub(capacity)
        };
        let missed = oldest.wrapping_sub(position);
        // Beyond the tail, before the oldest and not so by having been overtaken: overwritten.
        let sound = tail.wrapping_sub(position) <= capacity || missed <= tail;
        if !sound {
            return tail;
        }
        if tail.wrapping_sub(position) <= tail.wrapping_sub(oldest) {
            return position;
        }
        // Counted before the position moves: one who dies in between counts some twice.
        seat.missed.fetch_add(missed, Relaxed);
        kill_point("broadcast.get.missed");
        seat.position.store(oldest, Relaxed);
        oldest
    }

    /// Reads message number `number`. Commits nothing.
    fn read(&self, number: u64) -> Result<Message, Error> {
        let index = self.layout.slot_of(number);
        let form = Form::from_word(self.slots[index].form.load(Relaxed));
        let mut short = Vec::new();
        let arena = self.handle.arena();
        if !form.is_long() {
            let length = usize::try_from(form.length()).unwrap_or(usize::MAX);
            if length > SHORT {
                return Err(CORRUPT);
            }
            short.resize(length, 0);
            let at = self.handle.body() + self.layout.bytes_at(index);
            arena.mapping().read(at, &mut short).ok_or(CORRUPT)?;
        }
        let part = self.layout.part_of_slot(index);
        message::copy(arena, self.handle.place(), part, form, short)
    }

    /// How many messages were gone before the seat came to them.
    pub(super) fn missed(&self, seat: &Handle) -> u64 {
        self.seat(seat.place()).map_or(0, |seat| seat.missed.load(Relaxed))
    }

    /// How many messages are there for a seat.
    pub(super) fn len(&self, seat: &Handle) -> usize {
        let Some(seat) = self.seat(seat.place()) else { return 0 };
        // Before the tail, so that it is not behind it.
        let position = seat.position.load(Acquire); // PAIR position: with the store in `get_now`.
        let tail = self.shared.tail.0.load(Acquire); // PAIR tail: with the store in `put_now`.
        usize::try_from(tail.saturating_sub(position)).unwrap_or(0).min(self.capacity())
    }

    pub(super) fn subscribers(&self) -> usize {
        self.living_seats().count()
    }

    /// Whether a put would not block.
    pub(super) fn may_put(&self) -> bool {
        let tail = self.shared.tail.0.load(Acquire); // PAIR tail: with the store in `put_now`.
        self.overwrites()
            || self.is_closed()
            || tail.wrapping_sub(self.slowest(tail)) < self.capacity() as u64
    }

    /// Whether a get would not block.
    pub(super) fn may_get(&self, seat: &Handle) -> bool {
        self.len(seat) > 0 || self.is_closed() || self.is_deserted()
    }

    pub(super) fn prepare_put<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.handle.before_sleep();
        self.shared.not_full.prepare(sleep);
        self.watch_seats(sleep);
        if self.look_after_seats() != Deadline::NEVER {
            sleep.nap(ROUND);
        }
    }

    pub(super) fn prepare_get<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.handle.before_sleep();
        self.shared.not_empty.prepare(sleep);
        self.watch_publishers(sleep);
        if self.look_after_publishers() != Deadline::NEVER {
            sleep.nap(ROUND);
        }
    }

    fn watch_seats(&self, sleep: &mut Sleep<'_>) {
        let arena = self.handle.arena();
        self.living_seats().for_each(|seat| heap::watch_holders(arena, seat, sleep));
    }

    fn watch_publishers(&self, sleep: &mut Sleep<'_>) {
        if self.shared.was_published()
            && let Some(publishers) = self.part(PUBLISHERS)
        {
            heap::watch_holders(self.handle.arena(), publishers, sleep);
        }
    }

    /// Buries the dead if a seat is in a message, which may be theirs alone. Returns when to do so
    /// again.
    fn look_after_seats(&self) -> Deadline {
        self.look_after(self.living_seats().any(|it| heap::is_carried(self.handle.arena(), it)))
    }

    fn look_after_publishers(&self) -> Deadline {
        let arena = self.handle.arena();
        let publishers = self.part(PUBLISHERS).filter(|_| self.shared.was_published());
        self.look_after(publishers.is_some_and(|it| heap::is_carried(arena, it)))
    }

    fn look_after(&self, is_carried: bool) -> Deadline {
        if !is_carried {
            return Deadline::NEVER;
        }
        census::bury_all_dead(self.handle.arena());
        Deadline::after(ROUND)
    }

    /// Whether there were publishers and none seems left with a living process.
    fn is_deserted(&self) -> bool {
        let arena = self.handle.arena();
        self.shared.was_published()
            && self.part(PUBLISHERS).is_none_or(|it| heap::is_abandoned(arena, it))
    }

    /// As [`is_deserted`](Self::is_deserted), when no publisher can move meanwhile.
    fn is_surely_deserted(&self) -> bool {
        let arena = self.handle.arena();
        self.is_deserted()
            && self.part(PUBLISHERS).is_none_or(|it| heap::is_surely_abandoned(arena, it))
    }
}

/// Frees what the process with `tag`, which has died, handed over and did not commit.
pub(crate) fn bury(arena: &'static Arena, place: Place, tag: Tag) -> Result<(), Error> {
    let layout = Layout::read(arena, place).ok_or(CORRUPT)?;
    let shared: &Shared =
        arena.mapping().get(body(place.offset) + layout.shared_at()).ok_or(CORRUPT)?;
    heap::detach_chosen(arena, place, || {
        // Looked at under the heap's lock: another may have become the sender.
        if shared.sender.0.load(Relaxed) != tag.to_word() {
            return 0..0;
        }
        // PAIR tail: the slot of this number holds no message, or one that is about to go.
        let tail = shared.tail.0.load(Acquire);
        let full = tail.wrapping_sub(shared.first.0.load(Relaxed)) >= layout.capacity() as u64;
        let part = layout.part_of_slot(layout.slot_of(tail));
        if full { 0..0 } else { part..part + PARTS }
    })
}
