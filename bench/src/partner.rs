//! The other process of a case.

use crate::Result;
use crate::companion::Companion;
use serde::Serialize;
use std::env;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, ChildStdout, Command, Stdio};

/// The other process, by whatever means it was started.
pub(crate) trait Ending {
    /// Waits for the end and fails unless it was a good one.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// A process of this program in another role. It is killed when its case gives up.
#[derive(Debug)]
pub(crate) struct Partner {
    child: Option<Child>,
    /// What it prints, unless its output is an end of a connection.
    printed: Option<BufReader<ChildStdout>>,
}

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
        let mut child = Command::new(env::current_exe()?)
            .args(["partner", kind, address, &plan])
            .stdin(input.map_or_else(Stdio::null, Stdio::from))
            .stdout(output.map_or_else(Stdio::piped, Stdio::from))
            .spawn()?;
        let printed = child.stdout.take().map(BufReader::new);
        Ok(Self { child: Some(child), printed })
    }

    fn wait(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
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

impl Companion for Partner {
    fn hear(&mut self) -> Result<u64> {
        let printed = self.printed.as_mut().ok_or("the partner does not print")?;
        let mut line = String::new();
        printed.read_line(&mut line)?;
        line.trim().parse().map_err(|_| format!("the partner said {line:?}, no number").into())
    }

    fn kill(&mut self) -> Result<()> {
        Ok(self.child.as_mut().ok_or("the partner is gone")?.kill()?)
    }
}

impl Drop for Partner {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
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
