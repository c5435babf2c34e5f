//! The loop: what the descriptors say becomes events, and the machine's answers become deeds.

use std::collections::{HashMap, VecDeque};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use brigade_sys::pidfd;
use brigade_sys::signals::{Signal, SignalDescriptor};
use brigade_sys::time::{Deadline, now};

use super::catalog::Catalog;
use super::orders::Tickets;
use super::processes::Processes;
use super::reload::Exchange;
use super::start::Source;
use super::timers::{Key, Timers};
use crate::config::{Config, Readiness};
use crate::control::Server;
use crate::handover::Listeners;
use crate::log::{Sink, Tail, Target};
use crate::machine::{Action, Event, Fleet, Generation, Notice, Phase, Process, ProgramId, Timer};
use crate::notify::Receiver;
use crate::poller::{Poller, Token};

/// How long the end waits for logs and clients.
const FAREWELL: Duration = Duration::from_secs(2);

/// What a shell is made of.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) source: Source,
    pub(super) config: Config,
    pub(super) listeners: Listeners,
    pub(super) signals: SignalDescriptor,
    pub(super) notify: Receiver,
    pub(super) timers: Timers,
    pub(super) server: Server,
    pub(super) sink: Sink,
    /// The limits of open files that the workers get.
    pub(super) files: Option<(u64, u64)>,
}

/// The running supervisor.
#[derive(Debug)]
pub(super) struct Shell {
    pub(super) source: Source,
    /// The configuration that holds.
    pub(super) config: Config,
    pub(super) fleet: Fleet,
    pub(super) catalog: Catalog,
    pub(super) processes: Processes,
    pub(super) tails: HashMap<ProgramId, Tail>,
    pub(super) listeners: Listeners,
    pub(super) signals: SignalDescriptor,
    pub(super) notify: Receiver,
    pub(super) timers: Timers,
    pub(super) server: Server,
    pub(super) sink: Sink,
    pub(super) files: Option<(u64, u64)>,
    /// What has happened and was not told to the machine yet.
    pub(super) queue: VecDeque<Event>,
    /// Why processes ended of which the machine is about to be told.
    pub(super) reasons: HashMap<u64, String>,
    /// The reload that was read, or is to be.
    pub(super) exchange: Exchange,
    pub(super) tickets: Tickets,
    pub(super) strangers_reaped: u64,
    pub(super) started: Duration,
    log_target: Target,
    pub(super) exit_code: u8,
    finished: bool,
}

impl Shell {
    pub(super) fn new(parts: Parts) -> Self {
        let log_target = target(parts.config.supervisor.log.as_deref());
        Self {
            source: parts.source,
            config: parts.config,
            fleet: Fleet::default(),
            catalog: Catalog::default(),
            processes: Processes::default(),
            tails: HashMap::new(),
            listeners: parts.listeners,
            signals: parts.signals,
            notify: parts.notify,
            timers: parts.timers,
            server: parts.server,
            sink: parts.sink,
            files: parts.files,
            queue: VecDeque::new(),
            reasons: HashMap::new(),
            exchange: Exchange::default(),
            tickets: Tickets::default(),
            strangers_reaped: 0,
            started: now(),
            log_target,
            exit_code: 0,
            finished: false,
        }
    }

    /// Runs until everything has stopped; returns the exit code.
    pub(super) fn run(mut self, poller: &mut Poller) -> u8 {
        self.log(&format!(
            "process {} watches {} programs",
            std::process::id(),
            self.config.programs.len()
        ));
        let generation = self.fleet.next_generation();
        let config = self.config.clone();
        let boot = config.programs.iter().map(|it| self.catalog.enter(&config, it, generation));
        let boot = boot.collect();
        self.happen(Event::Boot(boot), poller);
        while !self.finished {
            self.run_timers(poller);
            if self.finished {
                break;
            }
            match self.timers.schedule().and_then(|()| poller.wait(Deadline::NEVER)) {
                Ok(tokens) => self.attend(tokens, poller),
                // Blind and deaf there is nothing left to do, and the workers end with this process.
                Err(error) => {
                    self.log(&format!("waiting for events failed: {error}"));
                    self.exit_code = 1;
                    break;
                }
            }
        }
        self.leave(poller)
    }

