//! A supervisor in a directory of its own, and what it left there.

use std::fs;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use brigade_supervisor::command::{self, Order, Wait};
use brigade_supervisor::control::Client;
use brigade_supervisor::status::{InstanceState, InstanceStatus, ProgramStatus, Reply, Status};
use brigade_sys::pidfd;
use brigade_sys::signals::Signal;
use tempfile::TempDir;

/// Longer than anything here takes, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How often a condition is looked at that nothing announces.
const LOOK: Duration = Duration::from_millis(2);

/// A running `brigaded`.
pub(crate) struct Daemon {
    child: Child,
    directory: TempDir,
    checked: bool,
}

/// Waits until `look` has something to show, at most for [`PATIENCE`].
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "in vain waited for: {what}");
        std::thread::park_timeout(LOOK);
    }
}

/// The program of that name, built.
pub(crate) fn program(name: &str) -> PathBuf {
    static BUILT: Once = Once::new();
    let directory = Path::new(env!("CARGO_BIN_EXE_brigaded")).parent().unwrap();
    BUILT.call_once(|| {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "-p", "brigadectl", "-p", "brigade-worker"]);
        cargo.arg("--target-dir").arg(directory.parent().unwrap());
        if directory.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(
            cargo.status().unwrap().success(),
            "the worker and the control program do not build"
        );
    });
    directory.join(name)
}

pub(crate) fn worker() -> String {
    program("brigade-worker").display().to_string()
}

/// `brigaded` with these arguments, to its end.
pub(crate) fn brigaded(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_brigaded")).args(arguments).output().unwrap()
}

impl Daemon {
    /// Starts a supervisor with this configuration and waits until it answers. In the text, `WORKER`
    /// stands for the worker program and `DIR` for the supervisor's own directory.
    pub(crate) fn start(config: &str) -> Self {
        Self::start_by(config, |program| Command::new(program))
    }

    /// The same, by a command that starts the program it is given.
    pub(crate) fn start_by(config: &str, command: impl FnOnce(&str) -> Command) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("brigade.toml");
        fs::write(&file, expand(config, directory.path())).unwrap();
        let log = fs::File::create(directory.path().join("daemon.log")).unwrap();
        let child = command(env!("CARGO_BIN_EXE_brigaded"))
            .arg("run")
            .arg(&file)
            .arg("--control")
            .arg(directory.path().join("control.sock"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut daemon = Self { child, directory, checked: false };
        eventually("the supervisor to answer", || {
            if let Some(status) = daemon.child.try_wait().unwrap() {
                panic!("it ended with {status}: {}", daemon.log());
            }
            daemon.client().ask(&order(command::Command::Status(None))).ok()
        });
        daemon
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Replaces the configuration file.
    pub(crate) fn configure(&self, config: &str) {
        // Whole or not at all, as an operator's editor does it.
        let new = self.path("brigade.toml.new");
        fs::write(&new, expand(config, self.directory.path())).unwrap();
        fs::rename(new, self.path("brigade.toml")).unwrap();
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.path("control.sock")).patience(PATIENCE)
    }

    /// Asks and waits until it is done.
    pub(crate) fn ask(&self, command: command::Command) -> Reply {
        self.client().ask(&order(command)).unwrap_or_else(|error| panic!("{error}: {}", self.log()))
    }

    /// Asks and waits until it has begun.
    pub(crate) fn ask_to_begin(&self, command: command::Command) -> Reply {
        self.client().ask(&Order { command, wait: Wait::Begun }).unwrap()
    }

    pub(crate) fn reload(&self) -> Reply {
        self.ask(command::Command::Reload(None))
    }

    pub(crate) fn status(&self) -> Status {
        self.ask(command::Command::Status(None)).status.unwrap()
    }

    pub(crate) fn program(&self, name: &str) -> ProgramStatus {
        let programs = self.status().programs;
        programs.into_iter().find(|program| program.name == name).unwrap()
    }

    /// Waits until the program looks like that.
    pub(crate) fn wait_for(
        &self,
        name: &str,
        mut condition: impl FnMut(&ProgramStatus) -> bool,
    ) -> ProgramStatus {
        let mut last = None;
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let program = self.program(name);
            if condition(&program) {
                return program;
            }
            last = Some(program);
            std::thread::park_timeout(LOOK);
        }
        panic!("{name} did not come to that: {last:#?}\n{}", self.log());
    }

