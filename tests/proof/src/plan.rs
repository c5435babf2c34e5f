//! The parts of the proof, each case in a process of its own.

use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{io, thread};

use crate::cases::{self, Case};
use crate::processes::{Said, run, this_program};
use crate::report::{Section, seconds};
use crate::steps::{Options, Outcome, Steps, Watch};
use crate::{lifetime, mutation, storm};

/// How much to do.
#[derive(Clone, Debug)]
pub struct Extent {
    /// Decides what is random.
    pub seed: u64,
    /// How many things may happen at once.
    pub jobs: usize,
    /// How long one operation is killed at most.
    pub budget: Duration,
    /// How many instructions of an operation are looked at.
    pub longest: usize,
    /// Only cases whose name contains this.
    pub only: String,
    /// How long the storm lasts.
    pub storm: Duration,
    /// How long anything may take that waits for the dead.
    pub patience: Duration,
    /// How many objects are made.
    pub objects: u64,
}

impl Extent {
    /// This program, to do a part of the same extent.
    fn command(&self, part: &[&str]) -> Command {
        let seconds = |time: Duration| time.as_secs_f64().to_string();
        let mut command = Command::new(this_program());
        command.args(part);
        command.args(["--seed", &self.seed.to_string()]);
        command.args(["--budget", &seconds(self.budget)]);
        command.args(["--longest", &self.longest.to_string()]);
        command.args(["--storm", &seconds(self.storm)]);
        command.args(["--patience", &seconds(self.patience)]);
        command.args(["--objects", &self.objects.to_string()]);
        command
    }
}

/// How much longer than its budget a case may take: the first rounds, and what waits for the dead.
const SLACK: Duration = Duration::from_secs(120);

/// The same for what is broken on purpose: then the judge may hang too, which is how it is noticed.
const SLACK_WHEN_BROKEN: Duration = Duration::from_secs(20);

/// Deaths between any two instructions.
pub fn steps(extent: &Extent) -> Section {
    let about = "One child is stepped through the operation. Then children are killed between its \
                 instructions, one at each place: *marked* places are around each change of \
                 shared memory, around each system call and in its sleep, and where an \
                 instruction comes for the first time; the middle of an instruction that repeats \
                 itself is left out. After each death the others go on, and what they find is \
                 whole. *Reached* are the places at which a child died; *kills* counts also those \
                 whose way was another. *Slowest* is the longest wait of one beside.";
    let columns = [
        "operation",
        "beside",
        "instructions",
        "changes",
        "calls",
        "places",
        "reached",
        "kills",
        "slowest ms",
        "failures",
        "seconds",
    ];
    let mut section = Section::new("Deaths at every instruction", about, &columns);
    let began = Instant::now();
    let chosen: Vec<Case> =
        cases::all().into_iter().filter(|case| case.name().contains(&extent.only)).collect();
    let outcomes =
        at_once(extent.jobs, &chosen, |case| prove_apart(&case.name(), &[], extent, SLACK));
    let (mut kills, mut exhaustive) = (0, 0);
    for (case, outcome) in chosen.iter().zip(&outcomes) {
        kills += outcome.kills;
        exhaustive += usize::from(outcome.is_exhaustive());
        section.rows.push(row(case, outcome));
        let failures = outcome.failures.iter();
        section.failures.extend(failures.map(|it| format!("{}: {it}", case.name())));
    }
    section.summary = format!(
        "{} cases, {kills} deaths; every place reached in {exhaustive} of them",
        chosen.len()
    );
    section.took = began.elapsed();
    section
}

fn row(case: &Case, outcome: &Outcome) -> Vec<String> {
    let reached =
        if outcome.is_exhaustive() { "all".to_owned() } else { outcome.reached.to_string() };
    vec![
        case.operation.to_owned(),
        case.variant.to_owned(),
        outcome.instructions.to_string(),
        outcome.changes.to_string(),
        outcome.system_calls.to_string(),
        outcome.places.to_string(),
        reached,
        outcome.kills.to_string(),
        format!("{:.1}", outcome.slowest.as_secs_f64() * 1e3),
        outcome.failures.len().to_string(),
        seconds(outcome.took),
    ]
}

/// Proves one case, in this process.
pub fn prove(case: &Case, extent: &Extent) -> Outcome {
    let options = Options {
        seed: extent.seed,
        budget: extent.budget,
        longest: extent.longest,
        patience: extent.patience,
        watch: if extent.longest < usize::MAX { Watch::Code } else { Watch::Memory },
    };
    let mut steps = Steps::new(options);
    (case.prove)(&mut steps);
    steps.into_outcome()
}

/// Proves one case in a process of its own, whose end is a failure if it is no success.
fn prove_apart(case: &str, options: &[&str], extent: &Extent, slack: Duration) -> Outcome {
    let mut command = extent.command(&["case", case]);
    command.args(options);
    let outcome = said(run(&mut command, extent.budget + extent.patience + slack));
    let outcome =
        outcome.unwrap_or_else(|failure| Outcome { failures: vec![failure], ..Outcome::default() });
    eprintln!(
        "{case:<70} {:>6} deaths {:>6.1} s{}",
        outcome.kills,
        outcome.took.as_secs_f64(),
        outcome.failures.iter().fold(String::new(), |all, it| format!("{all}\n    {it}"))
    );
    outcome
}

