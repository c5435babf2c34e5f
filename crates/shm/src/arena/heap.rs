//! The heap: blocks given to objects, and taken back when nobody holds them.
//!
//! Every change of who owns a block happens under one robust lock. A block is owned in one of three
//! ways, and is free otherwise:
//!
//! | owned by    | while                                                                      |
//! |-------------|----------------------------------------------------------------------------|
//! | processes   | a bit of `holders` is set: one bit a process, however many handles it has  |
//! | messages    | `transit` is not zero: a message under way carries a handle                |
//! | an object   | it is a part: a word at the start of its parent holds its offset           |
//!
//! # Why no wake-up is lost
//!
//! Nobody sleeps here but on the lock itself. A block that has a bell and loses its last holder
//! rings it, so that whoever waits for "all producers have gone" looks again; and one that gets a
//! holder rings it, so that whoever watches the lives of its holders watches this one's as well.
//!
//! # What a dead process leaves
//!
//! *Inside the lock*: the truth is in the blocks' heads, and each is changed by one store. The next
//! one in finds the owner dead and rebuilds the rest: the free lists, and the parts whose parent
//! never learned of them. *Outside*: its bits in `holders`, cleared at its burial.
//!
//! A message that is destroyed unread keeps the objects it carries for as long as the arena lives.

use brigade_sys::atomic::AtomicU64;
use brigade_sys::atomic::Ordering::Relaxed;
use brigade_sys::bell::Bell;
use brigade_sys::kill_point::kill_point;
use brigade_sys::robust::Acquired;
use brigade_sys::time::Deadline;

use super::block::{Block, BlockState, HEAD, Kind, class_for, size_of_class};
use super::census;
use super::layout::{CLASSES, HEAP_START};
use super::program::Arena;
use crate::error::Error;

/// The largest object, so that a length from a message cannot ask for everything.
pub(crate) const MAX_LENGTH: usize = 1 << 34;

/// By how much the file grows at least.
const GROWTH: usize = 1 << 20;

/// How often a rebuilding looks for objects that have ended.
const ROUNDS: usize = 2;

/// One object: where its block lies, and which of the objects that were there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    let too_large = Error::TooLarge { size: plan.length, limit: MAX_LENGTH };
    let Some(class) = class_for(plan.length).filter(|_| plan.length <= MAX_LENGTH) else {
        return Err(too_large);
    };
    let locked = Locked::new(arena)?;
    let offset = match locked.pop_free(class)? {
        Some(offset) => offset,
        None => locked.extend(class)?,
    };
    kill_point("heap.allocate.found");
    let block = locked.block(offset)?;
    arena.mapping().clear(body(offset), plan.length).ok_or(CORRUPT_BLOCK)?;
    block.clear_holders();
    block.hold(slot);
    block.transit.store(0, Relaxed);
    block.parent.store(0, Relaxed);
    block.parent_word.store(0, Relaxed);
    block.abandoned_bell.store(0, Relaxed);
    block.shape.store(plan.shape, Relaxed);
    block.parts.store(plan.parts, Relaxed);
    block.length.store(plan.length as u64, Relaxed);
    let generation = block.state().generation.wrapping_add(1);
    block.set_state(BlockState { kind: Some(plan.kind), class, generation });
    kill_point("heap.allocate.committed");
    Ok(Place { offset, generation })
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
    block.parent_word.store((body(parent.offset) + index * 8) as u64, Relaxed);
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
    let word = locked.part_word(parent, index)?;
    let offset = usize::try_from(word.load(Relaxed)).map_err(|_| CORRUPT_BLOCK)?;
    if offset != 0 {
        locked.detach(locked.block(offset)?, offset, word);
    }
    Ok(())
}

