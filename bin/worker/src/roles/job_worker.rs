//! A worker of the demonstration's job: takes one line after the other, and counts words.

use std::io;
use std::process::ExitCode;

use crate::demo::crew::{MEETING_PLACE, join_crew};

pub(crate) fn run() -> io::Result<ExitCode> {
    let address = std::env::var(MEETING_PLACE).map_err(io::Error::other)?;
    let address = address.parse().map_err(io::Error::other)?;
    join_crew(&address).map_err(io::Error::other)?;
    Ok(ExitCode::SUCCESS)
}
