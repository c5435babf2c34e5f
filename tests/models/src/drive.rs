//! Runs models and their mutants, each in a process of its own: a failure ends it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::explore::{Explored, Model, Pace};
use crate::mutant::Mutant;
use crate::trial::{self, Place};
use crate::{MODELS, survivors};

/// How many orders are drawn of a model of which not all are tried.
const DRAWN: usize = 4_000;

/// How long a model may take.
const LIMIT: Duration = Duration::from_secs(300);

/// How much longer than the code itself a mutant may take: one that does not end is noticed.
const PATIENCE: u32 = 4;

/// How many characters of a failure are kept.
const LONGEST_COMPLAINT: usize = 8_000;

/// And so much more.
const SLACK: Duration = Duration::from_secs(5);

/// At which interval an end is looked for.
const LOOK: Duration = Duration::from_millis(10);

/// What one process found out.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Found {
    explored: Explored,
    places: Vec<Mutation>,
}

/// A mutant, and what is done at its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Mutation {
    mutant: String,
    kind: String,
}

/// What became of a model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Played {
    /// What the model is called.
    pub name: String,
    /// What it shows.
    pub about: String,
    /// Whether every order was tried, or some were drawn.
    pub is_exhaustive: bool,
    /// What was done.
    pub explored: Explored,
    /// How long it took.
    pub took: Duration,
    /// What is wrong, if something is.
    pub failure: Option<String>,
    #[serde(skip)]
    mutations: Vec<Mutation>,
}

/// What became of a mutant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tried {
    /// What is done wrongly, and where.
    pub mutant: String,
    /// The line.
    pub line: String,
    /// Which model noticed.
    pub noticed_by: Option<String>,
    /// Why nobody can notice, if nobody can.
    pub harmless: Option<String>,
}

/// All that was found out.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// The models.
    pub models: Vec<Played>,
    /// The mutants.
    pub mutants: Vec<Tried>,
}

/// How much to do.
#[derive(Clone, Debug)]
pub struct Extent {
    /// Only models with one of these in their name, if there are any.
    pub names: Vec<String>,
    /// Whether slow models are drawn from.
    pub is_quick: bool,
    /// How many processes run at a time.
    pub jobs: usize,
}

/// Runs one model in this process, and prints what was found. A failure ends the process.
pub fn run_here(model: &Model, drawn: Option<u64>, mutant: Option<Mutant>) {
    trial::end_at_failure();
    trial::mutate(mutant);
    trial::record();
    let explored = match drawn {
        Some(seed) => model.sample(seed, DRAWN),
        None => model.explore(),
    };
    let places = trial::places().iter().flat_map(mutations).collect();
    let found = Found { explored, places };
    println!("{}", serde_json::to_string(&found).expect("numbers and texts have a form"));
}

/// What can be done wrongly at a place.
fn mutations(place: &Place) -> Vec<Mutation> {
    let mut mutants = Vec::new();
    if place.kind.can_be_left_out() {
        mutants.push(Mutant::Omit(place.site));
    }
    if place.is_ordered && place.kind != crate::Kind::Fence {
        mutants.push(Mutant::Relax(place.site));
    }
    if place.wakes_all {
        mutants.push(Mutant::WakeOne(place.site));
    }
    let kind = format!("{:?}", place.kind);
    let mutation = |it: Mutant| Mutation { mutant: it.to_string(), kind: kind.clone() };
    mutants.into_iter().map(mutation).collect()
}

/// Runs the models.
pub fn play(extent: &Extent) -> Vec<Played> {
    at_once(extent.jobs, &chosen(extent), |model| play_one(model, extent))
}

fn chosen(extent: &Extent) -> Vec<Model> {
    let is_chosen = |model: &Model| {
        extent.names.is_empty() || extent.names.iter().any(|name| model.name.contains(name))
    };
    MODELS.iter().copied().flatten().copied().filter(is_chosen).collect()
}

fn is_drawn(model: &Model, extent: &Extent) -> bool {
    model.pace == Pace::Drawn || extent.is_quick && model.pace == Pace::Slow
}

fn play_one(model: &Model, extent: &Extent) -> Played {
    let began = Instant::now();
    let is_drawn = is_drawn(model, extent);
    let ran = run_apart(model, is_drawn, None, LIMIT);
    let (found, failure) = match ran {
        Ok(found) => (found, None),
        Err(failure) => (Found::default(), Some(failure)),
    };
    let took = began.elapsed();
    eprintln!(
        "{:26} {:>8} orders {:>8} deaths {:>6.1} s{}",
        model.name,
        found.explored.executions,
        found.explored.deaths,
        took.as_secs_f64(),
        failure.as_ref().map_or(String::new(), |it| format!("\n{it}"))
    );
    Played {
        name: model.name.to_owned(),
        about: model.about.to_owned(),
        is_exhaustive: !is_drawn,
        explored: found.explored,
        took,
        failure,
        mutations: found.places,
    }
}

