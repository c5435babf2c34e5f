//! What is done under the heap's lock.

use brigade_sys::atomic::AtomicU64;
use brigade_sys::atomic::Ordering::Relaxed;
use brigade_sys::bell::Bell;
use brigade_sys::kill_point::kill_point;
use brigade_sys::robust::Acquired;
use brigade_sys::time::Deadline;

use super::{CORRUPT_BLOCK, MAX_LENGTH, Place, Plan, body};
use crate::arena::block::{Block, BlockState, Kind, class_for, size_of_class};
use crate::arena::layout::{HEAP_START, Heap};
use crate::arena::program::Arena;
use crate::error::Error;

/// By how much the file grows at least.
const GROWTH: usize = 1 << 20;

/// The heap lock, released when dropped.
pub(super) struct Locked {
    pub(super) arena: &'static Arena,
}

/// Objects that have ended and are to be freed: a list, since a chain of parts in overwritten
/// memory may be longer than the stack.
pub(super) type Ended = Vec<(&'static Block, usize)>;

impl Locked {
    /// # Errors
    ///
    /// [`Error::Corrupt`] when the last holder died inside and the heap cannot be rebuilt.
    pub(super) fn new(arena: &'static Arena) -> Result<Self, Error> {
        let acquired = arena.header().heap.lock.lock(Deadline::NEVER);
        let locked = Self { arena };
        if acquired == Some(Acquired::OwnerDied) {
            locked.rebuild()?;
        }
        Ok(locked)
    }

    pub(super) fn heap(&self) -> &'static Heap {
        &self.arena.header().heap
    }

    pub(super) fn offset(&self, word: &AtomicU64) -> Result<usize, Error> {
        usize::try_from(word.load(Relaxed)).map_err(|_| CORRUPT_BLOCK)
    }

    pub(super) fn block(&self, offset: usize) -> Result<&'static Block, Error> {
        self.arena.mapping().get(offset).filter(|_| offset >= HEAP_START).ok_or(CORRUPT_BLOCK)
    }

    /// The block of an object that still exists.
    pub(super) fn object(&self, place: Place) -> Result<&'static Block, Error> {
        let block = self.block(place.offset)?;
        if block.is(place.generation) { Ok(block) } else { Err(CORRUPT_BLOCK) }
    }

    pub(super) fn part_word(
        &self,
        parent: Place,
        index: usize,
    ) -> Result<&'static AtomicU64, Error> {
        word_of(self.arena, self.object(parent)?, parent.offset, index).ok_or(CORRUPT_BLOCK)
    }

    /// Makes an object of zeros that the process in `slot` holds.
    pub(super) fn allocate(&self, slot: u16, plan: Plan) -> Result<Place, Error> {
        let too_large = Error::TooLarge { size: plan.length, limit: MAX_LENGTH };
        let Some(class) = class_for(plan.length).filter(|_| plan.length <= MAX_LENGTH) else {
            return Err(too_large);
        };
        let offset = match self.pop_free(class)? {
            Some(offset) => offset,
            None => self.extend(class)?,
        };
        kill_point("heap.allocate.found");
        let block = self.block(offset)?;
        self.arena.mapping().clear(body(offset), plan.length).ok_or(CORRUPT_BLOCK)?;
        block.clear_holders();
        block.hold(slot);
        block.transit.store(0, Relaxed);
        block.set_carried(0);
        block.parent.store(0, Relaxed);
        block.part_index.store(0, Relaxed);
        block.abandoned_bell.store(0, Relaxed);
        block.shape.store(plan.shape, Relaxed);
        block.parts.store(plan.parts, Relaxed);
        block.length.store(plan.length as u64, Relaxed);
        let generation = block.state().generation.wrapping_add(1);
        block.set_state(BlockState { kind: Some(plan.kind), class, generation });
        kill_point("heap.allocate.committed");
        Ok(Place { offset, generation })
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

    pub(super) fn push_free(&self, block: &Block, offset: usize, class: u8) {
        if let Some(head) = self.heap().free.get(usize::from(class)) {
            block.next_free.store(head.load(Relaxed), Relaxed);
            head.store(offset as u64, Relaxed);
        }
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
    pub(super) fn is_part(&self, block: &Block, offset: usize) -> bool {
        self.naming_word(block).is_some_and(|word| word.load(Relaxed) == offset as u64)
    }

    /// The word in which the block's parent, which exists, names it if it does.
    pub(super) fn naming_word(&self, block: &Block) -> Option<&'static AtomicU64> {
        let (parent, index) = parent_of(block)?;
        self.part_word(parent, index).ok()
    }

    /// Takes the block that `word` names away from its parent.
    pub(super) fn detach(&self, word: &AtomicU64) -> Result<(), Error> {
        let offset = self.offset(word)?;
        if offset == 0 {
            return Ok(());
        }
        let block = self.block(offset)?;
        word.store(0, Relaxed);
        kill_point("heap.detach.forgotten");
        block.parent.store(0, Relaxed);
        kill_point("heap.detach.orphaned");
        self.free_if_abandoned(block, offset);
        Ok(())
    }

    /// Frees the object if nobody holds it, or rings its bell if only its parent does.
    pub(super) fn free_if_abandoned(&self, block: &'static Block, offset: usize) {
        let mut ended = Ended::new();
        self.end_if_abandoned(block, offset, &mut ended);
        self.free_all(ended);
    }

    /// As [`free_if_abandoned`](Self::free_if_abandoned), but leaves the freeing to the caller.
    pub(super) fn end_if_abandoned(&self, block: &'static Block, offset: usize, ended: &mut Ended) {
        if block.state().kind.is_none() || !block.is_abandoned() {
            return;
        }
        if !self.is_part(block, offset) {
            ended.push((block, offset));
        } else if let Some(bell) = self.bell(block, offset) {
            bell.ring_all_after(|| ());
        }
    }

    /// Adds the process in `slot` to the holders, and wakes who sleeps on the block's bell: it
    /// watches those who held the block when it fell asleep, and must watch this one too.
    pub(super) fn hold(&self, block: &Block, offset: usize, slot: u16) {
        self.ring_after(block, offset, || block.hold(slot));
    }

    /// Makes a change that whoever sleeps on the block's bell must know of.
    pub(super) fn ring_after(&self, block: &Block, offset: usize, change: impl FnOnce()) {
        match self.bell(block, offset) {
            Some(bell) => bell.ring_all_after(change),
            None => change(),
        }
    }

    /// The block's bell. It lies in the parent, so it is there as long as that is.
    fn bell(&self, block: &Block, offset: usize) -> Option<&'static Bell> {
        let bell = usize::try_from(block.abandoned_bell.load(Relaxed)).ok()?;
        let bell = self.arena.mapping().get::<Bell>(bell).filter(|_| bell != 0)?;
        self.is_part(block, offset).then_some(bell)
    }

    /// Frees these objects, and what only they kept: their parts, and what a cargo carries.
    pub(super) fn free_all(&self, mut ended: Ended) {
        while let Some((block, offset)) = ended.pop() {
            let state = block.state();
            // In overwritten memory an object may have been on the list twice.
            let Some(kind) = state.kind else { continue };
            // From here on the object does not exist: its parts have no parent, and what it
            // carries is carried no more.
            block.set_state(BlockState { kind: None, ..state });
            kill_point("heap.free.ended");
            self.free_parts(block, offset, &mut ended);
            if kind == Kind::Cargo {
                self.unload(block, offset, &mut ended);
            }
            self.push_free(block, offset, state.class);
            kill_point("heap.free.listed");
        }
    }

    /// Takes the parts away from an object that has ended, and adds those to end to `ended`.
    fn free_parts(&self, block: &Block, offset: usize, ended: &mut Ended) {
        for index in 0..parts_of(block) {
            let Some(word) = word_of(self.arena, block, offset, index) else { break };
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
                self.end_if_abandoned(part_block, part, ended);
            }
        }
    }

    /// Visits every block in order.
    pub(super) fn for_each(
        &self,
        mut visit: impl FnMut(&'static Block, usize),
    ) -> Result<(), Error> {
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
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.heap().lock.unlock();
    }
}

/// The object that the block says it is a part of, and as which of its parts.
pub(super) fn parent_of(block: &Block) -> Option<(Place, usize)> {
    let offset = usize::try_from(block.parent.load(Relaxed)).ok().filter(|&offset| offset != 0)?;
    let generation = block.parent_generation.load(Relaxed);
    Some((Place { offset, generation }, block.part_index.load(Relaxed) as usize))
}

/// How many words at the start of the object can hold the offsets of its parts.
fn parts_of(block: &Block) -> usize {
    let words = usize::try_from(block.length.load(Relaxed)).unwrap_or(0) / 8;
    (block.parts.load(Relaxed) as usize).min(words)
}

/// The word of the object at `offset` that is for its part number `index`.
fn word_of(
    arena: &'static Arena,
    block: &Block,
    offset: usize,
    index: usize,
) -> Option<&'static AtomicU64> {
    let at = body(offset).checked_add(index.checked_mul(8)?)?;
    arena.mapping().get::<AtomicU64>(at).filter(|_| index < parts_of(block))
}
