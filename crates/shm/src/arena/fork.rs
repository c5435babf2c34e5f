//! How a bare fork hands the parent's objects to the child.
//!
//! A forked child has copies of its parent's handles, so it must hold what they name. It cannot
//! take hold by itself: the parent might let go first. So the parent takes an entry in the census
//! for the child, holds everything for it, and only then forks.
//!
//! # Process death
//!
//! If the parent dies before the child has taken its entry, the entry may be buried and what it
//! held freed; the child then learns that it must not go on. If the child dies first, its entry
//! names it and is buried like any other.

use std::sync::{Arc, MutexGuard, Weak};

use brigade_sys::identity::Identity;

use super::census::{self, State, Tag};
use super::heap;
use super::program::{self, Arena, Holds};
use crate::error::Error;
use crate::handle::Hold;

/// A fork that is being prepared: an entry for the child in every arena.
///
/// Until it is resolved, no other thread of this process can create or drop a handle, so the child
/// finds the tables of handles whole and unlocked.
///
/// Dropped in the parent without [`in_parent`](Self::in_parent), it gives the entries up.
#[derive(Debug)]
#[must_use = "a fork that is dropped is given up"]
pub struct Fork {
    children: Vec<(&'static Arena, Tag)>,
    tables: Vec<MutexGuard<'static, Holds>>,
    /// Dropped after the tables are unlocked, since the last drop of a hold locks its table.
    holds: Vec<Arc<Hold>>,
}

/// Prepares for a fork.
///
/// # Errors
///
/// Fails when as many processes as fit are attached to an arena.
pub fn fork_begin() -> Result<Fork, Error> {
    let mut fork = Fork { children: Vec::new(), tables: Vec::new(), holds: Vec::new() };
    for arena in program::all() {
        let tag = census::claim_free(arena, State::Expected, Identity::current())?;
        fork.children.push((arena, tag));
        let table = arena.holds();
        let first = fork.holds.len();
        fork.holds.extend(table.values().filter_map(Weak::upgrade));
        fork.tables.push(table);
        // After the table is the fork's: if this fails, it is unlocked before a hold is dropped.
        for hold in &fork.holds[first..] {
            heap::hold_for(arena, tag.slot, hold.place())?;
        }
    }
    Ok(fork)
}

impl Fork {
    /// Makes the calling process, the child, the holder of its handles.
    ///
    /// # Errors
    ///
    /// [`Error::Gone`] when the parent died meanwhile: the child must end without touching
    /// anything shared.
    pub fn in_child(mut self) -> Result<(), Error> {
        for (arena, tag) in std::mem::take(&mut self.children) {
            if !census::take_expected(arena, tag) {
                return Err(Error::Gone { kind: "parent process" });
            }
            arena.set_tag(tag);
        }
        Ok(())
    }

    /// Says in the parent which process the child is.
    pub fn in_parent(mut self, pid: u32) {
        let child = Identity::of(pid);
        for (arena, tag) in std::mem::take(&mut self.children) {
            census::name_expected(arena, tag, child);
        }
    }
}

impl Drop for Fork {
    fn drop(&mut self) {
        self.tables.clear();
        for &(arena, tag) in &self.children {
            census::give_up(arena, tag);
        }
    }
}
