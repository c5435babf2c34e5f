//! Runs the models.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use brigade_models::drive::{self, Extent, Report};
use brigade_models::{MODELS, Mutant};
use clap::{Args, Parser, Subcommand};

/// Tries every order of the primitives' steps, and every death between two.
#[derive(Parser)]
#[command(name = "brigade-models", version)]
struct Arguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(Args)]
struct Options {
    /// Only models with one of these in their names.
    names: Vec<String>,
    /// Draws some orders of those models that take long.
    #[arg(long)]
    quick: bool,
    /// How many models run at the same time; by default one for each processor.
    #[arg(long)]
    jobs: Option<usize>,
}

#[derive(Subcommand)]
enum Part {
    /// The models.
    Run(Options),
    /// The models, and every mutant of the code that they run through: one of them must notice.
    Mutants(Options),
    /// One model, in this process.
    #[command(hide = true)]
    One {
        /// What it is called.
        name: String,
        /// What is done wrongly.
        #[arg(long)]
        mutant: Option<String>,
        /// Some orders, drawn with this seed.
        #[arg(long)]
        drawn: Option<u64>,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().part {
        Part::Run(options) => {
            let models = drive::play(&extent(options));
            finish(&Report { models, mutants: Vec::new() })
        }
        Part::Mutants(options) => {
            let extent = extent(options);
            let models = drive::play(&extent);
            let mutants = drive::try_mutants(&extent, &models);
            finish(&Report { models, mutants })
        }
        Part::One { name, mutant, drawn } => {
            let model = MODELS.iter().copied().flatten().find(|model| model.name == name);
            let mutant = mutant.map(|text| Mutant::parse(&text));
            let (Some(model), Some(Some(_)) | None) = (model, mutant) else {
                eprintln!("there is no model `{name}`, or no such mutant");
                return ExitCode::FAILURE;
            };
            drive::run_here(model, drawn, mutant.flatten());
            ExitCode::SUCCESS
        }
    }
}

fn extent(Options { names, quick, jobs }: Options) -> Extent {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    Extent { names, is_quick: quick, jobs: jobs.unwrap_or(processors) }
}

/// Prints what was found, and says whether that is as it should be.
fn finish(report: &Report) -> ExitCode {
    println!("{}", serde_json::to_string_pretty(report).expect("numbers and texts have a form"));
    let is_good = report.models.iter().all(|it| it.failure.is_none())
        && report.mutants.iter().all(|it| it.noticed_by.is_some() || it.harmless.is_some());
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