/// Tries every mutant of the code that the models run through, with each of them, the quick ones
/// first, until one notices.
pub fn try_mutants(extent: &Extent, played: &[Played]) -> Vec<Tried> {
    let mut order: Vec<&Played> = played.iter().filter(|it| it.failure.is_none()).collect();
    order.sort_by_key(|it| it.took);
    let mut all: BTreeMap<&Mutation, Vec<&Played>> = BTreeMap::new();
    for model in order {
        for mutation in model.mutations.iter().collect::<BTreeSet<_>>() {
            all.entry(mutation).or_default().push(model);
        }
    }
    let all: Vec<_> = all.into_iter().collect();
    at_once(extent.jobs, &all, |(mutation, models)| {
        let tried = try_mutant(extent, mutation, models);
        let how = tried.noticed_by.as_ref().or(tried.harmless.as_ref());
        eprintln!("{}: {}", tried.mutant, how.map_or("NOT NOTICED", String::as_str));
        tried
    })
}

fn try_mutant(extent: &Extent, mutation: &Mutation, models: &[&Played]) -> Tried {
    let mutant = Mutant::parse(&mutation.mutant).expect("it was written by one");
    let line = survivors::line(mutant.site());
    let mut harmless = survivors::reason(mutant, &line);
    let mut noticed_by = notice(extent, mutation, models.iter().copied());
    if noticed_by.is_some() {
        harmless = None;
    } else if harmless.is_none() {
        if survivors::is_modelled(mutant.site()) {
            let drawn = models.iter().copied().filter(|it| !it.is_exhaustive);
            noticed_by = notice(&Extent { is_quick: false, ..extent.clone() }, mutation, drawn);
        } else {
            harmless = Some("not known: the models use only a part of this file");
        }
    }
    Tried {
        mutant: format!("{} ({})", mutation.mutant, mutation.kind),
        line,
        noticed_by,
        harmless: harmless.map(str::to_owned),
    }
}

/// The first of the models that notices the mutant: that fails, or does not come to an end.
fn notice<'a>(
    extent: &Extent,
    mutation: &Mutation,
    mut models: impl Iterator<Item = &'a Played>,
) -> Option<String> {
    let noticed = models.find(|played| {
        let named = MODELS.iter().copied().flatten().find(|model| model.name == played.name);
        let model = named.expect("it was played");
        let is_drawn = is_drawn(model, extent);
        let is_as_before = is_drawn != played.is_exhaustive;
        let limit = if is_as_before { played.took * PATIENCE + SLACK } else { LIMIT };
        run_apart(model, is_drawn, Some(&mutation.mutant), limit).is_err()
    });
    noticed.map(|it| it.name.clone())
}

/// Runs one model in a process of its own.
fn run_apart(
    model: &Model,
    is_drawn: bool,
    mutant: Option<&str>,
    limit: Duration,
) -> Result<Found, String> {
    let mut command = Command::new(std::env::current_exe().map_err(|it| it.to_string())?);
    command.args(["one", model.name]);
    if is_drawn {
        command.args(["--drawn", "1"]);
    }
    if let Some(mutant) = mutant {
        command.args(["--mutant", mutant]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let (output, complaint) = (read_all(child.stdout.take()), read_all(child.stderr.take()));
    let began = Instant::now();
    let mut is_late = false;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) => {}
            Err(error) => return Err(error.to_string()),
        }
        if began.elapsed() > limit && !is_late {
            is_late = true;
            // An error says that it has ended.
            let _ = child.kill();
        }
        thread::park_timeout(LOOK);
    };
    let (output, complaint) =
        (output.join().unwrap_or_default(), complaint.join().unwrap_or_default());
    if is_late {
        return Err(format!("not done after {limit:?}"));
    }
    if !status.success() {
        // The schedule of a failure may be very long; what failed stands at the end.
        let skipped = complaint.chars().count().saturating_sub(LONGEST_COMPLAINT);
        return Err(complaint.chars().skip(skipped).collect());
    }
    serde_json::from_str(&output).map_err(|error| format!("{error} in {output}"))
}

fn read_all(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read until an error is better than nothing.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Does `work` for each of `items`, some at the same time, and returns the results in order.
fn at_once<T: Sync, R: Send>(jobs: usize, items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = Mutex::new(items.iter().enumerate());
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let item = next.lock().expect("nobody panics with it").next();
                    let Some((index, item)) = item else { break };
                    let result = work(item);
                    results.lock().expect("nobody panics with it").push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("nobody panics with it");
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
