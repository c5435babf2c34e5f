//! `brigade-worker ROLE`: the processes below a supervisor, one file a role.
#![forbid(unsafe_code)]

mod demo;
mod roles;
mod station;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use roles::{crash, demonstration, job_worker, never_ready, sleep, web};

/// A process that does one thing, below a supervisor or by itself.
#[derive(Parser)]
#[command(name = "brigade-worker", version)]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Answers HTTP requests on the inherited socket and says who answered
    Web(web::Arguments),
    /// Is ready and waits until it is asked to leave
    Sleep(sleep::Arguments),
    /// Ends by itself
    Crash(crash::Arguments),
    /// Runs, but never says that it is ready
    NeverReady,
    /// Feeds the demonstration's job, and reports
    Demo(demonstration::Arguments),
    /// Works for the demonstration's job
    JobWorker,
}

#[brigade::main]
fn main() -> ExitCode {
    let result = match Arguments::parse().role {
        Role::Web(arguments) => web::run(&arguments),
        Role::Sleep(arguments) => sleep::run(&arguments),
        Role::Crash(arguments) => crash::run(&arguments),
        Role::NeverReady => never_ready::run(),
        Role::Demo(arguments) => demonstration::run(&arguments),
        Role::JobWorker => job_worker::run(),
    };
    result.unwrap_or_else(|error| {
        eprintln!("brigade-worker: {error}");
        ExitCode::FAILURE
    })
}
