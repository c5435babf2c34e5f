//! Peers in other languages: a program for each, which does a case and prints its result.

use crate::Result;
use crate::case::{Case, Effort, Sample};
use crate::machine::Placement;
use crate::peers::{boost, python};
use serde::Deserialize;
use std::process::{Command, Stdio};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Language {
    Python,
    Boost,
}

/// A case of such a program.
pub(crate) struct Program {
    pub(crate) language: Language,
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

impl Case for Program {
    fn name(&self) -> &str {
        self.name
    }

    fn missing(&self) -> Option<String> {
        match self.language {
            Language::Python => python::missing(),
            Language::Boost => boost::missing(),
        }
    }

    fn measure(&self, placement: Placement, effort: Effort) -> Result<Sample> {
        let count = effort.repetitions(self.count);
        let numbers = [placement.here as u64, placement.there as u64, count];
        let numbers = numbers.iter().chain(self.arguments).map(ToString::to_string);
        let mut command = match self.language {
            Language::Python => python::command(),
            Language::Boost => boost::command()?,
        };
        let output = command.arg(self.function).args(numbers);
        let output = output.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(format!("the program ended with {}", output.status).into());
        }
        let answer: Answer = serde_json::from_slice(&output.stdout)?;
        Ok(Sample { value: answer.value, detail: answer.detail })
    }
}

/// What a command prints, in one line, if it succeeds.
pub(crate) fn line(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).lines().next()?.trim().to_owned())
}
