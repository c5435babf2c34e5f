//! Python's multiprocessing and concurrent.futures, where a python3 is installed.

use crate::Result;
use crate::case::{Case, Effort, Sample};
use crate::machine::Placement;
use serde::Deserialize;
use std::process::{Command, Stdio};

/// The Python side of every case, compiled in so that the program runs from anywhere.
const PROGRAM: &str = include_str!("../../python/peers.py");

/// A case of the Python program.
pub(crate) struct Python {
    pub(crate) name: &'static str,
    /// The function in the program, and its arguments.
    pub(crate) function: &'static str,
    pub(crate) arguments: &'static [u64],
    pub(crate) count: u64,
}

#[derive(Deserialize)]
struct Answer {
    value: f64,
    detail: Option<f64>,
}

impl Case for Python {
    fn name(&self) -> &str {
        self.name
    }

    fn missing(&self) -> Option<String> {
        version().is_none().then(|| "there is no python3".to_owned())
    }

    fn measure(&self, placement: Placement, effort: Effort) -> Result<Sample> {
        let count = effort.repetitions(self.count);
        let numbers = [placement.here as u64, placement.there as u64, count];
        let numbers = numbers.iter().chain(self.arguments).map(ToString::to_string);
        let output = Command::new("python3")
            .args(["-c", PROGRAM, self.function])
            .args(numbers)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            return Err(format!("python3 ended with {}", output.status).into());
        }
        let answer: Answer = serde_json::from_slice(&output.stdout)?;
        Ok(Sample { value: answer.value, detail: answer.detail })
    }
}

/// Whether there is a python3, and which.
pub(crate) fn version() -> Option<String> {
    let output = Command::new("python3").arg("--version").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
