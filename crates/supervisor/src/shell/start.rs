//! Starting the supervisor, and what it starts from.

use std::path::{Path, PathBuf};

use brigade_sys::Error;
use brigade_sys::signals::{Signal, SignalDescriptor, restore_default};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::looping::{Parts, Shell};
use super::signals::HANDLED;
use super::timers::Timers;
use crate::config::{Config, ConfigError};
use crate::control::{ControlError, Server, default_path};
use crate::handover::Listeners;
use crate::log::Sink;
use crate::notify::Receiver;
use crate::poller::{Interest, Poller, Token};

/// Where the configuration comes from, now and at every reload.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file, which a reload reads again.
    File(PathBuf),
    /// A configuration that is built in. A reload exchanges the workers.
    Fixed(Config),
}

impl Source {
    /// The configuration as it is now.
    pub(crate) fn load(&self) -> Result<Config, ConfigError> {
        match self {
            Source::File(path) => Config::load(path),
            Source::Fixed(config) => Ok(config.clone()),
        }
    }

    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Source::File(path) => Some(path),
            Source::Fixed(_) => None,
        }
    }
}

/// A supervisor about to run.
///
/// ```no_run
/// use brigade_supervisor::config::{Config, Program};
/// use brigade_supervisor::machine::Role;
/// use brigade_supervisor::{Source, Supervisor};
///
/// // A job of two services and a report; the report's exit code is the supervisor's.
/// let mut service = Program::new("service", "/usr/bin/service");
/// service.count = 2;
/// let mut report = Program::new("report", "/usr/bin/report");
/// report.role = Role::Main;
/// let config = Config { programs: vec![service, report], ..Config::default() };
/// let code = Supervisor::new(Source::Fixed(config)).control("/tmp/job/control.sock").run()?;
/// std::process::exit(code.into());
/// # Ok::<(), brigade_supervisor::StartError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing runs before `run`"]
pub struct Supervisor {
    source: Source,
    control: Option<PathBuf>,
}

/// Why a supervisor did not start. Nothing of it is left then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration is of no use, or its sockets cannot be bound.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The control socket cannot be opened.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The system refused something.
    #[error(transparent)]
    System(#[from] Error),
}

impl Supervisor {
    /// Will run what `source` says.
    pub fn new(source: Source) -> Self {
        Self { source, control: None }
    }

    /// Puts the control socket there, whatever the configuration says.
    pub fn control(mut self, path: impl Into<PathBuf>) -> Self {
        self.control = Some(path.into());
        self
    }

    /// Runs until everything has stopped, and returns the exit code: that of the program with the
    /// role `main` if it came to its end, else zero.
    ///
    /// Takes the whole process: it blocks the signals that it handles for this thread, and reaps
    /// every child. Call it from the main thread, before any other is started, because workers are
    /// tied to the life of the thread that starts them.
    ///
    /// # Errors
    ///
    /// [`StartError`] if it cannot begin. What fails later is logged, and the rest goes on.
    pub fn run(self) -> Result<u8, StartError> {
        let failed = |operation, object: &str| {
            let object = object.to_owned();
            move |source: std::io::Error| Error::new(operation, object, source)
        };
        let signals = SignalDescriptor::open(HANDLED)?;
        // Whoever started us may ignore it, and then the kernel would reap in our place.
        restore_default(Signal::CHLD)?;
        let config = self.source.load()?;
        let mut poller = Poller::new().map_err(failed("create", "a poller"))?;
        let control = self.control.clone().or_else(|| config.supervisor.control.clone());
        let control = control.unwrap_or_else(default_path);
        // Workers find it in their environment, and may be in other directories.
        let control = std::path::absolute(&control).unwrap_or(control);
        let server = Server::open(&control, &poller)?;
        let mut listeners = Listeners::default();
        let prepared = listeners
            .prepare(&config.sockets)
            .map_err(|diagnostics| ConfigError { diagnostics })?;
        listeners.admit(prepared);
        let notify = Receiver::bind().map_err(failed("bind", "the notify socket"))?;
        let timers = Timers::new().map_err(failed("create", "a timer"))?;
        let watched = failed("watch", "signals, timers and reports");
        poller
            .add(&signals, Token::Signals, Interest::Read)
            .and_then(|()| poller.add(&timers, Token::Timer, Interest::Read))
            .and_then(|()| poller.add(&notify, Token::Notify, Interest::Read))
            .map_err(watched)?;
        // Orphans of workers come to us instead of init, so that none is left at the end.
        set_child_subreaper(true)
            .map_err(|errno| Error::new("become the parent of", "orphans", errno))?;
        let files = raise_open_files();
        let sink = Sink::start().map_err(failed("start", "the log's writer"))?;
        let source = self.source;
        let parts =
            Parts { source, config, listeners, signals, notify, timers, server, sink, files };
        Ok(Shell::new(parts).run(&mut poller))
    }
}

/// Makes room for the descriptors of many processes. Returns what the limit was, for the workers.
fn raise_open_files() -> Option<(u64, u64)> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).ok()?;
    Some((soft, hard))
}
