//! Python's multiprocessing and concurrent.futures, where a python3 is installed.

use crate::peers::program::line;
use std::process::Command;

/// The Python side of every case, compiled in so that the program runs from anywhere.
const PROGRAM: &str = include_str!("../../python/peers.py");

pub(crate) fn command() -> Command {
    let mut command = Command::new("python3");
    command.args(["-c", PROGRAM]);
    command
}

pub(crate) fn missing() -> Option<String> {
    version().is_none().then(|| "there is no python3".to_owned())
}

pub(crate) fn version() -> Option<String> {
    let text = line(Command::new("python3").arg("--version"))?;
    Some(text.trim_start_matches("Python ").to_owned())
}
