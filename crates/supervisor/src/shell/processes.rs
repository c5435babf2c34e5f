//! The processes that run, what they report, and what they write.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use brigade_sys::pidfd::Exit;
use brigade_sys::time::now;

use super::catalog::Spec;
use crate::log::Output;
use crate::machine::{Lifetime, Process, ProgramId};
use crate::notify::Message;

/// A process that was started and not reaped.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) process: Process,
    pub(super) pid: i32,
    pub(super) pidfd: OwnedFd,
    pub(super) spec: Rc<Spec>,
    pub(super) started: Duration,
    /// When it said that it serves.
    pub(super) ready: Option<Duration>,
    /// What it says about itself.
    pub(super) status: Option<String>,
    /// When its last heartbeat came.
    pub(super) heartbeat: Option<Duration>,
    /// The numbers of its outputs.
    pub(super) outputs: Vec<u64>,
}

/// One stream of a process. It may outlive the process, if others have it too.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) output: Output,
    pub(super) process: Process,
    pub(super) pid: i32,
    pub(super) spec: Rc<Spec>,
}

/// What is remembered of a place beyond its processes.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// How often it was filled again after a failure.
    pub(super) restarts: u64,
    /// How its last process ended.
    pub(super) last_exit: Option<String>,
}

/// All processes.
#[derive(Debug, Default)]
pub(super) struct Processes {
    pub(super) running: HashMap<u64, Running>,
    births: HashMap<i32, u64>,
    pub(super) streams: HashMap<u64, Stream>,
    last_stream: u64,
    pub(super) memories: HashMap<(ProgramId, u32), Memory>,
}

impl Processes {
    pub(super) fn insert(&mut self, running: Running) {
        self.births.insert(running.pid, running.process.birth);
        self.running.insert(running.process.birth, running);
    }

    pub(super) fn remove(&mut self, birth: u64) -> Option<Running> {
        let running = self.running.remove(&birth)?;
        self.births.remove(&running.pid);
        Some(running)
    }

    /// The birth of the process with this id.
    pub(super) fn birth_of(&self, pid: i32) -> Option<u64> {
        self.births.get(&pid).copied()
    }

    /// Takes a stream in under a number that was never used.
    pub(super) fn add_stream(&mut self, stream: Stream) -> u64 {
        self.last_stream += 1;
        self.streams.insert(self.last_stream, stream);
        self.last_stream
    }

    pub(super) fn memory(&mut self, process: Process) -> &mut Memory {
        self.memories.entry((process.program, process.slot)).or_default()
    }
}

impl Stream {
    /// What its lines begin with.
    pub(super) fn prefix(&self) -> String {
        format!("{}/{}[{}] ", self.spec.program.name, self.process.slot, self.pid)
    }
}

impl Running {
    /// Takes note of what it says. Whether it serves is for the machine to hear.
    pub(super) fn hear(&mut self, message: Message) {
        match message {
            Message::Ready => {}
            Message::Heartbeat => self.heartbeat = Some(now()),
            Message::Status(text) => self.status = (!text.is_empty()).then_some(text),
            Message::Stopping => self.status = Some("stopping".into()),
        }
    }

    /// Whether it was up long enough for its end to be the first of a series.
    pub(super) fn lifetime(&self) -> Lifetime {
        let up = self.ready.map_or(Duration::ZERO, |ready| now().saturating_sub(ready));
        if self.ready.is_some() && up >= self.spec.program.backoff.reset_after {
            Lifetime::Steady
        } else {
            Lifetime::Brief
        }
    }
}

/// How a process ended, for people.
pub(super) fn describe(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exited with code {code}"),
        Exit::Signal(number) => {
            let signal = brigade_sys::signals::Signal::from_number(number);
            let name = signal.map_or_else(|| number.to_string(), |signal| signal.to_string());
            format!("was killed by {name}")
        }
    }
}
