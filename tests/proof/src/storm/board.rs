//! What the players of a round note outside the objects that they play with.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use brigade_sys::time::now;

use crate::shared::words;

/// How many players there can be at a time.
pub(super) const SEATS: usize = 64;

/// Words of a seat.
const STARTED: usize = 0;
const TURNS: usize = 1;
const PLACE: usize = 2;
const CONDEMNED: usize = 3;
const WORDS: usize = 8;

/// The notes of all players. Lies in memory of its own, and survives every one of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Board {
    /// Whether the round is to end.
    finish: &'static AtomicU64,
    seats: &'static [AtomicU64],
}

/// The notes of one player.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    board: Board,
    number: usize,
}

impl Board {
    pub(super) fn new() -> Self {
        Self { finish: &words(1)[0], seats: words(SEATS * WORDS) }
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.seats.iter().for_each(|word| word.store(0, Relaxed));
        self.finish.store(0, Relaxed);
    }

    pub(super) fn seat(&self, number: usize) -> Seat {
        Seat { board: *self, number }
    }

    /// Tells the drivers to end.
    pub(super) fn finish(&self) {
        self.finish.store(1, Relaxed);
    }

    /// Whether the round is to end.
    pub(super) fn is_finishing(&self) -> bool {
        self.finish.load(Relaxed) != 0
    }
}

impl Seat {
    /// The notes of all.
    pub(super) fn board(&self) -> &Board {
        &self.board
    }

    /// Which seat it is.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// Notes that the player is at `place`, where few may be at a time.
    pub(super) fn enter(&self, place: u64) {
        self.word(PLACE).store(place, Relaxed);
    }

    /// Notes that the player has left the place where it was.
    pub(super) fn leave(&self) {
        self.word(PLACE).store(0, Relaxed);
    }

    /// How many players are at `place` who are not about to be killed.
    pub(super) fn count_at(&self, place: u64) -> usize {
        let seats = (0..SEATS).map(|number| self.board.seat(number));
        let is_there = |seat: &Seat| {
            seat.word(CONDEMNED).load(Relaxed) == 0 && seat.word(PLACE).load(Relaxed) == place
        };
        seats.filter(is_there).count()
    }

    /// How many turns those on this seat have ended.
    pub(super) fn turns(&self) -> u64 {
        self.word(TURNS).load(Relaxed)
    }

    pub(super) fn begin_turn(&self) {
        self.word(STARTED).store(now().as_nanos() as u64, Relaxed);
    }

    pub(super) fn end_turn(&self) {
        self.word(STARTED).store(0, Relaxed);
        self.word(TURNS).fetch_add(1, Relaxed);
    }

    /// When the turn began that the player is in; zero when it is in none.
    pub(super) fn started(&self) -> u64 {
        self.word(STARTED).load(Relaxed)
    }

    /// Notes that the player is about to be killed: where it is does not count from now on.
    pub(super) fn condemn(&self) {
        self.word(CONDEMNED).store(1, Relaxed);
    }

    /// Makes the seat free for another player.
    pub(super) fn vacate(&self) {
        for word in [STARTED, PLACE, CONDEMNED] {
            self.word(word).store(0, Relaxed);
        }
    }

    fn word(&self, word: usize) -> &'static AtomicU64 {
        &self.board.seats[self.number * WORDS + word]
    }
}
