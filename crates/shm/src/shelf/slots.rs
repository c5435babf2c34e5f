//! The slots of a shelf by their numbers, and the chunks that they lie in.
//!
//! A chunk that is there stays as long as the shelf, so a process looks for it once.

use std::sync::{Arc, OnceLock};

use brigade_sys::atomic::AtomicU64;
use brigade_sys::atomic::Ordering::{Acquire, Relaxed, Release};
use brigade_sys::kill_point::kill_point;

use super::item::State;
use super::layout::{
    CHUNKS, PARTS_OF_SLOT, Slot, chunk_of, index_at, length_of, slots_at, slots_of,
};
use crate::arena::block::{Block, Kind};
use crate::arena::heap::{self, MAX_LENGTH, Place, Plan, body};
use crate::error::Error;
use crate::handle::Handle;

/// The chunks of a shelf, as far as this process has seen them.
#[derive(Clone, Default)]
pub(super) struct Chunks(Arc<[OnceLock<Chunk>; CHUNKS]>);

#[derive(Clone, Copy)]
struct Chunk {
    place: Place,
    slots: &'static [Slot],
    index: &'static [AtomicU64],
}

/// A slot, and the part words that are its own.
#[derive(Clone, Copy)]
pub(super) struct Numbered {
    pub(super) number: usize,
    pub(super) slot: &'static Slot,
    /// The block whose parts the slot's are, and the first of them.
    pub(super) parent: Place,
    pub(super) part: usize,
}

impl Slot {
    /// What has happened to the item.
    pub(super) fn state(&self) -> State {
        // PAIR state: what was written before the item is what it is now.
        State::from_word(self.state.load(Acquire))
    }
}

impl Numbered {
    pub(super) fn state(self) -> State {
        self.slot.state()
    }

    /// Commits what has happened to the item.
    pub(super) fn set_state(self, state: State) {
        // PAIR state: with the load in `state`.
        self.slot.state.store(state.to_word(), Release);
        kill_point("shelf.committed");
    }

    pub(super) fn arrival(self) -> u64 {
        self.slot.arrival.load(Relaxed)
    }

    pub(super) fn due(self) -> u64 {
        self.slot.due.load(Relaxed)
    }
}

impl Chunks {
    /// Slot `number`; `None` when there is none.
    #[inline]
    pub(super) fn slot(&self, shelf: &Handle, number: usize) -> Option<Numbered> {
        let (chunk_number, within) = chunk_of(number);
        let chunk = self.chunk(shelf, chunk_number)?;
        let slot = chunk.slots.get(within)?;
        Some(Numbered { number, slot, parent: chunk.place, part: within * PARTS_OF_SLOT })
    }

    /// Entry `position` of the index.
    #[inline]
    pub(super) fn entry(&self, shelf: &Handle, position: usize) -> Option<&'static AtomicU64> {
        let (chunk_number, within) = chunk_of(position);
        self.chunk(shelf, chunk_number)?.index.get(within)
    }

    #[inline]
    fn chunk(&self, shelf: &Handle, number: usize) -> Option<Chunk> {
        let known = self.0.get(number)?;
        if let Some(chunk) = known.get() {
            return Some(*chunk);
        }
        let chunk = find(shelf, number)?;
        Some(*known.get_or_init(|| chunk))
    }

    /// Sees to it that slot `number` is there. The caller holds the shelf's lock.
    pub(super) fn provide(&self, shelf: &Handle, number: usize) -> Result<Numbered, Error> {
        let too_large = Error::TooLarge { size: usize::MAX, limit: MAX_LENGTH };
        let (chunk, _) = chunk_of(number);
        if chunk >= CHUNKS {
            return Err(too_large);
        }
        if heap::part(shelf.arena(), shelf.place(), chunk).is_none() {
            grow(shelf, chunk)?;
        }
        self.slot(shelf, number).ok_or(super::CORRUPT)
    }
}

/// Chunk `number` of `shelf`, if it is there and is one.
#[cold]
fn find(shelf: &Handle, number: usize) -> Option<Chunk> {
    let mapping = shelf.arena().mapping();
    let place = heap::part(shelf.arena(), shelf.place(), number)?;
    let block: &Block = mapping.get(place.offset)?;
    // A word that a faulty process wrote must not lead into another object.
    if block.parent.load(Relaxed) != shelf.place().offset as u64
        || block.length.load(Relaxed) != length_of(number) as u64
    {
        return None;
    }
    let slots = mapping.slice(body(place.offset) + slots_at(number), slots_of(number))?;
    let index = mapping.slice(body(place.offset) + index_at(number), slots_of(number))?;
    Some(Chunk { place, slots, index })
}

/// Gives `shelf` chunk `number`. One that was taken and not named goes with its process.
#[cold]
fn grow(shelf: &Handle, number: usize) -> Result<(), Error> {
    let arena = shelf.arena();
    let holder = arena.tag()?.slot;
    let parts = (slots_of(number) * PARTS_OF_SLOT) as u32;
    let plan = Plan { kind: Kind::Bytes, shape: 0, length: length_of(number), parts };
    let chunk = heap::allocate(arena, holder, plan)?;
    kill_point("shelf.chunk");
    let attached = heap::attach(arena, holder, chunk, shelf.place(), number);
    if attached.is_err() {
        heap::release(arena, holder, chunk)?;
    }
    kill_point("shelf.grown");
    attached
}
