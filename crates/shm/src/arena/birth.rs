//! How a child that starts afresh comes to what its parent gives it.
//!
//! What a child is given lies in a file until it is read, and no block of the arena stands for it.
//! A child may be killed before it has read it, so the parent takes an entry in the census for the
//! child and holds the objects in its name. The child takes the entry when it arrives; if it dies before, the
//! entry is buried like any other, and whoever waits for the dead child learns of it.
//!
//! # Process death
//!
//! If the parent dies before it has said which process the child is, the entry may be buried; the
//! child then learns that it must not go on. Afterwards the child does not need the parent.

use brigade_sys::identity::Identity;
use serde::{Deserialize, Serialize};

use super::census::{self, State, Tag};
use super::heap;
use super::program::{self, Arena};
use crate::error::Error;
use crate::transit::{self, Contents};

/// An entry that waits for a child, as the child is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    pub(super) arena: u128,
    slot: u16,
    generation: u32,
}

impl Seat {
    pub(super) fn tag(self) -> Tag {
        Tag { slot: self.slot, generation: self.generation }
    }
}

/// A child that is being prepared. Dropped without [`born`](Self::born), it is given up.
#[derive(Debug)]
#[must_use = "a child that is dropped is given up"]
pub struct Birth {
    children: Vec<(&'static Arena, Tag)>,
    seats: Vec<Seat>,
}

/// Prepares for a child that will start afresh and be given `contents`.
///
/// # Errors
///
/// Fails when as many processes as fit are attached to an arena.
pub fn expect_child(contents: &Contents) -> Result<Birth, Error> {
    let mut birth = Birth { children: Vec::new(), seats: Vec::new() };
    birth.seat_in(Arena::program()?)?;
    for (arena, place) in contents.objects() {
        let seat = birth.seat_in(arena)?;
        heap::hold_for(arena, seat.slot, place)?;
    }
    Ok(birth)
}

impl Birth {
    /// What the child must be told, to [`take`](take_seats) it.
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// Says which process the child is.
    pub fn born(mut self, pid: u32) {
        let child = Identity::of(pid);
        for (arena, tag) in std::mem::take(&mut self.children) {
            census::name_expected(arena, tag, child);
        }
    }

    fn seat_in(&mut self, arena: &'static Arena) -> Result<Seat, Error> {
        if let Some(&seat) = self.seats.iter().find(|seat| seat.arena == arena.id()) {
            return Ok(seat);
        }
        let tag = census::claim_free(arena, State::Expected, Identity::current())?;
        self.children.push((arena, tag));
        let seat = Seat { arena: arena.id(), slot: tag.slot, generation: tag.generation };
        self.seats.push(seat);
        Ok(seat)
    }
}

impl Drop for Birth {
    fn drop(&mut self) {
        for &(arena, tag) in &self.children {
            census::give_up(arena, tag);
        }
    }
}

/// Takes the entries that wait for this process: now in the arenas that it has mapped, and later in
/// those that it maps.
///
/// # Errors
///
/// [`Error::Gone`] when the parent died meanwhile: the child must end without touching anything
/// shared.
pub fn take_seats(seats: Vec<Seat>) -> Result<(), Error> {
    program::expect(seats);
    for arena in program::all() {
        arena.tag()?;
    }
    Ok(())
}

/// Runs `read`, which decodes what the parent gave to this process with [`expect_child`].
pub fn inherit<R>(read: impl FnOnce() -> R) -> R {
    transit::inherit(read)
}
