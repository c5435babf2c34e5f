//! The proof as a program.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use brigade_proof::plan::{self, Extent};
use brigade_proof::report::Report;
use brigade_proof::{cases, checks, lifetime, mutation};
use clap::{Args, Parser, Subcommand};
use serde::Serialize;

/// Kills processes of brigade between any two instructions and at random, and sees that the others
/// go on.
#[derive(Parser)]
#[command(name = "brigade-prove", version)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    options: Options,
}

#[derive(Args)]
struct Options {
    /// Decides what is random; printed, so that a run can be repeated.
    #[arg(long, global = true, default_value_t = 1)]
    seed: u64,
    /// How many cases are tried at the same time; by default one for each processor.
    #[arg(long, global = true)]
    jobs: Option<usize>,
    /// For how many seconds one operation is killed at most.
    #[arg(long, global = true, default_value_t = 30.0)]
    budget: f64,
    /// How many instructions of an operation are looked at.
    #[arg(long, global = true, default_value_t = usize::MAX, hide_default_value = true)]
    longest: usize,
    /// Only operations whose name contains this.
    #[arg(long, global = true, default_value = "", hide_default_value = true)]
    only: String,
    /// For how many seconds the storm lasts.
    #[arg(long, global = true, default_value_t = 300.0)]
    storm: f64,
    /// For how many seconds anything may wait for the dead.
    #[arg(long, global = true, default_value_t = 30.0)]
    patience: f64,
    /// How many objects are made to see that none stays.
    #[arg(long, global = true, default_value_t = 1_000_000)]
    objects: u64,
    /// Breaks a wake-up on purpose.
    #[arg(long, global = true, hide = true)]
    forget_pending: bool,
    /// Where the report goes.
    #[arg(long, global = true, default_value = "target/proof")]
    output: PathBuf,
}

#[derive(Subcommand)]
enum Part {
    /// Deaths between any two instructions of every operation.
    Steps,
    /// Processes that are killed and stopped at random.
    Storm,
    /// A wake-up that is broken on purpose, to see that it is noticed.
    Mutations,
    /// A great number of objects, of which none stays.
    Lifetime,
    /// Every order of the primitives' steps, and every store left out.
    Models,
    /// The unit tests with every access to memory checked.
    Sanitizers,
    /// The objects, in this process; prints what was found.
    #[command(hide = true)]
    LifetimeHere,
    /// The storm, in this process; prints what was found.
    #[command(hide = true)]
    StormHere,
    /// One operation, in this process; prints what was found.
    #[command(hide = true)]
    Case {
        /// What the case is called.
        name: String,
    },
    /// Prints the names of all operations.
    List,
}

fn main() -> ExitCode {
    let Arguments { part, options } = Arguments::parse();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let extent = Extent {
        seed: options.seed,
        jobs: options.jobs.unwrap_or(processors),
        budget: Duration::from_secs_f64(options.budget),
        longest: options.longest,
        only: options.only,
        storm: Duration::from_secs_f64(options.storm),
        patience: Duration::from_secs_f64(options.patience),
        objects: options.objects,
    };
    if options.forget_pending {
        mutation::forget_pending();
    }
    let sections = match part {
        None => vec![
            plan::steps(&extent),
            plan::storm(&extent),
            plan::lifetime(&extent),
            plan::mutations(&extent),
            checks::models(),
            checks::mutants(),
            checks::sanitizers(),
        ],
        Some(Part::Steps) => vec![plan::steps(&extent)],
        Some(Part::Storm) => vec![plan::storm(&extent)],
        Some(Part::Mutations) => vec![plan::mutations(&extent)],
        Some(Part::Lifetime) => vec![plan::lifetime(&extent)],
        Some(Part::Models) => vec![checks::models(), checks::mutants()],
        Some(Part::Sanitizers) => vec![checks::sanitizers()],
        Some(Part::LifetimeHere) => return print(&lifetime::make(extent.objects, extent.seed)),
        Some(Part::StormHere) => return print(&plan::play(&extent)),
        Some(Part::Case { name }) => return case(&name, &extent),
        Some(Part::List) => {
            cases::all().iter().for_each(|case| println!("{}", case.name()));
            return ExitCode::SUCCESS;
        }
    };
    let report = Report { circumstances: circumstances(&extent), sections };
    if let Err(error) = report.write(&options.output) {
        eprintln!("cannot write the report to {}: {error}", options.output.display());
        return ExitCode::FAILURE;
    }
    print!("{}", report.to_markdown());
    if report.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn case(name: &str, extent: &Extent) -> ExitCode {
    let Some(case) = cases::all().into_iter().find(|case| case.name() == name) else {
        eprintln!("there is no case `{name}`");
        return ExitCode::FAILURE;
    };
    print(&plan::prove(&case, extent))
}

/// Says to the process that has started this one what was found.
fn print(outcome: &impl Serialize) -> ExitCode {
    println!("{}", serde_json::to_string(outcome).expect("numbers and texts have a form"));
    ExitCode::SUCCESS
}

/// The machine, and how the proof was started.
fn circumstances(extent: &Extent) -> String {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default().trim().to_owned();
    let build = if cfg!(debug_assertions) { "not optimized" } else { "optimized" };
    format!(
        "Linux {} on {}, {} processors; {build}; seed {}.",
        read("/proc/sys/kernel/osrelease"),
        std::env::consts::ARCH,
        std::thread::available_parallelism().map_or(1, usize::from),
        extent.seed,
    )
}
