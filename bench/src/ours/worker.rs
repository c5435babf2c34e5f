//! The other process of one of our cases.

use crate::Result;
use crate::partner::Ending;
use brigade::{ExitStatus, Process};
use std::process::ExitCode;

/// A process that is killed when its case gives up.
#[derive(Debug)]
pub(crate) struct Worker(Option<Process>);

impl Worker {
    pub(crate) fn new(process: Process) -> Self {
        Self(Some(process))
    }
}

impl Ending for Worker {
    fn finish(mut self: Box<Self>) -> Result<()> {
        match self.0.take().map(|process| process.join()) {
            None | Some(ExitStatus::Code(0)) => Ok(()),
            Some(status) => Err(format!("the partner ended with {status:?}").into()),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(process) = self.0.take() {
            let _already_gone = process.kill();
            process.join();
        }
    }
}

/// What a worker's function returns.
pub(crate) fn exit_code(outcome: Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("brigade-bench, partner: {error}");
            ExitCode::FAILURE
        }
    }
}