    /// Waits until so many processes of the program serve, and returns their pids.
    pub(crate) fn wait_ready(&self, name: &str, count: u32) -> Vec<i32> {
        up(&self.wait_for(name, |program| {
            program.ready == count && up(program).len() == count as usize
        }))
    }

    /// Where a socket listens.
    pub(crate) fn address(&self, name: &str) -> String {
        let sockets = self.status().sockets;
        sockets.into_iter().find(|socket| socket.name == name).unwrap().address
    }

    pub(crate) fn signal(&self, sent: Signal) {
        signal(i32::try_from(self.pid()).unwrap(), sent);
    }

    /// `brigadectl` with these arguments.
    pub(crate) fn ctl(&self, arguments: &[&str]) -> Output {
        Command::new(program("brigadectl"))
            .arg("--control")
            .arg(self.path("control.sock"))
            .args(arguments)
            .output()
            .unwrap()
    }

    /// What it and its workers have written.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("daemon.log")).unwrap_or_default()
    }

    /// Waits for its end, looks around, and returns how it ended.
    pub(crate) fn wait_end(&mut self) -> ExitStatus {
        let status = eventually("the end of the supervisor", || self.child.try_wait().unwrap());
        self.look_around();
        status
    }

    /// Stops it gracefully; everything must be gone then.
    pub(crate) fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = self.wait_end();
        assert!(status.success(), "{status}: {}", self.log());
    }

    /// No process, no socket, no lock, no panic.
    fn look_around(&mut self) {
        self.checked = true;
        let log = self.log();
        assert!(!log.contains("panicked"), "{log}");
        let mark = self.path("control.sock").display().to_string();
        let left = processes_with(&mark);
        assert!(left.is_empty(), "left over: {left:?}\n{log}");
        for entry in fs::read_dir(self.directory.path()).unwrap() {
            let entry = entry.unwrap();
            let is_socket = entry.file_type().unwrap().is_socket();
            let is_foreign = entry.file_name().to_string_lossy().starts_with("foreign");
            assert!(!is_socket || is_foreign, "left over: {:?}", entry.path());
            assert_ne!(entry.file_name(), "control.sock.lock");
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !self.checked {
            // The test failed, or forgot to look; its workers go with it.
            let _ = self.child.kill();
            let _ = self.child.wait();
            if !std::thread::panicking() {
                panic!("a test did not look around at its end");
            }
            eprintln!("--- log of the supervisor\n{}---", self.log());
        }
    }
}

pub(crate) fn order(command: command::Command) -> Order {
    Order { command, wait: Wait::Done }
}

fn expand(config: &str, directory: &Path) -> String {
    config.replace("WORKER", &worker()).replace("DIR", &directory.display().to_string())
}

/// The pids of those that serve.
pub(crate) fn up(program: &ProgramStatus) -> Vec<i32> {
    let serves = |it: &&InstanceStatus| it.state == InstanceState::Up;
    program.instances.iter().filter(serves).filter_map(|it| it.pid).collect()
}

pub(crate) fn signal(pid: i32, signal: Signal) {
    let process = pidfd::open(pid).unwrap();
    pidfd::signal(process.as_fd(), signal).unwrap();
}

/// Whether the process is there and is no zombie.
pub(crate) fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    state.is_some_and(|state| state != 'Z')
}

/// The processes whose environment names this supervisor: its workers and their offspring.
fn processes_with(mark: &str) -> Vec<String> {
    let entry = format!("BRIGADE_CONTROL_SOCKET={mark}");
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let name = process.file_name().to_string_lossy().into_owned();
        if !name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let mut environment = Vec::new();
        let Ok(mut file) = fs::File::open(process.path().join("environ")) else { continue };
        if file.read_to_end(&mut environment).is_err() {
            continue;
        }
        if environment.split(|&byte| byte == 0).any(|variable| variable == entry.as_bytes()) {
            let command = fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
            found.push(format!("{name}: {}", command.replace('\0', " ")));
        }
    }
    found
}
