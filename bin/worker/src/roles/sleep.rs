//! A worker that is ready and waits until it is asked to leave.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use brigade_sys::time::Deadline;

use crate::station::{Station, Told};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Be ready only after so many milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0)]
    ready_after: u64,
    /// Stay although asked to leave
    #[arg(long)]
    stubborn: bool,
    /// End with this code when asked to leave
    #[arg(long, default_value_t = 0)]
    code: u8,
}

pub(crate) fn run(arguments: &Arguments) -> io::Result<ExitCode> {
    let mut station = Station::take()?;
    let ready = Deadline::after(Duration::from_millis(arguments.ready_after));
    let mut deadline = ready;
    loop {
        if deadline.is_past() {
            station.ready("asleep")?;
            deadline = Deadline::NEVER;
        }
        match station.wait(&[], deadline)?.0 {
            Some(Told::Leave) if arguments.stubborn => println!("asked to leave, and staying"),
            Some(Told::Leave) => return Ok(arguments.code.into()),
            Some(Told::Reload) | None => {}
        }
    }
}
