//! The heap: blocks given to objects, and taken back when nobody holds them.
//!
//! Every change of who owns a block happens under one robust lock. A block is owned in one of four
//! ways, and is free otherwise:
//!
//! | owned by    | while                                                                      |
//! |-------------|----------------------------------------------------------------------------|
//! | processes   | a bit of `holders` is set: one bit a process, however many handles it has  |
//! | cargoes     | `carried` is not zero: a cargo, which is a block itself, has an entry      |
//! | messages    | `transit` is not zero: a message on a socket carries a handle              |
//! | an object   | it is a part: a word at the start of its parent holds its offset           |
//!
//! * [`cargo`]: the blocks that keep what a message carries.
//! * [`holders`]: who keeps an object, and what is left of the dead.
//! * [`rebuild`]: what is done after a death under the lock.
//!
//! # Why no wake-up is lost
//!
//! Nobody sleeps here but on the lock itself. A block that has a bell and loses its last holder
//! rings it, so that whoever waits for "all producers have gone" looks again; and one that gets a
//! holder or is put into a cargo rings it, so that whoever watches the lives of its holders watches
//! this one's as well, or looks after the cargo.
//!
//! # What a dead process leaves
//!
//! *Inside the lock*: the truth is in the blocks' heads and in the cargoes' entries, and each is
//! changed by one store. The next one in finds the owner dead and rebuilds the rest: see
//! [`rebuild`]. *Outside*: its bits in `holders`, cleared at its burial.
//!
//! Two things stay for as long as the arena lives. A message on a socket that is destroyed unread
//! leaves its count in `transit`: no block stands for it. And objects that keep each other, such as
//! a queue that holds a message with a handle of itself, keep each other when all others are gone.

mod cargo;
mod holders;
mod locked;
mod rebuild;

use brigade_sys::atomic::AtomicU64;
use brigade_sys::atomic::Ordering::Relaxed;
use brigade_sys::kill_point::kill_point;

pub(crate) use self::cargo::{carried_by, pack};
pub(super) use self::holders::release_all;
pub(crate) use self::holders::{
    Estate, bury_holders, estate_of, is_abandoned, is_carried, is_surely_abandoned, watch_holders,
};
use self::locked::Locked;
use super::block::{Block, HEAD, Kind, size_of_class};
use super::program::Arena;
use crate::error::Error;

/// The largest object, so that a length from a message cannot ask for everything.
pub(crate) const MAX_LENGTH: usize = 1 << 34;

/// One object: where its block lies, and which of the objects that were there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) offset: usize,
    pub(crate) generation: u32,
}

/// What an object is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) kind: Kind,
    pub(crate) shape: u32,
    pub(crate) length: usize,
    /// How many words at the start of the object are for the offsets of its parts.
    pub(crate) parts: u32,
}

const CORRUPT_BLOCK: Error = Error::Corrupt("a block's head makes no sense");

/// The object's bytes start here.
pub(crate) fn body(offset: usize) -> usize {
    offset + HEAD
}

/// Makes an object of zeros that the process in `slot` holds.
///
/// # Errors
///
/// [`Error::TooLarge`], or the system's refusal to give more memory.
pub(crate) fn allocate(arena: &'static Arena, slot: u16, plan: Plan) -> Result<Place, Error> {
    Locked::new(arena)?.allocate(slot, plan)
}

/// Makes `place`, which the process in `slot` holds, a part of `parent`, whose part word number
/// `index` then names it. The process's hold ends.
pub(crate) fn attach(
    arena: &'static Arena,
    slot: u16,
    place: Place,
    parent: Place,
    index: usize,
) -> Result<(), Error> {
    let locked = Locked::new(arena)?;
    let block = locked.object(place)?;
    let word = locked.part_word(parent, index)?;
    block.parent.store(parent.offset as u64, Relaxed);
    block.parent_generation.store(parent.generation, Relaxed);
    // Below the number of the parent's parts, which is a `u32`.
    block.part_index.store(index as u32, Relaxed);
    kill_point("heap.attach.parent");
    word.store(place.offset as u64, Relaxed);
    kill_point("heap.attach.named");
    block.unhold(slot);
    kill_point("heap.attach.released");
    Ok(())
}

/// The object that part word number `index` of `parent` names.
pub(crate) fn part(arena: &'static Arena, parent: Place, index: usize) -> Option<Place> {
    let word: &AtomicU64 = arena.mapping().get(body(parent.offset) + index * 8)?;
    let offset = usize::try_from(word.load(Relaxed)).ok().filter(|&offset| offset != 0)?;
    let block: &Block = arena.mapping().get(offset)?;
    Some(Place { offset, generation: block.state().generation })
}

/// The bytes that the object at `place` was made with.
pub(crate) fn length_of(arena: &'static Arena, place: Place) -> Option<usize> {
    let block: &Block = arena.mapping().get(place.offset)?;
    usize::try_from(block.length.load(Relaxed)).ok().filter(|_| block.is(place.generation))
}

/// Takes part number `index` away from `parent`, if there is one, and frees it unless someone
/// holds it.
pub(crate) fn detach(arena: &'static Arena, parent: Place, index: usize) -> Result<(), Error> {
    let locked = Locked::new(arena)?;
    locked.detach(locked.part_word(parent, index)?)
}

