//! `brigaded demo`: a configuration that is built in, over the roles of `brigade-worker`.
//!
//! The supervisor knows no mechanism: it starts the feeder, the job workers and the web workers,
//! keeps their sockets, and ends with the feeder's exit code.

use std::env;
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use brigade_supervisor::config::{Address, Config, Output, Program, Readiness, Settings, Socket};
use brigade_supervisor::machine::Role;
use brigade_supervisor::policy::Restart;
use brigade_supervisor::{Source, Supervisor};
use tempfile::TempDir;

/// How many web workers serve.
const WEB_WORKERS: u32 = 2;

/// How many job workers there are at least: with one there is nothing to share.
const FEWEST_WORKERS: usize = 2;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Count the words of all files below this directory [default: the sources of this machine's
    /// cargo packages]
    #[arg(long, value_name = "DIR")]
    input: Option<PathBuf>,
    /// How many job workers [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    workers: Option<u32>,
    /// Only this mechanism, and neither the notes nor the service; may be repeated
    #[arg(long = "mechanism", value_name = "NAME")]
    mechanisms: Vec<String>,
    /// How often each of the notes' passwords is hashed
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    rounds: usize,
    /// Write the results to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a chart to this file
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
}

/// A demonstration that can be run. Its sockets' directory goes when it is dropped.
pub(crate) struct Demonstration {
    config: Config,
    directory: TempDir,
}

impl Demonstration {
    /// Plans the demonstration.
    pub(crate) fn new(arguments: &Arguments) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("brigade-demo-").tempdir()?;
        let config = configure(arguments, &worker_program()?, directory.path())?;
        Ok(Self { config, directory })
    }

    /// The supervisor that runs it.
    pub(crate) fn supervisor(&self) -> Supervisor {
        let control = self.directory.path().join("control.sock");
        Supervisor::new(Source::Fixed(self.config.clone())).control(control)
    }
}

fn configure(arguments: &Arguments, worker: &Path, directory: &Path) -> io::Result<Config> {
    let workers = arguments.workers.unwrap_or_else(|| {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        u32::try_from(processors.max(FEWEST_WORKERS)).unwrap_or(u32::MAX)
    });
    let meeting = directory.join("meeting.sock");
    let place = ("BRIGADE_DEMO_SOCKET".to_owned(), format!("unix:{}", meeting.display()));

    let mut feeder = Program::new("feeder", worker);
    feeder.arguments = feeder_arguments(arguments, workers)?;
    feeder.sockets = vec!["meeting".to_owned()];
    feeder.env = [place.clone()].into();
    feeder.role = Role::Main;
    feeder.restart = Restart::Never;

    let mut job_worker = Program::new("job-worker", worker);
    job_worker.arguments = vec!["job-worker".to_owned()];
    job_worker.count = workers;
    job_worker.env = [place].into();
    job_worker.restart = Restart::Never;
    job_worker.output = Output::File(PathBuf::from("/dev/null"));

    let mut web = Program::new("web", worker);
    web.arguments = vec!["web".to_owned()];
    web.count = WEB_WORKERS;
    web.sockets = vec!["web".to_owned()];
    web.ready = Readiness::Notify;
    web.output = Output::File(PathBuf::from("/dev/null"));

    let anywhere = Address::Tcp(([127, 0, 0, 1], 0).into());
    Ok(Config {
        supervisor: Settings { log: Some(directory.join("supervisor.log")), ..Settings::default() },
        sockets: vec![Socket::new("meeting", Address::Unix(meeting)), Socket::new("web", anywhere)],
        programs: vec![feeder, job_worker, web],
    })
}

fn feeder_arguments(arguments: &Arguments, workers: u32) -> io::Result<Vec<String>> {
    let mut list = vec![
        "demo".to_owned(),
        format!("--workers={workers}"),
        format!("--rounds={}", arguments.rounds),
    ];
    let paths = [("input", &arguments.input), ("json", &arguments.json), ("plot", &arguments.plot)];
    for (name, path) in paths {
        if let Some(path) = path {
            let path = std::path::absolute(path)?;
            let text = path.to_str().ok_or_else(|| {
                let reason = format!("--{name} {}: the path is no text", path.display());
                io::Error::new(io::ErrorKind::InvalidInput, reason)
            })?;
            list.push(format!("--{name}={text}"));
        }
    }
    list.extend(arguments.mechanisms.iter().map(|name| format!("--mechanism={name}")));
    Ok(list)
}

/// The worker program beside this one.
fn worker_program() -> io::Result<PathBuf> {
    let own = env::current_exe()?;
    let beside = own.with_file_name("brigade-worker");
    if beside.is_file() {
        return Ok(beside);
    }
    let reason = format!("cannot find {}: build it, or install it there", beside.display());
    Err(io::Error::new(io::ErrorKind::NotFound, reason))
}
