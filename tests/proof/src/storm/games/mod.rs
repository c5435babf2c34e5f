//! The games: each uses one kind of object in the ways that it is used, and counts.

mod broadcasts;
mod leases;
mod objects;
mod queues;
mod sync;
mod values;

use super::game::Game;
use super::ledger::Ledger;

/// Makes a game, whose items go into the ledger.
pub(super) type Make = fn(Ledger) -> Box<dyn Game>;

/// Every game.
pub(super) fn all() -> Vec<(&'static str, Make)> {
    [queues::GAMES, leases::GAMES, broadcasts::GAMES, sync::GAMES, values::GAMES, objects::GAMES]
        .concat()
}