/// A wake-up that is broken on purpose.
pub fn mutations(extent: &Extent) -> Section {
    let about = "The announcement to the kernel is left out that makes it wake others in the place \
                 of one who dies. Each of these must find somebody who waits for the dead, or who \
                 is woken by the clock only.";
    let columns = ["where", "noticed after", "by"];
    let mut section = Section::new("Broken on purpose", about, &columns);
    let began = Instant::now();
    let extent = Extent { patience: Duration::from_secs(3), ..extent.clone() };
    let operations = mutation::OPERATIONS.iter().filter(|case| case.contains(&extent.only));
    let operations: Vec<&str> = operations.copied().collect();
    let outcomes = at_once(extent.jobs, &operations, |case| {
        prove_apart(case, &["--forget-pending"], &extent, SLACK_WHEN_BROKEN)
    });
    for (case, outcome) in operations.iter().zip(outcomes) {
        let noticed = outcome.failures.first().cloned();
        section.note(case, format!("{} deaths", outcome.kills), noticed);
    }
    let mut all = operations.len();
    if "storm".contains(&extent.only) {
        all += 1;
        let mut command = extent.command(&["storm-here", "--forget-pending"]);
        let limit = extent.storm + SLACK_WHEN_BROKEN;
        let outcome = said::<storm::Outcome>(run(&mut command, limit));
        match outcome {
            Ok(outcome) => {
                let after = format!("{} rounds, {} deaths", outcome.rounds, outcome.kills);
                section.note("storm", after, outcome.failures.first().cloned());
            }
            Err(failure) => section.note("storm", "all".to_owned(), Some(failure)),
        }
    }
    section.summary = format!("noticed in {} of {all} places", section.rows.len());
    section.took = began.elapsed();
    section
}

/// Processes that are killed and stopped at random.
pub fn storm(extent: &Extent) -> Section {
    let about = "Rounds of games, whose players are killed some microseconds or milliseconds after \
                 they began, stopped for a moment, and replaced. When the killing ends, those who \
                 are left must come to an end; no message is lost but with one who had taken it, \
                 none comes twice, none out of its maker's order; no value is half; no memory, \
                 descriptor or segment is left.";
    let mut section = Section::new("Storm", about, &["game", "rounds", "turns"]);
    let mut command = extent.command(&["storm-here"]);
    let outcome: Result<storm::Outcome, String> = said(run(&mut command, extent.storm + SLACK));
    match outcome {
        Ok(outcome) => {
            for (game, (rounds, turns)) in outcome.games {
                section.rows.push(vec![game, rounds.to_string(), turns.to_string()]);
            }
            section.summary = format!(
                "{} rounds, {} deaths, {} stops, {} turns, the longest of {} ms; seed {}",
                outcome.rounds,
                outcome.kills,
                outcome.stops,
                outcome.turns,
                outcome.slowest.as_millis(),
                extent.seed
            );
            section.failures = outcome.failures;
            section.took = outcome.took;
        }
        Err(failure) => section.failures.push(failure),
    }
    section
}

/// A great number of objects.
pub fn lifetime(extent: &Extent) -> Section {
    let about = "Objects of all kinds are made, used and dropped, and their makers killed now and \
                 then; memory, descriptors and mappings are at the end what they were after the \
                 first tenth.";
    let columns = ["when", "used", "arena", "descriptors", "mappings", "process"];
    let mut section = Section::new("A great number of objects", about, &columns);
    let mut command = extent.command(&["lifetime-here"]);
    let outcome: Result<lifetime::Outcome, String> = said(run(&mut command, SLACK * 10));
    match outcome {
        Ok(outcome) => {
            for (when, it) in [("a tenth", outcome.before), ("the end", outcome.after)] {
                let numbers = [it.used, it.size, it.descriptors, it.mappings, it.resident];
                let numbers = numbers.map(|number| number.to_string());
                section.rows.push([vec![when.to_owned()], numbers.to_vec()].concat());
            }
            section.summary =
                format!("{} objects, {} makers killed", outcome.objects, outcome.kills);
            section.failures = outcome.failures;
            section.took = outcome.took;
        }
        Err(failure) => section.failures.push(failure),
    }
    section
}

/// Lets the storm rage in this process.
pub fn play(extent: &Extent) -> storm::Outcome {
    let (seed, duration, patience) = (extent.seed, extent.storm, extent.patience);
    storm::play(&storm::Options { seed, duration, patience })
}

/// What a process of ours has found, or why it has found nothing.
fn said<T: serde::de::DeserializeOwned>(said: io::Result<Said>) -> Result<T, String> {
    let said = said.map_err(|error| format!("cannot be started: {error}"))?;
    if let Some(failure) = said.failure {
        return Err(failure);
    }
    serde_json::from_str(&said.output).map_err(|error| format!("{error} in {}", said.output))
}

/// Does `work` for each of `items`, some at the same time, and returns the results in order.
fn at_once<T: Sync, R: Send>(jobs: usize, items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = Mutex::new(items.iter().enumerate());
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let item = next.lock().unwrap().next();
                    let Some((index, item)) = item else { break };
                    let result = work(item);
                    results.lock().unwrap().push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap();
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
