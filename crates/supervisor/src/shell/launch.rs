//! Starting a process: its descriptors, its environment, its rights.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;

use brigade_sys::launch::{Launch, Limit, Program, Resource, Stream as Stdio};
use brigade_sys::signals::Signal;
use brigade_sys::time::now;

use super::catalog::Spec;
use super::looping::Shell;
use super::processes::{Running, Stream};
use super::timers::Key;
use crate::config::{self, Readiness};
use crate::log::Output;
use crate::machine::{End, Event, Lifetime, Process, Role};
use crate::policy::Outcome;
use crate::poller::{Interest, Poller, Token};
use crate::status;

/// Variables that belong to the relation between a supervisor and its processes: those of our own
/// supervisor are not for our workers.
const OWN_PREFIXES: [&str; 3] = ["LISTEN_", "WATCHDOG_", "BRIGADE_"];

/// The first descriptor that a process gets beside the standard streams.
const FIRST_LISTENER: i32 = 3;

impl Shell {
    /// Starts a process; if that fails, it has ended.
    pub(super) fn spawn(&mut self, process: Process, poller: &Poller) {
        let Some(spec) = self.catalog.spec(process.program, process.generation) else {
            return self.stillborn(process, "its settings are not known".into());
        };
        match self.launch(process, &spec, poller) {
            Ok(()) => match spec.program.ready {
                Readiness::Immediately => self.queue.push_back(Event::Ready(process)),
                Readiness::After(time) => self.timers.arm(Key::Ready(process), time),
                Readiness::Notify => {}
            },
            Err(reason) => {
                if spec.program.role == Role::Main {
                    self.exit_code = 1;
                }
                self.stillborn(process, reason);
            }
        }
    }

    fn stillborn(&mut self, process: Process, reason: String) {
        self.reasons.insert(process.birth, format!("could not be started: {reason}"));
        let end = End { outcome: Outcome::Failure, lifetime: Lifetime::Brief };
        self.queue.push_back(Event::Exited(process, end));
    }

    fn launch(&mut self, process: Process, spec: &Rc<Spec>, poller: &Poller) -> Result<(), String> {
        let plain = |error: io::Error| error.to_string();
        let program = &spec.program;
        let (outputs, [stdout, stderr]) = output_pipes(program).map_err(plain)?;
        let mut launch = Launch::new(Program::Path(program.command.clone()))
            .args(&program.arguments)
            .env(self.environment(process, spec))
            .stdin(Stdio::Null)
            .stdout(stdout)
            .stderr(stderr)
            .process_group()
            // Until orphans can be adopted, none may stay to hold the sockets of the next daemon.
            .parent_death_signal(Signal::KILL);
        for (target, socket) in (FIRST_LISTENER..).zip(&spec.sockets) {
            let copy = self.listeners.copy(socket).map_err(plain)?;
            launch = launch.descriptor(copy, target);
        }
        if !spec.sockets.is_empty() {
            launch = launch.listen_pid();
        }
        if let Some(directory) = &program.cwd {
            launch = launch.current_directory(directory.clone());
        }
        if let Some(identity) = &program.identity {
            launch = launch.identity(identity.clone());
        }
        if let Some((soft, hard)) = self.files {
            let resource = Resource::OpenFiles;
            launch = launch.resource_limit(Limit { resource, soft: Some(soft), hard: Some(hard) });
        }
        let started = now();
        let child = launch.start().map_err(|error| error.to_string())?;
        let (pid, pidfd) = (child.pid, child.pidfd);
        // If it cannot be watched, its end is still found when the kernel says that a child ended.
        let _ = poller.add(pidfd.as_fd(), Token::Exit(process.birth), Interest::Read);
        let streams = outputs.into_iter().map(|output| {
            let stream = Stream { output, process, pid, spec: Rc::clone(spec) };
            self.add_stream(stream, poller)
        });
        let outputs = streams.collect();
        self.log(&format!("{} started as process {pid}", self.title(process)));
        self.processes.insert(Running {
            process,
            pid,
            pidfd,
            spec: Rc::clone(spec),
            started,
            ready: None,
            status: None,
            heartbeat: None,
            outputs,
        });
        Ok(())
    }

    fn add_stream(&mut self, stream: Stream, poller: &Poller) -> u64 {
        let number = self.processes.add_stream(stream);
        if let Some(stream) = self.processes.streams.get(&number) {
            let _ = poller.add(&stream.output, Token::Output(number), Interest::Read);
        }
        number
    }

    /// The whole environment of a process.
    fn environment(&self, process: Process, spec: &Spec) -> Vec<(OsString, OsString)> {
        let foreign = |name: &OsString| {
            let name = name.to_string_lossy();
            name != "NOTIFY_SOCKET" && !OWN_PREFIXES.iter().any(|own| name.starts_with(own))
        };
        let program = &spec.program;
        let overridden =
            |name: &OsString| name.to_str().is_some_and(|it| program.env.contains_key(it));
        let mut variables: Vec<(OsString, OsString)> =
            std::env::vars_os().filter(|(name, _)| foreign(name) && !overridden(name)).collect();
        variables.extend(program.env.iter().map(|(name, value)| (name.into(), value.into())));
        let mut set = |name: &str, value: String| variables.push((name.into(), value.into()));
        let restarts = self.processes.memories.get(&(process.program, process.slot));
        set("BRIGADE_PROGRAM", program.name.clone());
        set("BRIGADE_INSTANCE", process.slot.to_string());
        set("BRIGADE_GENERATION", process.generation.to_string());
        set("BRIGADE_RESTART_COUNT", restarts.map_or(0, |it| it.restarts).to_string());
        set("BRIGADE_CONTROL_SOCKET", self.server.path().display().to_string());
        set("NOTIFY_SOCKET", self.notify.address().to_owned());
        if let Some(interval) = program.watchdog {
            set("WATCHDOG_USEC", interval.as_micros().to_string());
        }
        if !spec.sockets.is_empty() {
            let names: Vec<&str> = spec.sockets.iter().map(|socket| socket.name.as_str()).collect();
            set("LISTEN_FDS", names.len().to_string());
            set("LISTEN_FDNAMES", names.join(":"));
        }
        variables
    }
}

/// The pipes of what is captured, and the streams that the process gets.
fn output_pipes(program: &config::Program) -> io::Result<(Vec<Output>, [Stdio; 2])> {
    let (stderr, stderr_end) = Output::pipe(status::Stream::Stderr)?;
    let stderr_end = Stdio::Descriptor(stderr_end);
    if program.inherits_output() {
        return Ok((vec![stderr], [Stdio::Inherit, stderr_end]));
    }
    let (stdout, stdout_end) = Output::pipe(status::Stream::Stdout)?;
    Ok((vec![stdout, stderr], [Stdio::Descriptor(stdout_end), stderr_end]))
}
