//! What the supervisor tells about itself and its programs: the types of the control socket.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::config::Diagnostic;

/// The answer to a request, whatever it was. Fields that do not apply are left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reply {
    /// How it went.
    pub verdict: Verdict,
    /// How it went, for people.
    pub message: String,
    /// The generation that a reload brought or was to bring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u32>,
    /// What is wrong with the configuration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Diagnostic>,
    /// The processes whose failure it was.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
    /// The answer to `status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// The answer to `logs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines: Option<Vec<Line>>,
}

/// How a request went. The numbers are the exit codes of `brigadectl`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It was done.
    #[default]
    Ok = 0,
    /// It was tried and failed.
    Failed = 1,
    /// The request makes no sense.
    Usage = 2,
    /// A program that was asked for does not run.
    NotRunning = 3,
    /// There is no such program, or no supervisor to ask.
    NotFound = 4,
    /// It took too long to wait for; the work continues.
    TimedOut = 5,
    /// The configuration is of no use.
    Invalid = 6,
    /// Not now, or not for you.
    Refused = 7,
}

impl Verdict {
    /// The exit code that says so.
    pub fn exit_code(self) -> u8 {
        self as u8
    }

    /// The HTTP status that says so.
    pub fn http_status(self) -> (u16, &'static str) {
        match self {
            Verdict::Ok | Verdict::NotRunning => (200, "OK"),
            Verdict::Failed => (500, "Internal Server Error"),
            Verdict::Usage => (400, "Bad Request"),
            Verdict::NotFound => (404, "Not Found"),
            Verdict::TimedOut => (504, "Gateway Timeout"),
            Verdict::Invalid => (422, "Unprocessable Content"),
            Verdict::Refused => (409, "Conflict"),
        }
    }
}

impl Reply {
    /// An answer of nothing but words.
    pub fn new(verdict: Verdict, message: impl Into<String>) -> Self {
        Self { verdict, message: message.into(), ..Self::default() }
    }
}

/// Why a process was no success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Its program.
    pub program: String,
    /// Which of its processes.
    pub instance: u32,
    /// Which start of the program's settings.
    pub generation: u32,
    /// Its process id, if it had come that far.
    pub pid: Option<i32>,
    /// How it ended.
    pub reason: String,
    /// The last lines that it wrote.
    pub lines: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, instance, generation, reason, .. } = self;
        write!(f, "{program}/{instance} (generation {generation}) {reason}")?;
        for line in &self.lines {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}

/// A line that a process wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Which of its program's processes.
    pub instance: u32,
    /// Its process id.
    pub pid: i32,
    /// `stdout` or `stderr`.
    pub stream: Stream,
    /// The line without its end.
    pub text: String,
}

/// Where a process wrote a line to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Its standard output.
    Stdout,
    /// Its standard error.
    Stderr,
}

/// The supervisor and everything below it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The supervisor's process id.
    pub pid: u32,
    /// The supervisor's version.
    pub version: String,
    /// Whether it reloads or stops.
    pub state: DaemonState,
    /// The generation of the last reload.
    pub generation: u32,
    /// How many milliseconds it has run.
    pub uptime_ms: u64,
    /// The configuration file.
    pub config: Option<String>,
    /// The programs, in the order of the configuration.
    pub programs: Vec<ProgramStatus>,
    /// The listening sockets.
    pub sockets: Vec<SocketStatus>,
    /// How many processes were reaped that it had not started.
    pub strangers_reaped: u64,
    /// How many lines of output were dropped because nobody took them in time.
    pub lines_dropped: u64,
}

/// What the supervisor is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DaemonState {
    /// It watches.
    Running,
    /// A reload is in progress.
    Reloading,
    /// A reload failed and is being undone.
    RollingBack,
    /// Everything stops.
    Stopping,
}

/// One program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProgramStatus {
    /// Its name.
    pub name: String,
    /// The state of it as a whole.
    pub state: ProgramState,
    /// How many of its processes serve.
    pub ready: u32,
    /// How many are wanted.
    pub desired: u32,
    /// How many the configuration asks for.
    pub configured: u32,
    /// How many an operator asked for instead.
    pub scaled: Option<u32>,
    /// The generation of its settings.
    pub generation: u32,
    /// How often its processes were started again after a failure.
    pub restarts: u64,
    /// Its processes and empty places; those that drain come last.
    pub instances: Vec<InstanceStatus>,
}

/// A program as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProgramState {
    /// Every wanted process serves.
    Running,
    /// Some wanted process does not serve yet.
    Starting,
    /// Its processes are being exchanged.
    Reloading,
    /// Some place rests after a failure.
    Failing,
    /// It was stopped, and what it had has gone.
    Stopped,
    /// It was stopped, and some of it has not gone yet.
    Stopping,
    /// It has ended by itself, with success.
    Exited,
    /// It has ended by itself, without success.
    Failed,
}

/// One place of a program, or a process that leaves it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Which place, from 0.
    pub instance: u32,
    /// What is in it.
    pub state: InstanceState,
    /// The process in it.
    pub pid: Option<i32>,
    /// The generation of the settings that the process runs, or that the next one will.
    pub generation: u32,
    /// How many milliseconds ago the process was started.
    pub uptime_ms: Option<u64>,
    /// How often the place was filled again after a failure.
    pub restarts: u64,
    /// What the process says about itself.
    pub status: Option<String>,
    /// How many milliseconds ago its last heartbeat came.
    pub heartbeat_ms: Option<u64>,
    /// How the last process of this place ended.
    pub last_exit: Option<String>,
    /// In how many milliseconds it is started again, given up or killed.
    pub due_ms: Option<u64>,
}

/// What is in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// Nothing, as wanted.
    Stopped,
    /// Nothing: the last process ended by itself, with success.
    Exited,
    /// Nothing: the last process ended by itself, without success.
    Failed,
    /// Nothing yet: the process before has to leave first.
    Waiting,
    /// A process that is not ready.
    Starting,
    /// A process that serves.
    Up,
    /// Nothing for a while, after a failure.
    Resting,
    /// A process that was asked to leave.
    Draining,
}

/// A listening socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketStatus {
    /// Its name.
    pub name: String,
    /// Where it listens; for a port that the system chose, that port.
    pub address: String,
}

macro_rules! display_as_serialized {
    ($($kind:ty),*) => { $(
        impl fmt::Display for $kind {
            /// Writes the word that stands for it in JSON.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.serialize(f)
            }
        }
    )* };
}
display_as_serialized!(Verdict, DaemonState, ProgramState, InstanceState, Stream);
