//! The other process of a case.

use crate::Result;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::env;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};

/// The other process, by whatever means it was started.
pub(crate) trait Ending {
    /// Waits for the end and fails unless it was a good one.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// A process of this program in another role. It is killed when its case gives up.
#[derive(Debug)]
pub(crate) struct Partner(Option<Child>);

impl Partner {
    /// Starts this program as the partner `kind`, with its ends of a connection as standard input
    /// and output.
    pub(crate) fn start(
        kind: &str,
        address: &str,
        plan: &impl Serialize,
        input: Option<OwnedFd>,
        output: Option<OwnedFd>,
    ) -> Result<Self> {
        let plan = serde_json::to_string(plan)?;
        let child = Command::new(env::current_exe()?)
            .args(["partner", kind, address, &plan])
            .stdin(input.map_or_else(Stdio::null, Stdio::from))
            .stdout(output.map_or_else(Stdio::piped, Stdio::from))
            .spawn()?;
        Ok(Self(Some(child)))
    }

    /// Waits for the end and returns what the partner printed.
    pub(crate) fn report<T: DeserializeOwned>(mut self) -> Result<T> {
        let mut text = String::new();
        if let Some(mut output) = self.0.as_mut().and_then(|child| child.stdout.take()) {
            output.read_to_string(&mut text)?;
        }
        self.wait()?;
        Ok(serde_json::from_str(&text)?)
    }

    fn wait(&mut self) -> Result<()> {
        let Some(mut child) = self.0.take() else { return Ok(()) };
        let status = child.wait()?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("the partner ended with {status}").into())
        }
    }
}

impl Ending for Partner {
    fn finish(mut self: Box<Self>) -> Result<()> {
        self.wait()
    }
}

impl Drop for Partner {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _already_gone = child.kill();
            let _already_reaped = child.wait();
        }
    }
}

/// In the partner: its end of the connection, unbuffered.
pub(crate) fn standard_input() -> Result<File> {
    Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// In the partner: its other end.
pub(crate) fn standard_output() -> Result<File> {
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}