/// As [`detach`], for all parts that `choose` names. No part of `parent` comes or goes between the
/// choice and the deed.
pub(crate) fn detach_chosen<I: IntoIterator<Item = usize>>(
    arena: &'static Arena,
    parent: Place,
    choose: impl FnOnce() -> I,
) -> Result<(), Error> {
    let locked = Locked::new(arena)?;
    if locked.object(parent).is_err() {
        return Ok(());
    }
    choose().into_iter().try_for_each(|index| locked.detach(locked.part_word(parent, index)?))
}

/// Ends the hold of the process in `slot` on a part, and takes it from its parent too.
pub(crate) fn release_part(arena: &'static Arena, slot: u16, place: Place) -> Result<(), Error> {
    let locked = Locked::new(arena)?;
    let Ok(block) = locked.object(place) else { return Ok(()) };
    if !block.is_held_by(slot) {
        return Ok(());
    }
    // The hold goes last: without it nobody would know that the part is not its parent's any more.
    if let Some(word) = locked.naming_word(block)
        && locked.is_part(block, place.offset)
    {
        locked.detach(word)?;
    }
    block.unhold(slot);
    kill_point("heap.release.unheld");
    locked.free_if_abandoned(block, place.offset);
    Ok(())
}

/// Rings `bell`, at this offset, whenever the last holder of `place` lets go.
pub(crate) fn ring_when_abandoned(arena: &'static Arena, place: Place, bell: usize) {
    if let Some(block) = arena.mapping().get::<Block>(place.offset) {
        block.abandoned_bell.store(bell as u64, Relaxed);
    }
}

/// From where a process gets a hold on an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// A message on a socket carried it, which counts it as being under way.
    Message,
    /// It is kept until it has arrived: by a cargo or an object that this process holds, or by its
    /// parent in this process's name.
    Kept,
}

/// Adds the process in `slot` to the holders of an object that arrived.
///
/// # Errors
///
/// [`Error::Gone`] when the object is, [`Error::WrongType`] when it is not of `kind` and `shape`.
pub(crate) fn adopt(
    arena: &'static Arena,
    slot: u16,
    place: Place,
    (kind, shape): (Kind, u32),
    arrival: Arrival,
) -> Result<(), Error> {
    let locked = Locked::new(arena)?;
    let block = locked.object(place).map_err(|_| Error::Gone { kind: kind.name() })?;
    if block.state().kind != Some(kind) || block.shape.load(Relaxed) != shape {
        return Err(Error::WrongType { expected: kind.name() });
    }
    locked.hold(block, place.offset, slot);
    if arrival == Arrival::Message {
        block.arrive();
    }
    Ok(())
}

/// Says that a message on a socket now carries a handle of `place`, which this process holds.
pub(crate) fn send(arena: &'static Arena, place: Place) {
    if let Some(block) = arena.mapping().get::<Block>(place.offset) {
        block.depart();
    }
}

/// Says that a message that carried a handle of `place` was never sent.
pub(crate) fn unsend(arena: &'static Arena, place: Place) -> Result<(), Error> {
    let locked = Locked::new(arena)?;
    if let Ok(block) = locked.object(place) {
        block.arrive();
        locked.free_if_abandoned(block, place.offset);
    }
    Ok(())
}

/// Adds the process in `slot` to the holders of an object that the calling process holds.
pub(crate) fn hold_for(arena: &'static Arena, slot: u16, place: Place) -> Result<(), Error> {
    let locked = Locked::new(arena)?;
    locked.hold(locked.object(place)?, place.offset, slot);
    Ok(())
}

/// How many messages under way carry the object: on sockets, and in cargoes.
#[cfg(test)]
pub(crate) fn under_way(arena: &'static Arena, place: Place) -> (u32, u32) {
    let block = arena.mapping().get::<Block>(place.offset);
    block.map_or((0, 0), |it| (it.transit.load(Relaxed), it.carried.load(Relaxed)))
}

/// Ends the hold of the process in `slot`.
pub(crate) fn release(arena: &'static Arena, slot: u16, place: Place) -> Result<(), Error> {
    let locked = Locked::new(arena)?;
    if let Ok(block) = locked.object(place)
        && block.unhold(slot)
    {
        kill_point("heap.release.unheld");
        locked.free_if_abandoned(block, place.offset);
    }
    Ok(())
}

/// How many bytes objects use, heads included, and how many the file has.
pub(crate) fn usage(arena: &'static Arena) -> Result<(usize, usize), Error> {
    let locked = Locked::new(arena)?;
    let mut used = 0;
    locked.for_each(|block, _| {
        let state = block.state();
        if state.kind.is_some() {
            used += size_of_class(state.class).unwrap_or(0);
        }
    })?;
    Ok((used, locked.offset(&locked.heap().end)?))
}

/// Where the objects' blocks lie, and how many bytes the objects have.
#[cfg(feature = "kill-points")]
pub(crate) fn offsets(arena: &'static Arena) -> Result<Vec<(usize, usize)>, Error> {
    let locked = Locked::new(arena)?;
    let mut blocks = Vec::new();
    locked.for_each(|block, offset| {
        let length = block.length.load(Relaxed) as usize;
        blocks.push((offset, if block.state().kind.is_some() { length } else { 0 }));
    })?;
    Ok(blocks)
}

#[cfg(test)]
mod tests;
