//! One round of a storm.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use brigade_shm::testing::{Child, Ended};

use super::Outcome;
use super::board::{Board, SEATS, Seat};
use super::game::{Deaths, Game, Kind, Player, Turn};
use super::games;
use super::ledger::Ledger;
use crate::processes::start;
use crate::random::Random;
use crate::shared::{Waiting, doze};

/// How many processes play at a time, at most and about.
const PLAYERS: usize = 10;

/// How many are killed in a round, at most.
const KILLS: u64 = 150;

/// The signal of which those die who are killed.
const SIGKILL: i32 = 9;

/// How much less of a processor a player gets than the storm.
const NICENESS: i32 = 5;

/// How long the storm looks away between two looks at one that does not move. What is longer was
/// not the player's fault: the storm itself did not run.
const LOOK: Duration = Duration::from_millis(50);

/// A game, its players and their deaths.
struct Table {
    name: &'static str,
    game: Box<dyn Game>,
    players: Vec<Player>,
    deaths: Deaths,
}

/// Somebody at a table.
struct Sitting {
    seat: Seat,
    table: usize,
    player: usize,
    child: Option<Child>,
    fate: Fate,
    /// The turn that it was in at the last look, and for how long it has been in it.
    turn: (u64, Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Playing,
    /// Killed, but perhaps it has not noticed yet.
    Struck,
}

pub(super) struct Round {
    board: Board,
    ledgers: &'static [Ledger],
    random: Random,
    patience: Duration,
    tables: Vec<Table>,
    sitting: Vec<Sitting>,
    last_look: Instant,
    slowest: Duration,
}

impl Round {
    pub(super) fn new(
        board: Board,
        ledgers: &'static [Ledger],
        random: Random,
        patience: Duration,
    ) -> Self {
        board.clear();
        ledgers.iter().for_each(Ledger::clear);
        Self {
            board,
            ledgers,
            random,
            patience,
            tables: Vec::new(),
            sitting: Vec::new(),
            last_look: Instant::now(),
            slowest: Duration::ZERO,
        }
    }

    pub(super) fn play(mut self, outcome: &mut Outcome) -> Result<(), String> {
        self.set_up();
        for sitting in 0..self.sitting.len() {
            self.seat_somebody(sitting);
        }
        for _ in 0..self.random.within(KILLS / 10..KILLS) {
            self.trouble_somebody(outcome)?;
        }
        self.wind_down()?;
        self.report(outcome);
        self.check()
    }

    /// Chooses games, as many as there are players for.
    fn set_up(&mut self) {
        let mut all = games::all();
        self.random.shuffle(&mut all);
        for (name, make) in all {
            let Some(&ledger) = self.ledgers.get(self.tables.len()) else { break };
            let game = make(ledger);
            let players = game.players();
            if self.sitting.len() + players.len() > PLAYERS && !self.tables.is_empty() {
                continue;
            }
            for player in 0..players.len() {
                let number = self.sitting.len();
                assert!(number < SEATS, "there are seats for all");
                self.sitting.push(Sitting {
                    seat: self.board.seat(number),
                    table: self.tables.len(),
                    player,
                    child: None,
                    fate: Fate::Playing,
                    turn: (0, Duration::ZERO),
                });
            }
            self.tables.push(Table { name, game, players, deaths: Deaths::new() });
        }
    }

    fn seat_somebody(&mut self, index: usize) {
        let sitting = &mut self.sitting[index];
        sitting.seat.vacate();
        sitting.fate = Fate::Playing;
        let seat = sitting.seat;
        let player = &self.tables[sitting.table].players[sitting.player];
        sitting.child = Some(start(|| {
            // The storm must come to its turn among players who never rest.
            let _ = rustix::process::nice(NICENESS);
            loop {
                if player.kind == Kind::Driver && seat.board().is_finishing() {
                    break;
                }
                seat.begin_turn();
                let turn = (player.turn)(&seat);
                seat.end_turn();
                if turn == Turn::Done {
                    break;
                }
            }
        }));
    }

    /// Lets some time pass, and kills somebody, or stops somebody for a moment.
    fn trouble_somebody(&mut self, outcome: &mut Outcome) -> Result<(), String> {
        let some = self.random.within(0..self.sitting.len() as u64) as usize;
        let long = if self.random.one_in(8) { 3_000 } else { 300 };
        let pause = Duration::from_micros(self.random.within(5..long));
        spin(pause);
        if self.random.one_in(4) {
            outcome.stops += 1;
            let pause = Duration::from_micros(self.random.within(5..2_000));
            if let Some(child) = &self.sitting[some].child {
                child.halt();
                spin(pause);
                child.go_on();
            }
        } else {
            outcome.kills += self.strike(some);
        }
        self.look()?;
        for index in 0..self.sitting.len() {
            if self.sitting[index].child.is_none() {
                self.seat_somebody(index);
            }
        }
        Ok(())
    }

