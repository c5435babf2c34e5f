//! Deaths between any two instructions of an operation.
//!
//! One child is stepped through the operation, and each instruction is noted. Then, for each place
//! between two instructions, another child is run to that place and killed there; the others must
//! go on, and what they find must be whole. A child is brought to its place by a trap at the last
//! instruction before it that it meets for the first time, and by single steps from there.
//!
//! Operations that wait are killed in their sleep too, and after they were woken.

mod round;
mod trace;

use std::time::{Duration, Instant};

use brigade_shm::testing::Child;
use serde::{Deserialize, Serialize};

use self::round::{Aim, Arrival, Round};
use self::trace::{Place, Trace};
use crate::random::Random;

/// How often somebody must be woken late at the same place.
const TRIES: usize = 4;

/// How much to do.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Decides which places are chosen where not all are.
    pub seed: u64,
    /// How long one operation may take; the places that are left then are not tried.
    pub budget: Duration,
    /// How many instructions of an operation are noted at most.
    pub longest: usize,
    /// How long anything may take that waits for the dead.
    pub patience: Duration,
    /// Whether to look for changes of shared memory after each instruction. Costs about as much as
    /// the step itself, and more in a build that is not optimized.
    pub watch: Watch,
}

/// What is noted of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Where it stands, and whether it is a system call.
    Code,
    /// Also whether it changes shared memory.
    Memory,
}

/// How the operation ended for the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was killed on the way.
    Killed,
    /// It came through.
    CameThrough,
}

/// What was found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// How many instructions the operation has; at least so many, if it was not noted to its end.
    pub instructions: usize,
    /// How many of them changed shared memory.
    pub changes: usize,
    /// How many of them were system calls.
    pub system_calls: usize,
    /// How many different places there are to be killed at.
    pub places: usize,
    /// How many of these a child was killed at.
    pub reached: usize,
    /// How many children were killed in all, also at places that no other child came to.
    pub kills: usize,
    /// How long those beside had to wait at most after a death.
    pub slowest: Duration,
    /// What went wrong.
    pub failures: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

impl Outcome {
    /// Whether there was a death at every place.
    pub fn is_exhaustive(&self) -> bool {
        self.places > 0 && self.reached == self.places
    }
}

/// A machine for killing children in the middle of operations.
#[derive(Debug)]
pub struct Steps {
    options: Options,
    outcome: Outcome,
}

impl Steps {
    /// A machine that has not killed anybody yet.
    pub fn new(options: Options) -> Self {
        Self { options, outcome: Outcome::default() }
    }

    /// What was found.
    pub fn into_outcome(self) -> Outcome {
        self.outcome
    }

    /// Describes an operation. It runs in a child and goes
    /// [`through`](brigade_sys::stepping::through) the part that is stepped.
    pub fn of<'a>(&'a mut self, operation: impl Fn() + 'a) -> Subject<'a> {
        let round = Round::new(Box::new(operation), self.options.patience);
        Subject { steps: self, round, rounds: usize::MAX, late: round::LATE }
    }
}

/// An operation, and who is beside it.
#[must_use = "nothing happens before `check`"]
pub struct Subject<'a> {
    steps: &'a mut Steps,
    round: Round<'a>,
    rounds: usize,
    late: Duration,
}

impl std::fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject").field("rounds", &self.rounds).finish_non_exhaustive()
    }
}

impl<'a> Subject<'a> {
    /// Runs `prepare` in this process before each child.
    pub fn after(mut self, prepare: impl FnMut() + 'a) -> Self {
        self.round.prepare = Box::new(prepare);
        self
    }

    /// Makes the child by `birth`, which is given what it is to run.
    pub fn born_by(mut self, birth: impl Fn(&dyn Fn()) -> Child + 'a) -> Self {
        self.round.birth = Box::new(birth);
        self
    }

    /// Has another process that runs `body` and sleeps in it before the child starts. It must end
    /// by itself when [`release`](Self::release) was called.
    pub fn beside(mut self, body: impl Fn() + 'a) -> Self {
        self.round.before.push(Box::new(body));
        self
    }

    /// Has another process that runs `body` and sleeps in it before the child's operation starts,
    /// and after what the child does before its operation. It must end by itself.
    pub fn awaited_by(mut self, body: impl Fn() + 'a) -> Self {
        self.round.waiting.push(Box::new(body));
        self
    }

