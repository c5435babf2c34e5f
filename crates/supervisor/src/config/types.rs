//! The configuration, resolved.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use brigade_sys::launch::Identity;
use brigade_sys::signals::Signal;

use super::diagnostic::{ConfigError, Origin};
use super::{document::Document, resolve};
use crate::machine::{Replacement, Role};
use crate::policy::{Backoff, Restart};

/// The largest number of processes that a program may have.
pub const MAX_COUNT: u32 = 4096;

/// Everything that is to run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// The supervisor's own settings.
    pub supervisor: Settings,
    /// The listening sockets.
    pub sockets: Vec<Socket>,
    /// The programs, in the order of the file.
    pub programs: Vec<Program>,
}

/// The supervisor's own settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Where the control socket is, unless the command line says otherwise.
    pub control: Option<PathBuf>,
    /// The file for the supervisor's own log.
    pub log: Option<PathBuf>,
    /// What a reload exchanges if it is not told.
    pub reload: ReloadScope,
}

/// What a reload exchanges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReloadScope {
    /// Every program that is a service: the code behind an unchanged command may have changed.
    #[default]
    All,
    /// The programs whose settings changed.
    Changed,
}

/// A listening socket that the supervisor binds and keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct Socket {
    /// What programs call it; workers find it in `LISTEN_FDNAMES`.
    pub name: String,
    /// Where it listens.
    pub address: Address,
    /// How many connections wait to be accepted.
    pub backlog: u32,
    /// The permissions of a unix socket's file.
    pub mode: Option<u32>,
    /// Who owns a unix socket's file.
    pub owner: Option<Owner>,
    /// Where the configuration says so.
    pub origin: Origin,
}

/// Where a socket listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// An IP address and port.
    Tcp(SocketAddr),
    /// A path.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Who owns a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user, or who the supervisor is.
    pub uid: Option<u32>,
    /// The group, or that of the supervisor.
    pub gid: Option<u32>,
}

/// A program and how to keep it running.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// What operators call it.
    pub name: String,
    /// The executable, absolute.
    pub command: PathBuf,
    /// Its arguments, without its own name.
    pub arguments: Vec<String>,
    /// How many processes.
    pub count: u32,
    /// Variables beside those of the supervisor.
    pub env: BTreeMap<String, String>,
    /// The directory to start in, absolute.
    pub cwd: Option<PathBuf>,
    /// Whose rights the processes have.
    pub identity: Option<Identity>,
    /// The names of the sockets that the processes get, in this order from descriptor 3 on.
    pub sockets: Vec<String>,
    /// Which ends lead to a new process.
    pub restart: Restart,
    /// How rests grow.
    pub backoff: Backoff,
    /// What asks a process to leave.
    pub stop_signal: Signal,
    /// How long it may take to.
    pub stop_timeout: Duration,
    /// When a process counts as ready.
    pub ready: Readiness,
    /// How long it may take to become ready.
    pub ready_timeout: Duration,
    /// How often the processes are asked to send a heartbeat, at least.
    pub watchdog: Option<Duration>,
    /// How a process takes another's place.
    pub replacement: Replacement,
    /// What becomes of what the processes write.
    pub output: Output,
    /// What its end means for the others.
    pub role: Role,
    /// Where the configuration says so.
    pub origin: Origin,
}

/// What becomes of what processes write.
///
/// Their standard error is captured in any case, because a report of a failure shows its last lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// That of the program with the role `main` is inherited, any other captured.
    #[default]
    ByRole,
    /// It is captured line by line, and goes to the daemon's standard output.
    Daemon,
    /// It is captured line by line, and goes to this file.
    File(PathBuf),
    /// The standard output is the daemon's own, for example a terminal.
    Inherit,
}

/// When a process counts as ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// When it sends `READY=1` to `NOTIFY_SOCKET`.
    Notify,
    /// As soon as it runs.
    Immediately,
    /// When it has run for so long.
    After(Duration),
}

impl Config {
    /// Reads and resolves a file.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, with line and column. A file that cannot be read is
    /// reported without a line.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::of_file(path, format!("cannot read it: {source}")))?;
        Self::parse(&text, path)
    }

    /// Resolves the text of a file; relative paths in it start from the directory of `path`.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        resolve::resolve(&Document::new(text, path))
    }

    /// The program of that name.
    pub fn program(&self, name: &str) -> Option<&Program> {
        self.programs.iter().find(|program| program.name == name)
    }

    /// The socket of that name.
    pub fn socket(&self, name: &str) -> Option<&Socket> {
        self.sockets.iter().find(|socket| socket.name == name)
    }
}

impl Program {
    /// A service of one process with every default, for a configuration that is built in.
    pub fn new(name: impl Into<String>, command: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            command: command.into(),
            arguments: Vec::new(),
            count: 1,
            env: BTreeMap::new(),
            cwd: None,
            identity: None,
            sockets: Vec::new(),
            restart: Restart::Always,
            backoff: Backoff::default(),
            stop_signal: Signal::TERM,
            stop_timeout: Duration::from_secs(30),
            ready: Readiness::Immediately,
            ready_timeout: Duration::from_secs(30),
            watchdog: None,
            replacement: Replacement::Surge(1),
            output: Output::ByRole,
            role: Role::Service,
            origin: Origin::default(),
        }
    }

    /// Whether the processes write to the daemon's own standard output.
    pub fn inherits_output(&self) -> bool {
        match self.output {
            Output::Inherit => true,
            Output::ByRole => self.role == Role::Main,
            Output::Daemon | Output::File(_) => false,
        }
    }

    /// Whether the two differ in nothing, or in nothing but the number of processes.
    pub fn runs_like(&self, other: &Self) -> bool {
        let same_count = Self { count: self.count, ..other.clone() };
        *self == same_count
    }
}

impl Socket {
    /// A socket with every default, for a configuration that is built in.
    pub fn new(name: impl Into<String>, address: Address) -> Self {
        let (mode, owner, origin) = (None, None, Origin::default());
        Self { name: name.into(), address, backlog: 1024, mode, owner, origin }
    }
}
