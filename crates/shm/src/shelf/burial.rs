//! What a dead process leaves in the part words of a shelf's slots.
//!
//! A part in the slot of an item is the item's. One in a vacant slot is garbage, unless a living
//! process has just put it there and is about to commit. That one holds the lock, so if the lock is
//! its dead holder's, there is none. And a part that the dead process was about to take, in a slot
//! that is vacant now, was taken. All this can be told without the shelf's lock, under the heap's
//! alone: parts come and go only under that.
//!
//! # Why no wake-up is lost
//!
//! Nobody sleeps here. Who waits for what a message carried is rung for when the cargo is freed.
//!
//! # What a dead process leaves
//!
//! Nothing that is not freed by the next who comes: each step here may be repeated.

use brigade_sys::atomic::Ordering::Relaxed;

use super::CORRUPT;
use super::item::{End, State};
use super::layout::{
    CHUNKS, PARTS_OF_SLOT, SHARED_AT, Shared, Slot, length_of, slots_at, slots_of,
};
use crate::arena::Arena;
use crate::arena::block::{Block, Kind};
use crate::arena::heap::{self, Place, body};
use crate::error::Error;

/// Frees what a process that has died left in the shelf at `place`.
pub(crate) fn bury(arena: &'static Arena, place: Place) -> Result<(), Error> {
    let shared: &Shared = arena.mapping().get(body(place.offset) + SHARED_AT).ok_or(CORRUPT)?;
    for number in 0..CHUNKS {
        let Some(chunk) = heap::part(arena, place, number) else { break };
        let slots = slots_in(arena, chunk).ok_or(CORRUPT)?;
        heap::detach_chosen(arena, chunk, || {
            let is_orphaned = shared.lock.is_orphaned();
            let end = shared.end();
            let is_garbage = move |slot: &Slot| match slot.state() {
                State::Vacant => is_orphaned,
                State::Ready { .. } => end == End::Discarded,
                _ => false,
            };
            let garbage = (0..).zip(slots).filter(move |(_, slot)| is_garbage(slot));
            garbage.flat_map(|(slot, _)| slot * PARTS_OF_SLOT..(slot + 1) * PARTS_OF_SLOT)
        })?;
    }
    Ok(())
}

/// Frees the block at `part`, which somebody was about to take, if it has been taken: part number
/// `index` of the chunk at `chunk`.
pub(crate) fn bury_message(
    arena: &'static Arena,
    chunk: Place,
    index: usize,
    part: Place,
) -> Result<(), Error> {
    // Another block of bytes that has parts.
    let Some(slots) = slots_in(arena, chunk) else { return Ok(()) };
    heap::detach_chosen(arena, chunk, || {
        let slot = slots.get(index / PARTS_OF_SLOT);
        let is_taken = heap::part(arena, chunk, index) == Some(part)
            && slot.is_some_and(|slot| slot.state() == State::Vacant);
        is_taken.then_some(index)
    })
}

/// The slots of the chunk at `place`; `None` when it is no chunk of a shelf.
fn slots_in(arena: &'static Arena, place: Place) -> Option<&'static [Slot]> {
    let mapping = arena.mapping();
    let block: &Block = mapping.get(place.offset)?;
    let length = heap::length_of(arena, place)?;
    let number = (0..CHUNKS).find(|&number| length_of(number) == length)?;
    let shelf: &Block = mapping.get(usize::try_from(block.parent.load(Relaxed)).ok()?)?;
    if block.state().kind != Some(Kind::Bytes) || shelf.state().kind != Some(Kind::Shelf) {
        return None;
    }
    mapping.slice(body(place.offset) + slots_at(number), slots_of(number))
}