    /// Kills somebody, unless that has been done, and says how many that were.
    fn strike(&mut self, index: usize) -> usize {
        let sitting = &mut self.sitting[index];
        let Some(child) = sitting.child.as_ref().filter(|_| sitting.fate == Fate::Playing) else {
            return 0;
        };
        sitting.seat.condemn();
        sitting.fate = Fate::Struck;
        child.strike();
        let table = &mut self.tables[sitting.table];
        *table.deaths.entry(table.players[sitting.player].name).or_default() += 1;
        1
    }

    /// Looks at everybody: whether one has failed, or does not move.
    fn look(&mut self) -> Result<(), String> {
        let passed = self.last_look.elapsed().min(LOOK);
        self.last_look = Instant::now();
        for index in 0..self.sitting.len() {
            let sitting = &mut self.sitting[index];
            let Some(child) = &sitting.child else { continue };
            if child.has_ended() {
                self.see_off(index)?;
                continue;
            }
            let started = sitting.seat.started();
            let (known, age) = sitting.turn;
            let age = if started == known && started != 0 { age + passed } else { Duration::ZERO };
            sitting.turn = (started, age);
            self.slowest = self.slowest.max(age);
            if age > self.patience {
                return Err(self.standstill());
            }
        }
        Ok(())
    }

    /// Takes the place of one who has ended, as it should have.
    fn see_off(&mut self, index: usize) -> Result<(), String> {
        let sitting = &mut self.sitting[index];
        let name = self.tables[sitting.table].players[sitting.player].name;
        match sitting.child.take().map(Child::join) {
            Some(Ended::Signal(SIGKILL)) if sitting.fate == Fate::Struck => Ok(()),
            None | Some(Ended::Code(0)) => Ok(()),
            Some(ended) => Err(format!("{name} ended with {ended:?}")),
        }
    }

    fn wind_down(&mut self) -> Result<(), String> {
        self.board.finish();
        self.until(|round| {
            round.relieve();
            (0..round.tables.len()).all(|table| round.count(table, Kind::Driver) == 0)
        })?;
        self.until(|round| {
            round.relieve();
            let mut tables = round.tables.iter().enumerate();
            tables.all(|(number, table)| {
                round.count(number, Kind::Follower) == 0 || table.game.is_settled()
            })
        })?;
        self.tables.iter().for_each(|table| table.game.close());
        self.until(|round| round.sitting.iter().all(|sitting| sitting.child.is_none()))
    }

    fn until(&mut self, is_done: impl Fn(&Self) -> bool) -> Result<(), String> {
        let mut waiting = Waiting::begin();
        loop {
            self.look()?;
            if is_done(self) {
                return Ok(());
            }
            doze(Duration::from_micros(100));
            if waiting.so_far() > self.patience * 2 {
                return Err(self.standstill());
            }
        }
    }

    fn relieve(&self) {
        for (number, table) in self.tables.iter().enumerate() {
            if table.game.needs_relief(self.count(number, Kind::Follower)) {
                table.game.relieve();
            }
        }
    }

    /// How many of a kind are left at a table.
    fn count(&self, table: usize, kind: Kind) -> usize {
        let is_one = |it: &&Sitting| {
            it.table == table
                && it.child.is_some()
                && self.tables[table].players[it.player].kind == kind
        };
        self.sitting.iter().filter(is_one).count()
    }

    fn report(&self, outcome: &mut Outcome) {
        outcome.slowest = outcome.slowest.max(self.slowest);
        for (number, table) in self.tables.iter().enumerate() {
            let of_table = self.sitting.iter().filter(|sitting| sitting.table == number);
            let turns: u64 = of_table.map(|sitting| sitting.seat.turns()).sum();
            outcome.turns += turns;
            let (rounds, all) = outcome.games.entry(table.name.to_owned()).or_default();
            *rounds += 1;
            *all += turns;
        }
    }

    fn check(self) -> Result<(), String> {
        for table in &self.tables {
            let check = AssertUnwindSafe(|| table.game.check(&table.deaths));
            catch_unwind(check).map_err(|panic| format!("{}: {}", table.name, message(&*panic)))?;
        }
        Ok(())
    }

    /// Who does what, and in which state the objects are.
    fn standstill(&self) -> String {
        let mut text = String::from("somebody does not move");
        for sitting in &self.sitting {
            let table = &self.tables[sitting.table];
            let Some(child) = &sitting.child else { continue };
            let read = |file| std::fs::read_to_string(format!("/proc/{}/{file}", child.pid()));
            let [channel, call] = ["wchan", "syscall"].map(|file| read(file).unwrap_or_default());
            text += &format!(
                "; {} {} in its turn for {:?} in {} ({})",
                table.name,
                table.players[sitting.player].name,
                sitting.turn.1,
                channel.trim(),
                call.trim()
            );
        }
        for table in &self.tables {
            text += &format!("; {}: {} {:?}", table.name, table.game.describe(), table.deaths);
        }
        text
    }
}

/// Lets time pass without giving the processor away, which would make it much more time.
fn spin(time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        std::hint::spin_loop();
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref().copied()).unwrap_or("a panic")
}
