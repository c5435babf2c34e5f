//! A reload from its file to its end.
//!
//! Read and resolve, bind what is new, and only then begin: up to there nothing of what serves was
//! touched. The machine exchanges the processes; when it is through, the new configuration is the
//! one that holds, and when a process failed, the old one never ceased to be.

use super::looping::Shell;
use super::orders::Goal;
use crate::config::{Config, Diagnostic, ReloadScope};
use crate::handover::Prepared;
use crate::machine::{Change, Event, Generation, Phase, Process};
use crate::plan::{Step, plan};
use crate::poller::Poller;
use crate::status::{Failure, Reply, Verdict};

/// The reload that was read or is to be.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    /// What was asked for and not read yet; without a scope, what the configuration says.
    asked: Vec<Option<ReloadScope>>,
    /// The configuration that is being rolled out.
    coming: Option<Config>,
    /// The generation of the last reload or restart that began.
    generation: Generation,
    /// The processes that failed in it.
    failures: Vec<Failure>,
}

impl Exchange {
    fn begin(&mut self, generation: Generation) {
        self.generation = generation;
        self.failures.clear();
    }
}

impl Shell {
    /// Asks for a reload: now, or after the one in progress.
    pub(super) fn ask_reload(&mut self, scope: Option<ReloadScope>, poller: &Poller) {
        self.exchange.asked.push(scope);
        self.happen(Event::ReloadAsked, poller);
    }

    /// Reads the configuration, and tells the machine what there is to do.
    pub(super) fn read_configuration(&mut self, poller: &Poller) {
        self.begin_goals();
        let asked = std::mem::take(&mut self.exchange.asked);
        match self.prepare() {
            Ok((config, prepared)) => self.begin_reload(&asked, config, prepared, poller),
            Err(diagnostics) => {
                let mut reply =
                    Reply::new(Verdict::Invalid, "the configuration is of no use; nothing changed");
                for diagnostic in &diagnostics {
                    self.log(&format!("{diagnostic}"));
                }
                self.log(&reply.message);
                reply.diagnostics = diagnostics;
                self.answer_goal(&Goal::Exchange, &reply, poller);
                self.queue.push_back(Event::ReloadRefused);
            }
        }
    }

    fn prepare(&self) -> Result<(Config, Prepared), Vec<Diagnostic>> {
        let config = self.source.load().map_err(|error| error.diagnostics)?;
        let prepared = self.listeners.prepare(&config.sockets)?;
        Ok((config, prepared))
    }

    fn begin_reload(
        &mut self,
        asked: &[Option<ReloadScope>],
        config: Config,
        prepared: Prepared,
        poller: &Poller,
    ) {
        self.listeners.admit(prepared);
        let default = config.supervisor.reload;
        let all = asked.iter().any(|scope| scope.unwrap_or(default) == ReloadScope::All);
        let scope = if all { ReloadScope::All } else { ReloadScope::Changed };
        let generation = self.fleet.next_generation();
        let mut changes = Vec::new();
        for step in plan(&self.config, &config, scope) {
            let change = match step {
                Step::Add(program) => {
                    let (id, edition) = self.catalog.enter(&config, program, generation);
                    Some(Change::Add(id, edition))
                }
                Step::Roll(program) => {
                    let (id, edition) = self.catalog.enter(&config, program, generation);
                    Some(Change::Roll(id, edition))
                }
                Step::Resize(program) => {
                    let id = self.catalog.id(&program.name);
                    id.map(|id| Change::Resize(id, program.count))
                }
                Step::Remove(program) => self.catalog.id(&program.name).map(Change::Remove),
            };
            changes.extend(change);
        }
        self.log(&format!("reload {generation} touches {} programs", changes.len()));
        self.exchange.coming = Some(config);
        self.exchange.begin(generation);
        self.answer_begun(generation, poller);
        self.queue.push_back(Event::Reload(generation, changes));
    }

    /// Exchanges the processes of one program, as the configuration stands.
    pub(super) fn restart(&mut self, name: &str, poller: &Poller) {
        let config = self.config.clone();
        let Some(program) = config.program(name) else { return };
        let generation = self.fleet.next_generation();
        let (id, edition) = self.catalog.enter(&config, program, generation);
        self.exchange.begin(generation);
        self.happen(Event::Reload(generation, vec![Change::Roll(id, edition)]), poller);
    }

    pub(super) fn rolled_out(&mut self, generation: Generation, poller: &Poller) {
        if let Some(config) = self.exchange.coming.take() {
            self.listeners.retain(&config.sockets);
            self.config = config;
            self.redirect_log();
        }
        self.tidy_catalog();
        let mut reply = Reply::new(Verdict::Ok, format!("generation {generation} serves"));
        self.log(&reply.message);
        reply.generation = Some(generation.0);
        // What fails from here on is a failure of what holds, and of no reload.
        self.exchange.begin(Generation::default());
        self.answer_goal(&Goal::Exchange, &reply, poller);
    }

    pub(super) fn rolled_back(
        &mut self,
        generation: Generation,
        culprit: Process,
        poller: &Poller,
    ) {
        self.exchange.coming = None;
        self.listeners.retain(&self.config.sockets);
        self.tidy_catalog();
        let message = format!("rolled back: {} failed", self.title(culprit));
        self.log(&message);
        let mut reply = Reply::new(Verdict::Failed, message);
        reply.generation = Some(generation.0);
        reply.failures = std::mem::take(&mut self.exchange.failures);
        self.answer_goal(&Goal::Exchange, &reply, poller);
    }

    pub(super) fn cancelled(&mut self, generation: Generation, poller: &Poller) {
        self.exchange.coming = None;
        let message = format!("reload {generation} was given up because everything stops");
        self.log(&message);
        self.answer_goal(&Goal::Exchange, &Reply::new(Verdict::Failed, message), poller);
    }

    /// Remembers why a process failed, for whoever waits for it.
    pub(super) fn note_failure(&mut self, process: Process) {
        let failure = Failure {
            program: self.catalog.name(process.program).to_owned(),
            instance: process.slot,
            generation: process.generation.0,
            pid: self.processes.running.get(&process.birth).map(|running| running.pid),
            reason: self.reasons.get(&process.birth).cloned().unwrap_or_default(),
            lines: self.last_words(process),
        };
        let program = self.fleet.programs.get(&process.program);
        let slot = program.and_then(|program| program.slots.get(process.slot as usize));
        if slot.is_some_and(|slot| matches!(slot.phase, Phase::Resting { .. })) {
            self.processes.memory(process).restarts += 1;
        }
        self.processes.memory(process).last_exit = Some(failure.reason.clone());
        if failure.pid.is_some() || failure.reason.starts_with("could not") {
            self.log(&format!("{} {}", self.title(process), failure.reason));
        }
        if process.generation == self.exchange.generation {
            self.exchange.failures.push(failure.clone());
        }
        self.tickets.note_failure(process.program, &failure);
    }
}
