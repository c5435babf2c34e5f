//! How the heap is brought in order after a death under its lock.
//!
//! The truth is in each block's state, holders, `transit` and parent, in the parents' words and in
//! the entries of the cargoes; each of these changes by one store. The rest follows from it: which
//! parts have a parent that knows of them, how many cargoes keep an object, which blocks are free,
//! and what has ended.
//!
//! A rebuilding that is cut short by a death is begun anew by the next.

use std::collections::HashMap;

use brigade_sys::atomic::Ordering::Relaxed;
use brigade_sys::kill_point::kill_point;

use super::locked::{Ended, Locked};
use crate::arena::block::Kind;
use crate::arena::layout::CLASSES;
use crate::error::Error;

impl Locked {
    pub(super) fn rebuild(&self) -> Result<(), Error> {
        self.orphan_the_unnamed()?;
        kill_point("heap.rebuild.orphaned");
        self.count_the_carried()?;
        kill_point("heap.rebuild.counted");
        self.list_the_free()?;
        kill_point("heap.rebuild.listed");
        // From here on the heap is in order, but for what nobody has freed yet, or rung for.
        self.for_each(|block, offset| {
            let mut ended = Ended::new();
            self.end_if_abandoned(block, offset, &mut ended);
            self.free_all(ended);
        })
    }

    /// Frees parts of a parent that has ended, or that never learned of them.
    fn orphan_the_unnamed(&self) -> Result<(), Error> {
        self.for_each(|block, offset| {
            if block.state().kind.is_some()
                && block.parent.load(Relaxed) != 0
                && !self.is_part(block, offset)
            {
                block.parent.store(0, Relaxed);
            }
        })
    }

    fn count_the_carried(&self) -> Result<(), Error> {
        // Counted aside, since others read the counts without the lock.
        let mut counts = HashMap::<usize, u32>::new();
        self.for_each(|block, offset| {
            if block.state().kind == Some(Kind::Cargo) {
                for object in self.kept_by(block, offset) {
                    let count = counts.entry(object).or_default();
                    *count = count.saturating_add(1);
                }
            }
        })?;
        self.for_each(|block, offset| {
            let count = counts.get(&offset).copied().unwrap_or(0);
            if block.state().kind.is_some() && block.carried.load(Relaxed) != count {
                self.ring_after(block, offset, || block.set_carried(count));
            }
        })
    }

    fn list_the_free(&self) -> Result<(), Error> {
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
