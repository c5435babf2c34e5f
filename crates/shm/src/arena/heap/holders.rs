//! Who keeps an object: what those ask who wait for its last holder to go, and who buries the dead.

use brigade_sys::kill_point::kill_point;
use brigade_sys::wait::Sleep;

use super::Place;
use super::locked::{Locked, parent_of};
use crate::arena::block::{Block, Kind};
use crate::arena::census;
use crate::arena::program::Arena;

/// Watches the processes that hold `place`, for a sleep that their death must end.
pub(crate) fn watch_holders(arena: &'static Arena, place: Place, sleep: &mut Sleep<'_>) {
    if let Some(block) = arena.mapping().get::<Block>(place.offset) {
        for slot in block.holding_slots() {
            census::watch(arena, slot, sleep);
        }
    }
}

/// Whether a message carries `place`. Its end is then no process's that
/// [`watch_holders`] could watch.
pub(crate) fn is_carried(arena: &'static Arena, place: Place) -> bool {
    arena.mapping().get::<Block>(place.offset).is_some_and(Block::is_carried)
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

/// A block that a process holds and that may be half put, or half taken.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Estate {
    /// An object that messages are put into.
    Store { place: Place, kind: Kind },
    /// A block that is part number `index` of `store`: of a message there.
    Message { place: Place, store: Place, kind: Kind, index: usize },
}

/// What the process in `slot`, which has died, may have left half done. Changes nothing.
pub(crate) fn estate_of(arena: &'static Arena, slot: u16) -> Vec<Estate> {
    let mut estate = Vec::new();
    let Ok(locked) = Locked::new(arena) else { return estate };
    // A corrupt head ends the walk: what lies behind it cannot be found any more.
    let _ = locked.for_each(|block, offset| {
        let state = block.state();
        let Some(kind) = state.kind.filter(|_| block.is_held_by(slot)) else { return };
        let place = Place { offset, generation: state.generation };
        match kind {
            Kind::Channel | Kind::Shelf | Kind::Broadcast => {
                estate.push(Estate::Store { place, kind })
            }
            Kind::Bytes | Kind::Cargo if locked.is_part(block, offset) => {
                if let Some((store, index)) = parent_of(block)
                    && let Some(kind) = locked.object(store).ok().and_then(|it| it.state().kind)
                {
                    estate.push(Estate::Message { place, store, kind, index });
                }
            }
            _ => {}
        }
    });
    estate
}

/// Ends every hold of the process in `slot`, which has died.
pub(in crate::arena) fn release_all(arena: &'static Arena, slot: u16) {
    let Ok(locked) = Locked::new(arena) else { return };
    // As above.
    let _ = locked.for_each(|block, offset| {
        if block.state().kind.is_some() && block.unhold(slot) {
            kill_point("heap.bury.unheld");
            locked.free_if_abandoned(block, offset);
        }
    });
}
