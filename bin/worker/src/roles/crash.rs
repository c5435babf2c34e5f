//! A worker that ends by itself.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use brigade_sys::time::Deadline;

use crate::station::{Station, Told};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long it lives, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0)]
    after: u64,
    /// The exit code
    #[arg(long, default_value_t = 1)]
    code: u8,
    /// The signal that it sends itself instead
    #[arg(long)]
    signal: Option<i32>,
    /// Say that it is ready before
    #[arg(long)]
    ready: bool,
}

pub(crate) fn run(arguments: &Arguments) -> io::Result<ExitCode> {
    let mut station = Station::take()?;
    if arguments.ready {
        station.ready("about to crash")?;
    }
    let deadline = Deadline::after(Duration::from_millis(arguments.after));
    while !deadline.is_past() {
        if station.wait(&[], deadline)?.0 == Some(Told::Leave) {
            return Ok(ExitCode::SUCCESS);
        }
    }
    eprintln!("this is the end");
    if let Some(signal) = arguments.signal {
        signal_hook::low_level::emulate_default_handler(signal)?;
        signal_hook::low_level::raise(signal)?;
    }
    Ok(arguments.code.into())
}
