//! Many processes at work, killed and stopped at random.
//!
//! A storm is a series of rounds. In each, some games are played by processes that are killed a few
//! microseconds or milliseconds after they began, stopped for a moment, and replaced. Then the
//! killing ends, and those who are left must come to an end: here a wake-up that was lost with its
//! sender or its receiver shows, because nobody comes any more who would make up for it. Then
//! everything is counted.
//!
//! The memory of the objects, the descriptors and the named segments must be at the end what they
//! were at the beginning.

mod board;
mod game;
mod games;
mod ledger;
mod round;

use std::fs;
use std::time::{Duration, Instant};

use brigade_shm::Arena;
use serde::{Deserialize, Serialize};

use self::board::Board;
use self::ledger::Ledger;
use self::round::Round;
use crate::random::Random;

/// How many games are played at a time, at most.
const TABLES: usize = 4;

/// How much to do.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Decides who is killed, and roughly when.
    pub seed: u64,
    /// For how long.
    pub duration: Duration,
    /// How long one turn of a player may take.
    pub patience: Duration,
}

/// What was found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// How many rounds were played.
    pub rounds: usize,
    /// How often each game was played: its rounds, and the turns of its players.
    pub games: std::collections::BTreeMap<String, (usize, u64)>,
    /// How many players were killed.
    pub kills: usize,
    /// How many were stopped for a moment.
    pub stops: usize,
    /// How many turns there were.
    pub turns: u64,
    /// The longest turn that was seen.
    pub slowest: Duration,
    /// What went wrong.
    pub failures: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// What must be the same after a storm.
#[derive(Debug, PartialEq, Eq)]
struct Belongings {
    used: usize,
    descriptors: usize,
    segments: Vec<String>,
}

impl Belongings {
    fn now() -> Self {
        let arena = Arena::program().unwrap();
        arena.bury_the_dead();
        let segments = fs::read_dir("/dev/shm").unwrap();
        let names = segments.map(|file| file.unwrap().file_name().to_string_lossy().into_owned());
        let own = format!("proof-{}", std::process::id());
        Self {
            used: arena.used().unwrap(),
            descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
            segments: names.filter(|name| name.contains(&own)).collect(),
        }
    }
}

/// Plays rounds until the time is over or something goes wrong.
pub fn play(options: &Options) -> Outcome {
    let began = Instant::now();
    let mut outcome = Outcome::default();
    let mut random = Random::new(options.seed);
    let board = Board::new();
    let ledgers: &[Ledger] = Vec::leak((0..TABLES).map(|_| Ledger::new()).collect());
    // What a process opens once is opened before the count.
    let _ = Arena::program().unwrap();
    let before = Belongings::now();
    while began.elapsed() < options.duration && outcome.failures.is_empty() {
        let seed = random.number();
        let round = Round::new(board, ledgers, Random::new(seed), options.patience);
        if let Err(trouble) = round.play(&mut outcome) {
            let number = outcome.rounds;
            outcome.failures.push(format!("round {number} with seed {seed}: {trouble}"));
            break;
        }
        outcome.rounds += 1;
        let after = Belongings::now();
        if after != before {
            outcome.failures.push(format!("there was {before:?}, and now there is {after:?}"));
        }
    }
    outcome.took = began.elapsed();
    outcome
}
