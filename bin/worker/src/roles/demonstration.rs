//! The feeder of the demonstration: carries one job over every mechanism, runs the programs of the
//! notes, puts the service under load, and reports.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use brigade_sys::activation;

use crate::demo::crew::{Crew, MEETING_PLACE};
use crate::demo::mechanisms::{ALL, BASELINE, Means, Mechanism, Opening, carry_by_pool};
use crate::demo::notes::{Counted, Passwords};
use crate::demo::operator::Supervisor;
use crate::demo::report::{Progress, json, table};
use crate::demo::run::{Expected, Measured, feed};
use crate::demo::tally::Tally;
use crate::demo::text::Corpus;
use crate::demo::{Failure, Outcome, plot, service};

/// How often the service is reloaded under load.
const RELOADS: usize = 5;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Count the words of all files below this directory
    #[arg(long, value_name = "DIR")]
    input: Option<PathBuf>,
    /// How many job workers will come
    #[arg(long, value_name = "N")]
    workers: usize,
    /// Only this mechanism, and neither the notes nor the service; may be repeated
    #[arg(long = "mechanism", value_name = "NAME")]
    mechanisms: Vec<String>,
    /// How often each of the notes' passwords is hashed
    #[arg(long, value_name = "N")]
    rounds: usize,
    /// Write the results to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a chart to this file
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> io::Result<ExitCode> {
    match demonstrate(arguments) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(failure) => Err(io::Error::other(failure)),
    }
}

fn demonstrate(arguments: &Arguments) -> Outcome<()> {
    let chosen = choose(&arguments.mechanisms)?;
    let progress = Progress::new();
    let corpus = match &arguments.input {
        Some(directory) => Corpus::under(directory)?,
        None => Corpus::default_of_machine(),
    };
    let mut inherited = activation::take()?.into_iter();
    let socket = inherited.next().ok_or("no socket to meet the workers at: start brigaded demo")?;
    let address = std::env::var(MEETING_PLACE)?.parse()?;
    let crew = Crew::gather(socket.descriptor, address, arguments.workers)?;

    progress.heading(&format!(
        "One job, every mechanism: the words of {} files, {:.1} MB, from {}",
        corpus.files,
        corpus.bytes() as f64 / 1e6,
        corpus.origin,
    ));
    let measured = carry_all(&crew, &corpus, &chosen, &progress)?;
    progress.heading(&table(&measured));
    let (mut passwords, mut counted, mut served) = (None, None, None);
    if arguments.mechanisms.is_empty() {
        progress.heading("The programs of the notes");
        let hashed = Passwords::run(arguments.rounds).map_err(named("sha512 over processes"))?;
        progress.done(&hashed.text());
        let shared = Counted::run().map_err(named("the shared counter"))?;
        progress.done(&shared.text());
        progress.heading("A service, reloaded and killed under load");
        let mut supervisor = Supervisor::of_this_process()?;
        let web = supervisor.web_address()?;
        let load = service::run(web, &mut supervisor, RELOADS).map_err(named("the service"))?;
        progress.done(load.table().trim_start());
        (passwords, counted, served) = (Some(hashed), Some(shared), Some(load));
    }
    crew.dismiss();
    if let Some(path) = &arguments.json {
        let json = json(&measured, passwords.as_ref(), counted.as_ref(), served.as_ref());
        std::fs::write(path, format!("{json:#}\n")).map_err(named(&path.to_string_lossy()))?;
    }
    if let Some(path) = &arguments.plot {
        std::fs::write(path, plot::svg(&measured)).map_err(named(&path.to_string_lossy()))?;
    }
    Ok(())
}

/// The mechanisms with these names; all, with the baseline last, if there are none.
fn choose(names: &[String]) -> Outcome<Vec<Mechanism>> {
    let known = || ALL.into_iter().chain([BASELINE]);
    if names.is_empty() {
        return Ok(known().collect());
    }
    let find = |name: &String| {
        known().find(|mechanism| mechanism.name == name).ok_or_else(|| {
            let all: Vec<_> = known().map(|mechanism| mechanism.name).collect();
            Failure::from(format!("no mechanism {name:?}; there are {}", all.join(", ")))
        })
    };
    names.iter().map(find).collect()
}

fn carry_all(
    crew: &Crew,
    corpus: &Corpus,
    chosen: &[Mechanism],
    progress: &Progress,
) -> Outcome<Vec<Measured>> {
    let began = Instant::now();
    let mut tally = Tally::default();
    for record in &corpus.records {
        tally.add(Tally::of(record));
    }
    progress.done(&format!(
        "one process alone: {} words, {} different, in {:.0} ms",
        tally.total(),
        tally.words(),
        began.elapsed().as_secs_f64() * 1e3
    ));
    let expected = Expected { corpus, tally: &tally };
    let mut measured = Vec::new();
    for mechanism in chosen {
        let row = carry(crew, *mechanism, &expected, progress).map_err(named(mechanism.name))?;
        progress.done(&format!(
            "{:<18} {:>8.0} messages/s",
            row.mechanism,
            row.messages_per_second()
        ));
        measured.push(row);
    }
    Ok(measured)
}

fn carry(
    crew: &Crew,
    mechanism: Mechanism,
    expected: &Expected<'_>,
    progress: &Progress,
) -> Outcome<Measured> {
    let records = expected.corpus.records.len();
    let show = |done| progress.show(mechanism.name, done, records);
    let (carried, elapsed) = match mechanism.means {
        Means::Pool => carry_by_pool(crew.len(), expected.corpus, &show)?,
        Means::Lines(open) => {
            let Opening { invitations, lines } = open(crew.len())?;
            crew.invite(invitations)?;
            let mut lines = lines()?;
            let began = Instant::now();
            let carried = feed(&mut lines, crew.len(), expected.corpus, &show)?;
            let elapsed = began.elapsed();
            crew.all_done()?;
            (carried, elapsed)
        }
    };
    carried.verify(mechanism.name, crew.len(), expected, elapsed)
}

/// Says what failed.
fn named<E: Into<Failure>>(name: &str) -> impl Fn(E) -> Failure {
    let name = name.to_owned();
    move |failure| format!("{name}: {}", failure.into()).into()
}