/// Ends the hold of the process in `slot` on a part, and takes it from its parent too.
pub(crate) fn release_part(arena: &'static Arena, slot: u16, place: Place) -> Result<(), Error> {
    let locked = Locked::new(arena)?;
    let Ok(block) = locked.object(place) else { return Ok(()) };
    block.unhold(slot);
    let word = usize::try_from(block.parent_word.load(Relaxed)).unwrap_or(0);
    match arena.mapping().get::<AtomicU64>(word) {
        Some(word) if locked.is_part(block, place.offset) => {
            locked.detach(block, place.offset, word);
        }
        _ => locked.free_if_abandoned(block, place.offset),
    }
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
    /// A message carried it, which counts it as being under way.
    Message,
    /// It is a part of an object that this process holds.
    Part,
    /// The parent held it in this process's name.
    Inheritance,
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
    locked.hold(block, slot);
    if arrival == Arrival::Message {
        block.arrive();
    }
    Ok(())
}

/// Says that a message now carries a handle of `place`, which this process holds.
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
    locked.hold(locked.object(place)?, slot);
    Ok(())
}

/// How many messages under way carry the object.
#[cfg(test)]
pub(crate) fn under_way(arena: &'static Arena, place: Place) -> u32 {
    arena.mapping().get::<Block>(place.offset).map_or(0, |block| block.transit.load(Relaxed))
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

/// Ends every hold of the process in `slot`, which has died.
pub(super) fn release_all(arena: &'static Arena, slot: u16) {
    let Ok(locked) = Locked::new(arena) else { return };
    // A corrupt head ends the walk: what lies behind it cannot be found any more.
    let _ = locked.for_each(|block, offset| {
        if block.state().kind.is_some() && block.unhold(slot) {
            kill_point("heap.bury.unheld");
            locked.free_if_abandoned(block, offset);
        }
    });
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

/// The heap lock, released when dropped.
struct Locked {
    arena: &'static Arena,
}

impl Locked {
    /// # Errors
    ///
    /// [`Error::Corrupt`] when the last holder died inside and the heap cannot be rebuilt.
    fn new(arena: &'static Arena) -> Result<Self, Error> {
        let acquired = arena.header().heap.lock.lock(Deadline::NEVER);
        let locked = Self { arena };
        if acquired == Some(Acquired::OwnerDied) {
            locked.rebuild()?;
        }
        Ok(locked)
    }

    fn heap(&self) -> &'static super::layout::Heap {
        &self.arena.header().heap
    }

    fn offset(&self, word: &AtomicU64) -> Result<usize, Error> {
        usize::try_from(word.load(Relaxed)).map_err(|_| CORRUPT_BLOCK)
    }

    fn block(&self, offset: usize) -> Result<&'static Block, Error> {
        self.arena.mapping().get(offset).filter(|_| offset >= HEAP_START).ok_or(CORRUPT_BLOCK)
    }

    /// The block of an object that still exists.
    fn object(&self, place: Place) -> Result<&'static Block, Error> {
        let block = self.block(place.offset)?;
        if block.is(place.generation) { Ok(block) } else { Err(CORRUPT_BLOCK) }
    }

    fn part_word(&self, parent: Place, index: usize) -> Result<&'static AtomicU64, Error> {
        let block = self.object(parent)?;
        let parts = block.parts.load(Relaxed) as usize;
        let word = self.arena.mapping().get(body(parent.offset) + index * 8);
        word.filter(|_| index < parts).ok_or(CORRUPT_BLOCK)
    }

    fn pop_free(&self, class: u8) -> Result<Option<usize>, Error> {
        let head = &self.heap().free[usize::from(class)];
        let offset = self.offset(head)?;
        if offset == 0 {
            return Ok(None);
        }
        let block = self.block(offset)?;
        let state = block.state();
        if state.kind.is_some() || state.class != class {
            return Err(CORRUPT_BLOCK);
        }
        head.store(block.next_free.load(Relaxed), Relaxed);
        Ok(Some(offset))
    }

    /// Makes a new free block at the top.
    fn extend(&self, class: u8) -> Result<usize, Error> {
        let size = size_of_class(class).ok_or(CORRUPT_BLOCK)?;
        let heap = self.heap();
        let offset = self.offset(&heap.top)?;
        let top = offset.checked_add(size).ok_or(CORRUPT_BLOCK)?;
        let end = self.offset(&heap.end)?;
        if top > end {
            let wanted = end.checked_add(GROWTH.max(end / 8)).map(|wanted| wanted.max(top));
            let wanted = wanted.and_then(|wanted| wanted.checked_next_multiple_of(4096));
            let wanted = wanted.ok_or(CORRUPT_BLOCK)?;
            self.arena.mapping().grow(wanted)?;
            heap.end.store(wanted as u64, Relaxed);
        }
        let block = self.block(offset)?;
        // The memory may have been used before a death cut the top back; a generation never
        // goes backwards all the same, because it is read, not reset.
        let generation = block.state().generation;
        block.set_state(BlockState { kind: None, class, generation });
        heap.top.store(top as u64, Relaxed);
        Ok(offset)
    }

    /// Whether the block's parent exists and names it.
    fn is_part(&self, block: &Block, offset: usize) -> bool {
        let mapping = self.arena.mapping();
        let parent = usize::try_from(block.parent.load(Relaxed)).unwrap_or(0);
        let word = usize::try_from(block.parent_word.load(Relaxed)).unwrap_or(0);
        parent != 0
            && mapping
                .get::<Block>(parent)
                .is_some_and(|parent| parent.is(block.parent_generation.load(Relaxed)))
            && mapping
                .get::<AtomicU64>(word)
                .is_some_and(|word| word.load(Relaxed) == offset as u64)
    }

    fn detach(&self, block: &'static Block, offset: usize, word: &AtomicU64) {
        word.store(0, Relaxed);
        kill_point("heap.detach.forgotten");
        block.parent.store(0, Relaxed);
        kill_point("heap.detach.orphaned");
        self.free_if_abandoned(block, offset);
    }

    /// Frees the object if nobody holds it, or rings its bell if only its parent does.
    fn free_if_abandoned(&self, block: &'static Block, offset: usize) {
        if block.state().kind.is_none() || !block.is_abandoned() {
            return;
        }
        if !self.is_part(block, offset) {
            return self.free(block, offset);
        }
        if let Some(bell) = self.bell(block) {
            bell.ring_all_after(|| ());
        }
    }

    /// Adds the process in `slot` to the holders, and wakes who sleeps on the block's bell: it
    /// watches those who held the block when it fell asleep, and must watch this one too.
    fn hold(&self, block: &Block, slot: u16) {
        match self.bell(block) {
            Some(bell) => bell.ring_all_after(|| block.hold(slot)),
            None => block.hold(slot),
        }
    }

    fn bell(&self, block: &Block) -> Option<&'static Bell> {
        let bell = usize::try_from(block.abandoned_bell.load(Relaxed)).ok()?;
        self.arena.mapping().get::<Bell>(bell).filter(|_| bell != 0)
    }

    /// Frees the object and those of its parts that nobody holds, and their parts.
    fn free(&self, block: &'static Block, offset: usize) {
        // A list, since a chain of parts in overwritten memory may be longer than the stack.
        let mut ended = vec![(block, offset)];
        while let Some((block, offset)) = ended.pop() {
            let state = block.state();
            // From here on the object does not exist, and its parts have no parent.
            block.set_state(BlockState { kind: None, ..state });
            kill_point("heap.free.ended");
            self.free_parts(block, offset, &mut ended);
            self.push_free(block, offset, state.class);
            kill_point("heap.free.listed");
        }
    }

    /// Takes the parts away from an object that has ended, and adds those to end to `ended`.
    fn free_parts(&self, block: &Block, offset: usize, ended: &mut Vec<(&'static Block, usize)>) {
        let parts = (block.parts.load(Relaxed) as usize)
            .min(usize::try_from(block.length.load(Relaxed)).unwrap_or(0) / 8);
        for index in 0..parts {
            let word = self.arena.mapping().get::<AtomicU64>(body(offset) + index * 8);
            let Some(word) = word else { break };
            let part = usize::try_from(word.load(Relaxed)).unwrap_or(0);
            if part == 0 {
                continue;
            }
            if let Ok(part_block) = self.block(part)
                && part_block.parent.load(Relaxed) == offset as u64
            {
                word.store(0, Relaxed);
                part_block.parent.store(0, Relaxed);
                kill_point("heap.free.orphaned");
                // A block that two words name is ended once: it has no parent any more.
                if part_block.state().kind.is_some() && part_block.is_abandoned() {
                    ended.push((part_block, part));
                }
            }
        }
    }

    fn push_free(&self, block: &Block, offset: usize, class: u8) {
        if let Some(head) = self.heap().free.get(usize::from(class)) {
            block.next_free.store(head.load(Relaxed), Relaxed);
            head.store(offset as u64, Relaxed);
        }
    }

    /// Visits every block in order.
    fn for_each(&self, mut visit: impl FnMut(&'static Block, usize)) -> Result<(), Error> {
        let top = self.offset(&self.heap().top)?;
        let mut offset = HEAP_START;
        while offset < top {
            let block = self.block(offset)?;
            let size = size_of_class(block.state().class).ok_or(CORRUPT_BLOCK)?;
            visit(block, offset);
            offset += size;
        }
        Ok(())
    }

    /// Brings the heap in order after a death inside it: see the head of this file.
    fn rebuild(&self) -> Result<(), Error> {
        // First the objects: whose parent never learned of them, and whom nobody holds. Each round
        // ends what the one before orphaned; parts have no parts, so more than two are not needed
        // in memory that nobody overwrote.
        for _ in 0..ROUNDS {
            self.for_each(|block, offset| {
                if block.state().kind.is_none() {
                    return;
                }
                if block.parent.load(Relaxed) != 0 && !self.is_part(block, offset) {
                    block.parent.store(0, Relaxed);
                }
                if block.is_abandoned() && !self.is_part(block, offset) {
                    block.set_state(BlockState { kind: None, ..block.state() });
                }
            })?;
        }
        for head in self.heap().free.iter().take(CLASSES) {
            head.store(0, Relaxed);
        }
        self.for_each(|block, offset| {
            let state = block.state();
            if state.kind.is_none() {
                self.push_free(block, offset, state.class);
            }
        })
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.heap().lock.unlock();
    }
}

/// Watches the processes that hold `place`, for a sleep that their death must end.
pub(crate) fn watch_holders(
    arena: &'static Arena,
    place: Place,
    sleep: &mut brigade_sys::wait::Sleep<'_>,
) {
    if let Some(block) = arena.mapping().get::<Block>(place.offset) {
        for slot in block.holding_slots() {
            census::watch(arena, slot, sleep);
        }
    }
}

/// Whether it seems that nobody who lives holds `place`. Takes no lock and buries nobody.
///
/// A handle that moves from a process to a message, or back, during the look may be missed. See
/// [`is_surely_abandoned`].
pub(crate) fn is_abandoned(arena: &'static Arena, place: Place) -> bool {
    let Some(block) = arena.mapping().get::<Block>(place.offset) else { return true };
    // The holders first: as long as the lock is held, those who live can only add messages.
    !block.is(place.generation)
        || (block.holding_slots().all(|slot| census::has_died_in(arena, slot))
            && block.is_in_no_message())
}

/// Whether nobody who lives holds `place`: no handle can move meanwhile. Buries nobody.
pub(crate) fn is_surely_abandoned(arena: &'static Arena, place: Place) -> bool {
    if !is_abandoned(arena, place) {
        return false;
    }
    let Ok(_locked) = Locked::new(arena) else { return true };
    is_abandoned(arena, place)
}

/// Buries those holders of `place` that have died.
pub(crate) fn bury_holders(arena: &'static Arena, place: Place) {
    if let Some(block) = arena.mapping().get::<Block>(place.offset) {
        for slot in block.holding_slots() {
            census::bury_if_dead(arena, slot);
        }
    }
}

#[cfg(test)]
#[path = "heap_tests.rs"]
mod tests;
