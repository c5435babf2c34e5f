//! Cargoes: blocks that keep what a message carries.
//!
//! A cargo's body is a list of entries, one for each object: its offset and its generation. The
//! entries are written before anybody but the maker knows of the block, and never change.
//!
//! | word            | meaning                                                                 |
//! |-----------------|-------------------------------------------------------------------------|
//! | offset, 8 bytes | where the object lies; zero for no entry                                |
//! | generation, 8   | which of the objects that were there                                    |
//!
//! # What a dead process leaves
//!
//! A cargo is a block like any other: held by the process that makes it, then a part of what the
//! message is put into, then held by the process that has taken the message. Wherever the death
//! comes, the block is freed or kept by what frees and keeps blocks, and its objects with it. Their
//! counts, `carried`, are computed anew from all cargoes if someone dies amid a change.

use brigade_sys::atomic::AtomicU64;
use brigade_sys::atomic::Ordering::Relaxed;
use brigade_sys::kill_point::kill_point;

use super::locked::{Ended, Locked};
use super::{CORRUPT_BLOCK, Place, Plan, body};
use crate::arena::block::{Block, HEAD, Kind, size_of_class};
use crate::arena::program::Arena;
use crate::error::Error;

/// The bytes of one entry.
const ENTRY: usize = 16;

/// Makes a cargo that keeps the objects at `places`, and that the process in `slot` holds.
///
/// # Errors
///
/// [`Error::Corrupt`] when one of the objects does not exist; otherwise as for an allocation.
pub(crate) fn pack(arena: &'static Arena, slot: u16, places: &[Place]) -> Result<Place, Error> {
    let locked = Locked::new(arena)?;
    let objects: Result<Vec<_>, _> = places.iter().map(|&place| locked.object(place)).collect();
    let objects = objects?;
    let plan = Plan { kind: Kind::Cargo, shape: 0, length: places.len() * ENTRY, parts: 0 };
    let cargo = locked.allocate(slot, plan)?;
    for (index, (place, object)) in places.iter().zip(objects).enumerate() {
        let [offset, generation] = entry(arena, cargo.offset, index).ok_or(CORRUPT_BLOCK)?;
        generation.store(place.generation.into(), Relaxed);
        offset.store(place.offset as u64, Relaxed);
        kill_point("heap.pack.noted");
        let count = object.carried.load(Relaxed).checked_add(1).ok_or(CORRUPT_BLOCK)?;
        // Who sleeps until the object's holders are gone must now look after the cargo as well.
        locked.ring_after(object, place.offset, || object.set_carried(count));
        kill_point("heap.pack.counted");
    }
    Ok(cargo)
}

/// The objects that the cargo at `place`, which this process holds, keeps.
pub(crate) fn carried_by(arena: &'static Arena, place: Place) -> Vec<Place> {
    let block = arena.mapping().get::<Block>(place.offset);
    block.map_or_else(Vec::new, |block| entries(arena, block, place.offset).collect())
}

fn entry(arena: &'static Arena, cargo: usize, index: usize) -> Option<&'static [AtomicU64; 2]> {
    arena.mapping().get(body(cargo).checked_add(index * ENTRY)?)
}

fn entries(
    arena: &'static Arena,
    block: &'static Block,
    cargo: usize,
) -> impl Iterator<Item = Place> {
    let length = usize::try_from(block.length.load(Relaxed)).unwrap_or(0);
    let room = size_of_class(block.state().class).unwrap_or(0).saturating_sub(HEAD);
    (0..length.min(room) / ENTRY).filter_map(move |index| {
        let [offset, generation] = entry(arena, cargo, index)?;
        let offset = usize::try_from(offset.load(Relaxed)).ok().filter(|&offset| offset != 0)?;
        let generation = u32::try_from(generation.load(Relaxed)).ok()?;
        Some(Place { offset, generation })
    })
}

impl Locked {
    /// Lets go of what a cargo that has ended kept, and adds those to end to `ended`.
    pub(super) fn unload(&self, cargo: &'static Block, offset: usize, ended: &mut Ended) {
        for place in entries(self.arena, cargo, offset) {
            let Ok(object) = self.object(place) else { continue };
            let Some(count) = object.carried.load(Relaxed).checked_sub(1) else { continue };
            self.ring_after(object, place.offset, || object.set_carried(count));
            kill_point("heap.unload.counted");
            self.end_if_abandoned(object, place.offset, ended);
        }
    }

    /// What the cargo at `offset` keeps, as far as it exists.
    pub(super) fn kept_by(
        &self,
        cargo: &'static Block,
        offset: usize,
    ) -> impl Iterator<Item = usize> {
        let entries = entries(self.arena, cargo, offset);
        entries.filter(|&place| self.object(place).is_ok()).map(|place| place.offset)
    }
}