    /// Is called when the child sleeps in its operation, and after its death, to let the others go
    /// on for which it waits.
    pub fn release(mut self, release: impl Fn() + 'a) -> Self {
        self.round.release = Box::new(release);
        self
    }

    /// Runs `help` after a death, when `is_due` says that those who wait have nothing to wait for
    /// any more: the operation has not happened.
    pub fn unless(mut self, is_due: impl Fn() -> bool + 'a, help: impl Fn() + 'a) -> Self {
        self.round.is_due = Box::new(is_due);
        self.round.help = Some(Box::new(help));
        self
    }

    /// Those who wait may have to find out by themselves what happened, within their half second:
    /// the operation says so.
    pub fn by_the_clock(mut self) -> Self {
        self.late = self.steps.options.patience;
        self
    }

    /// The arena may be fuller after a round than before.
    pub fn keeping_memory(mut self) -> Self {
        self.round.keeps_memory = true;
        self
    }

    /// Kills no more than about `rounds` children, at places that are chosen at random.
    pub fn rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds;
        self
    }

    /// Kills child after child, and runs `check` after each: it sees to it that everything is
    /// whole, and goes on. It fails by a panic.
    pub fn check(mut self, check: impl FnMut(Fate) + 'a) {
        self.round.check = Box::new(check);
        let began = Instant::now();
        if let Err(trouble) = self.kill_all(began) {
            self.steps.outcome.failures.push(trouble);
        }
        self.steps.outcome.took += began.elapsed();
    }

    fn kill_all(&mut self, began: Instant) -> Result<(), String> {
        // The first rounds find memory that later ones have used before.
        for _ in 0..3 {
            self.round.play(&Aim::Through)?;
        }
        self.round.note_memory();
        let options = self.steps.options;
        let trace = self.round.record(options.longest, options.watch)?;
        self.note(&trace);
        let places = trace.places(&mut Random::new(options.seed));
        self.steps.outcome.places += places.marked.len() + places.others.len();
        let mut marked = places.marked;
        if options.longest < usize::MAX || self.rounds < usize::MAX {
            // Not all will be tried: then not always the first ones.
            Random::new(options.seed).shuffle(&mut marked);
        }
        for place in marked.into_iter().chain(places.others) {
            if began.elapsed() >= options.budget || self.steps.outcome.kills >= self.rounds {
                break;
            }
            self.kill_at(&trace, place)?;
        }
        Ok(())
    }

    fn note(&mut self, trace: &Trace) {
        let outcome = &mut self.steps.outcome;
        let count = |of: fn(&trace::Instruction) -> bool| {
            trace.instructions.iter().filter(|&it| of(it)).count()
        };
        outcome.instructions += trace.len();
        outcome.changes += count(|it| it.changed_memory);
        outcome.system_calls += count(|it| it.is_system_call);
    }

    /// Kills a child at `place`. One that came elsewhere is killed as well, and the next one is
    /// stepped all the way.
    fn kill_at(&mut self, trace: &Trace, place: Place) -> Result<(), String> {
        let mut late = Vec::new();
        let mut aims = vec![Aim::Steps(trace, place), Aim::Trap(trace, place)];
        while let Some(aim) = aims.pop() {
            let played = self.round.play(&aim).map_err(|trouble| {
                let at = trace.address(place.position).unwrap_or(0);
                let asleep = if place.asleep { ", asleep" } else { "" };
                let [position, all] = [place.position, trace.len()];
                format!(
                    "killed after {position} of {all} instructions{asleep}, at {at:#x}: {trouble}"
                )
            })?;
            let outcome = &mut self.steps.outcome;
            outcome.kills += usize::from(played.fate == Fate::Killed);
            // A machine that is busy makes others late as well, but not each time.
            if played.waited >= self.late {
                late.push(played.waited);
                if late.len() == TRIES {
                    return Err(format!(
                        "killed after {} instructions: those who wait are woken by the clock \
                         only, after {late:?}",
                        place.position
                    ));
                }
                aims.push(aim);
                continue;
            }
            outcome.slowest = outcome.slowest.max(played.waited);
            if played.arrival == Arrival::There {
                outcome.reached += 1;
                break;
            }
        }
        Ok(())
    }
}
