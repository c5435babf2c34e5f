//! The parts of the proof, each case in a process of its own.

use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{io, thread};

use crate::cases::{self, Case};
use crate::processes::{Said, run, this_program};
use crate::report::{Section, seconds};
use crate::steps::{Options, Outcome, Steps, Watch};

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
}

/// How much longer than its budget a case may take: the first rounds, and what waits for the dead.
const SLACK: Duration = Duration::from_secs(120);

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
        "operation", "beside", "instructions", "changes", "calls", "places", "reached", "kills",
        "slowest ms", "failures", "seconds",
    ];
    let mut section = Section::new("Deaths at every instruction", about, &columns);
    let began = Instant::now();
    let chosen: Vec<Case> =
        cases::all().into_iter().filter(|case| case.name().contains(&extent.only)).collect();
    let outcomes = at_once(extent.jobs, &chosen, |case| prove_apart(case, extent));
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
        watch: if extent.longest < usize::MAX { Watch::Code } else { Watch::Memory },
    };
    let mut steps = Steps::new(options);
    (case.prove)(&mut steps);
    steps.into_outcome()
}

/// Proves one case in a process of its own, whose end is a failure if it is no success.
fn prove_apart(case: &Case, extent: &Extent) -> Outcome {
    let mut command = Command::new(this_program());
    command.args(["case", &case.name()]);
    command.args(["--seed", &extent.seed.to_string()]);
    command.args(["--budget", &extent.budget.as_secs_f64().to_string()]);
    command.args(["--longest", &extent.longest.to_string()]);
    let outcome = said(run(&mut command, extent.budget + SLACK));
    let outcome = outcome.unwrap_or_else(|failure| Outcome {
        failures: vec![failure],
        ..Outcome::default()
    });
    eprintln!(
        "{:<70} {:>6} deaths {:>6.1} s{}",
        case.name(),
        outcome.kills,
        outcome.took.as_secs_f64(),
        outcome.failures.iter().fold(String::new(), |all, it| format!("{all}\n    {it}"))
    );
    outcome
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
