//! A worker that runs, but never says that it is ready.

use std::io;
use std::process::ExitCode;

use brigade_sys::time::Deadline;

use crate::station::{Station, Told};

pub(crate) fn run() -> io::Result<ExitCode> {
    let mut station = Station::take()?;
    station.status("has not made up its mind")?;
    while station.wait(&[], Deadline::NEVER)?.0 != Some(Told::Leave) {}
    Ok(ExitCode::SUCCESS)
}
