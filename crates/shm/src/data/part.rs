//! Parts: blocks that belong to an object, and are named by the words at the start of its body.
//!
//! | part word     | meaning                          |
//! |---------------|----------------------------------|
//! | 0             | there is no such part            |
//! | an offset     | the part's block lies there      |
//!
//! Whoever changes a part word holds the object's lock.
//!
//! # Why no wake-up is lost
//!
//! Nobody sleeps here but on the heap's lock.
//!
//! # What a dead process leaves
//!
//! A part that is there or not. One that was not attached belongs to the dead process, and goes
//! with it.

use brigade_sys::atomic::AtomicU64;
use brigade_sys::atomic::Ordering::Relaxed;
use brigade_sys::kill_point::kill_point;

use crate::arena::block::{Block, Kind};
use crate::arena::heap::{self, Place, Plan};
use crate::error::Error;
use crate::handle::Handle;

const ELSEWHERE: Error = Error::Corrupt("a part of an object does not lie where it should");

/// Farther than any arena reaches.
const NOWHERE: usize = 1 << 40;

/// Where the bytes of the part start that `word` names, if it names one, for one who only reads
/// them. A word that a faulty process wrote leads anywhere, so each read must be checked to lie in
/// the arena.
#[inline]
pub(super) fn body(word: &AtomicU64) -> Option<usize> {
    let offset = usize::try_from(word.load(Relaxed)).ok()?;
    (offset != 0 && offset < NOWHERE).then(|| heap::body(offset))
}

/// The bytes of part number `index`, if it is there, for one who changes them: where they start and
/// how many there are.
///
/// # Errors
///
/// [`Error::Corrupt`] when it is no part of this object.
pub(super) fn owned(handle: &Handle, index: usize) -> Result<Option<(usize, usize)>, Error> {
    let mapping = handle.arena().mapping();
    let word: &AtomicU64 = mapping.get(handle.body() + index * 8).ok_or(ELSEWHERE)?;
    let offset = usize::try_from(word.load(Relaxed)).map_err(|_| ELSEWHERE)?;
    if offset == 0 {
        return Ok(None);
    }
    let block: &Block = mapping.get(offset).ok_or(ELSEWHERE)?;
    let length = usize::try_from(block.length.load(Relaxed)).map_err(|_| ELSEWHERE)?;
    let is_ours = block.parent.load(Relaxed) == handle.place().offset as u64;
    if is_ours { Ok(Some((heap::body(offset), length))) } else { Err(ELSEWHERE) }
}

/// Gives part number `index` back, if it is there.
///
/// # Errors
///
/// [`Error::Corrupt`] when it is no part of this object, or the heap is corrupt.
pub(super) fn give_back(handle: &Handle, index: usize) -> Result<(), Error> {
    if owned(handle, index)?.is_some() {
        heap::detach(handle.arena(), handle.place(), index)?;
    }
    kill_point("part.given-back");
    Ok(())
}

/// A block that is to be a part. Dropped before it is attached, it is given back.
#[derive(Debug)]
pub(super) struct NewPart<'a> {
    handle: &'a Handle,
    slot: u16,
    place: Place,
}

impl<'a> NewPart<'a> {
    /// Makes a block of `length` bytes, all zero, for the object of `handle`.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory for it.
    pub(super) fn new(handle: &'a Handle, length: usize) -> Result<Self, Error> {
        let slot = handle.arena().tag()?.slot;
        let plan = Plan { kind: Kind::Bytes, shape: 0, length, parts: 0 };
        let place = heap::allocate(handle.arena(), slot, plan)?;
        kill_point("part.made");
        Ok(Self { handle, slot, place })
    }

    /// Where the block's bytes start.
    pub(super) fn body(&self) -> usize {
        heap::body(self.place.offset)
    }

    /// Makes the block part number `index`, of which there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when a faulty process has overwritten the arena.
    pub(super) fn attach(self, index: usize) -> Result<(), Error> {
        let Self { handle, slot, place } = self;
        heap::attach(handle.arena(), slot, place, handle.place(), index)?;
        kill_point("part.attached");
        Ok(())
    }
}

impl Drop for NewPart<'_> {
    fn drop(&mut self) {
        // Does nothing to what was attached: this process no longer holds it. Of a corrupt heap,
        // whoever uses it next is told.
        let _ = heap::release(self.handle.arena(), self.slot, self.place);
    }
}