    fn leave(mut self, poller: &Poller) -> u8 {
        self.sweep();
        self.answer_the_last(poller);
        self.server.flush(FAREWELL);
        self.log("everything has stopped");
        self.sink.close(FAREWELL);
        self.exit_code
    }

    /// Writes to the supervisor's own log.
    pub(super) fn log(&self, text: &str) {
        self.sink.push(&self.log_target, format!("brigaded: {text}\n").into_bytes(), 1);
    }

    /// Uses the log that the configuration asks for.
    pub(super) fn redirect_log(&mut self) {
        self.log_target = target(self.config.supervisor.log.as_deref());
    }

    /// Which process, for people.
    pub(super) fn title(&self, process: Process) -> String {
        let Process { program, slot, generation, .. } = process;
        format!("{}/{slot} (generation {generation})", self.catalog.name(program))
    }

    /// Tells the machine, does what it says, and so on until there is nothing more to tell.
    pub(super) fn happen(&mut self, event: Event, poller: &Poller) {
        self.queue.push_back(event);
        while let Some(event) = self.queue.pop_front() {
            let ended = match event {
                Event::Exited(process, _) => Some(process),
                _ => None,
            };
            for action in self.fleet.step(event) {
                self.perform(action, poller);
            }
            if let Some(process) = ended {
                self.reasons.remove(&process.birth);
                self.disarm(process);
            }
        }
        self.settle_tickets(poller);
    }

    /// Takes the timer of a dead process away, unless its place rests on it.
    fn disarm(&mut self, process: Process) {
        let program = self.fleet.programs.get(&process.program);
        let slot = program.and_then(|program| program.slots.get(process.slot as usize));
        if slot.is_none_or(|slot| slot.phase != Phase::Resting { failed: process }) {
            self.timers.disarm(Key::Process(process));
        }
    }

    fn perform(&mut self, action: Action, poller: &Poller) {
        match action {
            Action::Spawn(process) => self.spawn(process, poller),
            Action::Terminate(process) => self.terminate(process),
            Action::Kill(process) => self.send(process, Signal::KILL),
            Action::Arm(process, timer) => self.arm(process, timer),
            Action::Read => self.read_configuration(poller),
            Action::Announce(notice) => self.announce(notice, poller),
            Action::Finish => self.finished = true,
        }
    }

    fn terminate(&mut self, process: Process) {
        let Some(running) = self.processes.running.get(&process.birth) else { return };
        let signal = running.spec.program.stop_signal;
        self.send(process, signal);
        // A stopped process hears nothing before it goes on.
        self.send(process, Signal::CONT);
    }

    fn send(&self, process: Process, signal: Signal) {
        let Some(running) = self.processes.running.get(&process.birth) else { return };
        if signal == Signal::KILL {
            self.log(&format!("{} is killed", self.title(process)));
        }
        if let Err(error) = pidfd::signal(running.pidfd.as_fd(), signal) {
            self.log(&format!("{}: {error}", self.title(process)));
        }
    }

    fn arm(&mut self, process: Process, timer: Timer) {
        let spec = match self.processes.running.get(&process.birth) {
            Some(running) => Some(running.spec.clone()),
            None => self.catalog.spec(process.program, process.generation),
        };
        let Some(spec) = spec else { return };
        let after = match timer {
            Timer::Startup => match spec.program.ready {
                // It only has to go on running: that is no reason to give it up.
                Readiness::After(time) => time.saturating_add(spec.program.ready_timeout),
                Readiness::Notify | Readiness::Immediately => spec.program.ready_timeout,
            },
            Timer::Drain => spec.program.stop_timeout,
            Timer::Rest { failures } => spec.program.backoff.rest(failures, random()),
        };
        self.timers.arm(Key::Process(process), after);
    }

