//! `brigaded`: keeps programs running, and replaces them while they serve.
#![forbid(unsafe_code)]

mod demo;

use std::path::PathBuf;
use std::process::ExitCode;

use brigade_supervisor::config::{Config, ConfigError};
use brigade_supervisor::control::ControlError;
use brigade_supervisor::status::Verdict;
use brigade_supervisor::{SIGNAL_TABLE, Source, StartError, Supervisor};
use clap::{Parser, Subcommand};

use demo::Demonstration;

/// Keeps programs running, and replaces them while they serve.
#[derive(Parser)]
#[command(name = "brigaded", version, after_long_help = after_help(), after_help = after_help())]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Runs the programs of a configuration, in the foreground
    Run {
        /// The configuration
        file: PathBuf,
        /// Where to put the control socket [default: as configured, else /run/brigade/control.sock,
        /// or in the user's runtime directory]
        #[arg(long, value_name = "PATH")]
        control: Option<PathBuf>,
    },
    /// Shows every mechanism at work: one job over each, a pool, a service under load
    Demo(demo::Arguments),
    /// Says whether a configuration is of use, and if not, where and why
    Check {
        /// The configuration
        file: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

fn after_help() -> String {
    format!(
        "Signals:\n\n{SIGNAL_TABLE}\n\nExit codes: 0 everything stopped as asked (or the code of \
         the program with the role main), 1 failed, 2 usage, 6 configuration of no use, 7 another \
         supervisor uses the control socket"
    )
}

fn main() -> ExitCode {
    match Arguments::parse().verb {
        Verb::Run { file, control } => run(file, control),
        Verb::Demo(arguments) => demonstrate(&arguments),
        Verb::Check { file, json } => check(&file, json),
    }
}

fn run(file: PathBuf, control: Option<PathBuf>) -> ExitCode {
    // The current directory may change its meaning while we run: the file may not.
    let file = std::path::absolute(&file).unwrap_or(file);
    let mut supervisor = Supervisor::new(Source::File(file));
    if let Some(path) = control {
        supervisor = supervisor.control(path);
    }
    supervise(supervisor)
}

fn supervise(supervisor: Supervisor) -> ExitCode {
    match supervisor.run() {
        Ok(code) => code.into(),
        Err(error) => {
            eprintln!("brigaded: {error}");
            failure(&error).exit_code().into()
        }
    }
}

fn demonstrate(arguments: &demo::Arguments) -> ExitCode {
    match Demonstration::new(arguments) {
        Ok(demonstration) => supervise(demonstration.supervisor()),
        Err(error) => {
            eprintln!("brigaded: {error}");
            Verdict::Failed.exit_code().into()
        }
    }
}

fn failure(error: &StartError) -> Verdict {
    match error {
        StartError::Config(_) => Verdict::Invalid,
        StartError::Control(ControlError::InUse { .. }) => Verdict::Refused,
        _ => Verdict::Failed,
    }
}

fn check(file: &std::path::Path, json: bool) -> ExitCode {
    let problems = match Config::load(file) {
        Ok(_) => Vec::new(),
        Err(ConfigError { diagnostics }) => diagnostics,
    };
    if json {
        let text = serde_json::json!({ "diagnostics": problems });
        println!("{text}");
    } else if problems.is_empty() {
        println!("{}: fine", file.display());
    }
    if problems.is_empty() {
        return ExitCode::SUCCESS;
    }
    if !json {
        problems.iter().for_each(|problem| eprintln!("{problem}"));
    }
    Verdict::Invalid.exit_code().into()
}
