//! The fence of two sides of which one is in a hurry, as the kernel executes it.
//!
//! The patient side's fence falls on each other actor between two of its steps. So any two of
//! [`light`] and [`heavy`] come one after the other, and what was done before the first is seen
//! after the second. Two of `light` are not ordered: each actor has a word of its own for this.

use std::sync::atomic::Ordering::SeqCst;

use crate::atomic::AtomicU32;
use crate::atomic::fence_in_kernel;
use crate::engine::Shape;
use crate::memory::{self, Mapping};
use crate::mutant::{Fault, Kind, Site};
use crate::time::Deadline;
use crate::world::{self, MAIN, Turn};

/// Makes room for the words.
pub(crate) fn reset() {
    let offset = memory::take((MAIN + 1) * size_of::<AtomicU32>(), 64);
    assert_eq!(offset, place_of(0), "right behind what the kernel knows of the processes");
}

/// The hurried side's fence.
#[track_caller]
pub(crate) fn light() {
    let place = world::place();
    if is_done(place) {
        pass(world::with(|world| world.current));
        world::note(Kind::Fence, place, usize::MAX, 0);
    }
}

/// The patient side's fence. The kernel always helps.
#[track_caller]
pub(crate) fn heavy() -> Deadline {
    let place = world::place();
    if is_done(place) {
        everywhere();
        world::note(Kind::Fence, place, usize::MAX, 1);
    }
    Deadline::NEVER
}

/// A fence here and on every other processor.
pub(crate) fn everywhere() {
    fence_in_kernel();
    let (current, actors) = world::with(|world| (world.current, world.actors.len()));
    (0..actors).filter(|&actor| actor != current).for_each(pass);
    fence_in_kernel();
}

/// Whether the fence is neither left out, as a mutant, nor without a meaning, as nobody else acts.
fn is_done(place: Site) -> bool {
    let turn = world::begin(0, Shape::None, Fault::ordered(Kind::Fence, SeqCst), place);
    !matches!(turn, Turn::LeftOut) && world::with(|world| world.is_running)
}

/// Passes one actor's word, as a fence of both sides.
fn pass(actor: usize) {
    if let Some(word) = Mapping::current().get::<AtomicU32>(place_of(actor)) {
        word.pass_in_kernel();
    }
}

fn place_of(actor: usize) -> usize {
    (memory::ARENA + (MAIN + 1) * size_of::<AtomicU32>()).next_multiple_of(64)
        + actor * size_of::<AtomicU32>()
}
