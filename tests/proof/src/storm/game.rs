//! What is played in a storm.

use std::collections::BTreeMap;

use super::board::Seat;

/// Whether a player goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It does.
    Again,
    /// It has come to the end of what it waits for.
    Done,
}

/// How a player ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// By itself, when the round is to end.
    Driver,
    /// When the game is [closed](Game::close).
    Follower,
}

/// One who takes part: what it does again and again.
pub(super) struct Player {
    /// What it is called in reports.
    pub(super) name: &'static str,
    /// How it ends.
    pub(super) kind: Kind,
    /// One turn.
    pub(super) turn: Box<dyn Fn(&Seat) -> Turn>,
}

impl std::fmt::Debug for Player {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({:?})", self.name, self.kind)
    }
}

/// A player who ends by itself when the round is to end.
pub(super) fn driver(name: &'static str, turn: impl Fn(&Seat) + 'static) -> Player {
    let turn = Box::new(move |seat: &Seat| {
        turn(seat);
        Turn::Again
    });
    Player { name, kind: Kind::Driver, turn }
}

/// A player who ends when the game is closed, which `turn` must notice.
pub(super) fn follower(name: &'static str, turn: impl Fn(&Seat) -> Turn + 'static) -> Player {
    Player { name, kind: Kind::Follower, turn: Box::new(turn) }
}

/// How many players were killed, by name.
pub(super) type Deaths = BTreeMap<&'static str, usize>;

/// Objects, and players who use them.
///
/// When a round ends, drivers go first; then, while there are followers, the game must settle; then
/// it is closed and the followers go; then everything is checked.
pub(super) trait Game {
    /// Those who play, in this process's children.
    fn players(&self) -> Vec<Player>;

    /// Does what the followers would do, so that drivers can end.
    fn relieve(&self) {}

    /// Whether that must be done, when so many followers are left.
    fn needs_relief(&self, followers: usize) -> bool {
        followers == 0
    }

    /// Whether followers have nothing left to do.
    fn is_settled(&self) -> bool {
        true
    }

    /// Tells the followers to end.
    fn close(&self) {}

    /// Sees to it that nothing is lost, doubled or broken. Nobody else uses the objects now.
    ///
    /// # Panics
    ///
    /// Panics when something is.
    fn check(&self, deaths: &Deaths);

    /// What can be said of the objects when the game stands still.
    fn describe(&self) -> String {
        String::new()
    }
}