    fn announce(&mut self, notice: Notice, poller: &Poller) {
        match notice {
            Notice::Ready(process) => {
                self.timers.disarm(Key::Process(process));
                if let Some(running) = self.processes.running.get_mut(&process.birth) {
                    running.ready = Some(now());
                }
                self.log(&format!("{} is ready", self.title(process)));
            }
            Notice::Failed(process) => self.note_failure(process),
            Notice::Finished(process) => self.note_failure(process),
            Notice::RolledOut(generation) => self.rolled_out(generation, poller),
            Notice::RolledBack(generation, culprit) => {
                self.rolled_back(generation, culprit, poller);
            }
            Notice::Cancelled(generation) => self.cancelled(generation, poller),
            Notice::Forgotten(id) => {
                self.log(&format!("{} is gone", self.catalog.name(id)));
                self.catalog.forget(id);
                self.tails.remove(&id);
                self.processes.memories.retain(|(program, _), _| *program != id);
            }
        }
    }

    fn run_timers(&mut self, poller: &Poller) {
        while let Some(key) = self.timers.pop_due() {
            match key {
                Key::Process(process) => {
                    let rests = !self.processes.running.contains_key(&process.birth);
                    if !rests {
                        let reason = "was not ready in time".to_owned();
                        self.reasons.entry(process.birth).or_insert(reason);
                    }
                    self.happen(Event::Expired(process), poller);
                    self.reasons.remove(&process.birth);
                }
                Key::Ready(process) => self.happen(Event::Ready(process), poller),
                Key::Output(stream) => self.drop_stream(stream, poller),
                Key::Clients => self.server.expire(poller),
            }
        }
        match self.server.next_deadline() {
            Some(at) => self.timers.arm_at(Key::Clients, at),
            None => self.timers.disarm(Key::Clients),
        }
    }

    /// Hears reports before ends, so that what a process said before it died counts.
    fn attend(&mut self, mut tokens: Vec<Token>, poller: &Poller) {
        tokens.sort_by_key(|token| match token {
            Token::Notify => 0,
            Token::Exit(_) => 1,
            Token::Timer | Token::Signals => 2,
            Token::Output(_) => 3,
            Token::Control | Token::Client(_) => 4,
        });
        for token in tokens {
            match token {
                Token::Notify => self.take_reports(poller),
                Token::Exit(birth) => self.process_ended(birth, poller),
                Token::Timer => self.timers.woke(),
                Token::Signals => self.take_signals(poller),
                Token::Output(stream) => drop(self.take_output(stream, poller)),
                Token::Control => self.server.accept(poller),
                Token::Client(client) => {
                    let asked = self.server.serve(client, poller);
                    self.serve(asked, poller);
                }
            }
        }
    }

    /// The last lines of a process.
    pub(super) fn last_words(&self, process: Process) -> Vec<String> {
        let tail = self.tails.get(&process.program);
        tail.map_or_else(Vec::new, |tail| tail.last_words(process.birth, 10))
    }

    /// Forgets editions that no reload can return to.
    pub(super) fn tidy_catalog(&mut self) {
        let kept: Vec<(ProgramId, Generation)> =
            self.fleet.programs.values().map(|it| (it.id, it.edition.generation)).collect();
        for (id, generation) in kept {
            self.catalog.keep_only(id, generation);
        }
    }
}

fn target(path: Option<&Path>) -> Target {
    path.map_or(Target::Stderr, |path| Target::File(Arc::from(path)))
}

/// For jitter: without randomness, rests are merely all alike.
fn random() -> u32 {
    let mut bytes = u32::MAX.wrapping_div(2).to_ne_bytes();
    let _ = brigade_sys::random::fill(&mut bytes);
    u32::from_ne_bytes(bytes)
}
