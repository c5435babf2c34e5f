//! Measures brigade beside its peers: same machine, same run, same work, every message verified.
//!
//! The method is described in `README.md`. `make bench` prints the tables and leaves them under
//! `target/bench`, with all samples as JSON and one chart for each group.
#![deny(unsafe_code)]

mod case;
mod chart;
mod companion;
mod contention;
mod exchange;
mod harness;
mod machine;
mod message;
mod options;
mod ours;
mod partner;
mod peers;
mod posix;
mod probe;
mod relay;
mod report;
mod single;
mod statistics;
mod stream;
mod suite;
mod turns;
mod versions;
mod watch;

use clap::Parser;
use options::{Options, Role};
use std::error::Error;
use std::process::ExitCode;

/// Anything that goes wrong ends the run with its text.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    brigade::init();
    let options = Options::parse();
    let outcome = match &options.role {
        Some(Role::Partner { kind, address, plan }) => peers::take_part(kind, address, plan),
        None => measure(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("brigade-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Result<()> {
    let machine = machine::Machine::describe(options.placement()?);
    if machine.placement.is_one_core() {
        machine::confine(machine.placement.here)?;
    }
    let groups = suite::groups(options);
    if options.list {
        for group in &groups {
            println!("{}: {}", group.family, group.name);
            group.cases.iter().for_each(|case| println!("    {}", case.name()));
        }
        return Ok(());
    }
    let mut results = Vec::new();
    for group in &groups {
        results.push(harness::run(group, machine.placement, options.pace()));
        // What there is so far: the next group may not come to its end.
        report::write(&machine, &results, &options.output)?;
    }
    print!("{}", report::tables(&machine, &results));
    eprintln!("tables, figures and charts are in {}", options.output.display());
    match results.iter().map(harness::GroupResult::failures).sum() {
        0 => Ok(()),
        failures => Err(format!("{failures} cases failed; see above").into()),
    }
}
