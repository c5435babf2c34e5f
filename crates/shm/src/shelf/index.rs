//! The index: a binary heap of the items that wait, the first of them on top.
//!
//! Entry `i` comes before entries `2i + 1` and `2i + 2`. The entries are slot numbers, as many as
//! items wait; they lie in the chunks, behind the slots. The index is a cache: it is made anew from
//! the slots whenever someone was stopped while changing it.
//!
//! What comes first is asked of code that is not ours and may panic: it is asked before anything is
//! committed. An order that contradicts itself gives an odd order, and no worse.

use brigade_sys::atomic::AtomicU64;
use brigade_sys::atomic::Ordering::Relaxed;

use super::chain::Slots;
use super::contents;
use super::locked::Locked;
use super::slots::Numbered;
use super::{CORRUPT, Discipline, Label};
use crate::error::Error;

impl<D: Discipline> Locked<'_, D> {
    /// The item that comes first among those that wait.
    pub(super) fn first(&self) -> Result<Option<Numbered>, Error> {
        if self.ready() == 0 { Ok(None) } else { self.item_at(0).map(Some) }
    }

    /// Adds an item to the `count` that the index has.
    pub(super) fn insert(&self, item: Numbered, count: usize) -> Result<(), Error> {
        let rank = self.rank(item);
        let mut position = count;
        while position > 0 {
            let above = (position - 1) / 2;
            let other = self.item_at(above)?;
            if self.rank(other) <= rank {
                break;
            }
            self.set(position, other)?;
            position = above;
        }
        self.set(position, item)
    }

    /// Takes the first of the `count` items out of the index.
    pub(super) fn remove_first(&self, count: usize) -> Result<(), Error> {
        let left = count.checked_sub(1).ok_or(CORRUPT)?;
        let last = self.item_at(left)?;
        self.sink(last, 0, left)
    }

    /// Puts the first `count` entries, which are in no order, in order.
    pub(super) fn arrange(&self, count: usize) -> Result<(), Error> {
        for position in (0..count / 2).rev() {
            self.sink(self.item_at(position)?, position, count)?;
        }
        Ok(())
    }

    /// Puts `item` where it belongs at `position` or below, among `count` entries.
    fn sink(&self, item: Numbered, mut position: usize, count: usize) -> Result<(), Error> {
        let rank = self.rank(item);
        loop {
            let below = 2 * position + 1;
            if below >= count {
                break;
            }
            let mut next = (self.item_at(below)?, below);
            let mut next_rank = self.rank(next.0);
            if below + 1 < count {
                let other = self.item_at(below + 1)?;
                let other_rank = self.rank(other);
                if other_rank < next_rank {
                    (next, next_rank) = ((other, below + 1), other_rank);
                }
            }
            if rank <= next_rank {
                break;
            }
            self.set(position, next.0)?;
            position = next.1;
        }
        self.set(position, item)
    }

    pub(super) fn set(&self, position: usize, item: Numbered) -> Result<(), Error> {
        self.entry(position)?.store(item.number as u64, Relaxed);
        Ok(())
    }

    pub(super) fn item_at(&self, position: usize) -> Result<Numbered, Error> {
        let number = self.entry(position)?.load(Relaxed);
        self.slot(usize::try_from(number).map_err(|_| CORRUPT)?)
    }

    fn entry(&self, position: usize) -> Result<&'static AtomicU64, Error> {
        self.shelf.chunks.entry(&self.shelf.handle, position).ok_or(CORRUPT)
    }

    fn rank(&self, item: Numbered) -> D::Rank {
        let (arrival, due) = (item.arrival(), item.due());
        let look = |key: &[u8]| D::rank(&Label { arrival, due, key });
        // A key that cannot be found any more comes as one that cannot be read.
        contents::with_key(self.shelf.handle.arena(), item, look).unwrap_or_else(|_| look(&[]))
    }
}
