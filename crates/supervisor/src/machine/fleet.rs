//! All programs, and at most one reload over them.

use std::collections::BTreeMap;

use super::event::{
    Action, Change, Edition, End, Event, Generation, Notice, Process, ProgramId, Role,
};
use super::program::{Direction, Means, Program, Wanted};

/// The supervisor's whole state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fleet {
    /// All programs, also those that were removed and still drain.
    pub programs: BTreeMap<ProgramId, Program>,
    /// The reload in progress.
    pub reload: Reload,
    /// Whether everything stops.
    pub stopping: bool,
    /// Whether another reload was asked for while one was in progress.
    pub(super) again: bool,
    pub(super) finished: bool,
    pub(super) generation: Generation,
    pub(super) births: u64,
}

/// How far a reload is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reload {
    /// There is none.
    #[default]
    Idle,
    /// The shell was asked to read the configuration.
    Reading,
    /// Programs are being exchanged.
    Rolling {
        /// What the reload brings.
        generation: Generation,
        /// All of what it does.
        changes: Vec<Change>,
    },
    /// Programs are being exchanged back.
    Returning {
        /// What the reload was to bring.
        generation: Generation,
        /// All of what it was to do.
        changes: Vec<Change>,
        /// Whose failure it was.
        culprit: Process,
    },
}

impl Fleet {
    /// The generation that the next reload brings.
    pub fn next_generation(&self) -> Generation {
        Generation(self.generation.0 + 1)
    }

    /// The generation of the last reload, whether it was successful or not.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Every process that lives.
    pub fn living(&self) -> impl Iterator<Item = Process> {
        self.programs.values().flat_map(Program::living)
    }

    /// Takes one event and says what to do about it.
    ///
    /// Total: every event may come in every state. The same state and event always give the same
    /// answer.
    pub fn step(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Boot(programs) if !self.stopping => self.boot(programs, &mut actions),
            Event::ReloadAsked if !self.stopping => self.ask(&mut actions),
            Event::Reload(generation, changes) if !self.stopping => {
                self.begin_reload(generation, changes, &mut actions);
            }
            Event::ReloadRefused if self.reload == Reload::Reading => {
                self.end_reload(&mut actions);
            }
            Event::Start(id) if !self.stopping => {
                self.with_program(id, &mut actions, |program, means| program.start(means));
            }
            Event::Stop(id) => self.with_program(id, &mut actions, |program, means| {
                program.stop(Wanted::Stopped, means);
            }),
            Event::Scale(id, count) if !self.stopping => {
                self.with_program(id, &mut actions, |program, means| program.scale(count, means));
            }
            Event::Ready(process) => {
                self.with_program(process.program, &mut actions, |program, means| {
                    program.ready(process, means);
                });
            }
            Event::Exited(process, end) => self.exited(process, end, &mut actions),
            Event::Expired(process) => {
                let mut failed = None;
                self.with_program(process.program, &mut actions, |program, means| {
                    failed = program.expired(process, means);
                });
                self.judge(failed, &mut actions);
            }
            Event::Shutdown => self.shut_down(&mut actions),
            Event::Halt => {
                self.shut_down(&mut actions);
                self.each_program(&mut actions, |program, means| program.halt(means));
            }
            Event::Boot(_)
            | Event::ReloadAsked
            | Event::Reload(..)
            | Event::ReloadRefused
            | Event::Start(_)
            | Event::Scale(..) => {}
        }
        self.advance(&mut actions);
        actions
    }

    fn boot(&mut self, programs: Vec<(ProgramId, Edition)>, actions: &mut Vec<Action>) {
        for (id, edition) in programs {
            self.generation = self.generation.max(edition.generation);
            self.programs.entry(id).or_insert_with(|| Program::new(id, edition));
            self.with_program(id, actions, |program, means| program.start(means));
        }
    }

    fn ask(&mut self, actions: &mut Vec<Action>) {
        if self.reload == Reload::Idle {
            self.reload = Reload::Reading;
            actions.push(Action::Read);
        } else {
            self.again = true;
        }
    }

    fn begin_reload(
        &mut self,
        generation: Generation,
        changes: Vec<Change>,
        actions: &mut Vec<Action>,
    ) {
        let busy = matches!(self.reload, Reload::Rolling { .. } | Reload::Returning { .. });
        if busy || generation <= self.generation {
            return;
        }
        self.generation = generation;
        for &change in &changes {
            if let Change::Add(id, edition) | Change::Roll(id, edition) = change {
                let program = self.programs.entry(id).or_insert_with(|| Program::new(id, edition));
                if let Change::Add(..) = change {
                    program.wanted = Wanted::Running;
                }
                self.with_program(id, actions, |program, means| {
                    program.roll(edition, Direction::Forward, means);
                });
            }
        }
        self.reload = Reload::Rolling { generation, changes };
    }

    fn exited(&mut self, process: Process, end: End, actions: &mut Vec<Action>) {
        let (mut failed, mut done) = (None, false);
        self.with_program(process.program, actions, |program, means| {
            failed = program.exited(process, end, means);
            done = program.is_done();
        });
        if done && !self.stopping {
            self.shut_down(actions);
        }
        self.judge(failed, actions);
    }

    /// A failure of a process that a reload brought turns the reload back.
    fn judge(&mut self, failed: Option<Process>, actions: &mut Vec<Action>) {
        let Some(culprit) = failed else { return };
        let Reload::Rolling { generation, changes } = &self.reload else { return };
        if culprit.generation != *generation {
            return;
        }
        let (generation, changes) = (*generation, changes.clone());
        for &change in &changes {
            match change {
                Change::Add(id, _) => self.with_program(id, actions, |program, means| {
                    program.rollout = None;
                    program.stop(Wanted::Removed, means);
                }),
                Change::Roll(id, _) => self.with_program(id, actions, |program, means| {
                    program.roll(program.edition, Direction::Back, means);
                }),
                Change::Resize(..) | Change::Remove(_) => {}
            }
        }
        self.reload = Reload::Returning { generation, changes, culprit };
    }

    fn shut_down(&mut self, actions: &mut Vec<Action>) {
        self.stopping = true;
        self.again = false;
        if let Reload::Rolling { generation, .. } | Reload::Returning { generation, .. } =
            std::mem::take(&mut self.reload)
        {
            actions.push(Action::Announce(Notice::Cancelled(generation)));
        }
        self.each_program(actions, |program, means| {
            program.rollout = None;
            program.stop(Wanted::Stopped, means);
        });
    }

    /// Whatever follows from the state alone: the end of a reload, of a program, of everything.
    fn advance(&mut self, actions: &mut Vec<Action>) {
        if let Reload::Rolling { .. } | Reload::Returning { .. } = self.reload
            && self.programs.values().all(Program::is_rolled)
        {
            self.conclude(actions);
        }
        self.forget(actions);
        if self.stopping && !self.finished && self.programs.values().all(Program::is_empty) {
            self.finished = true;
            actions.push(Action::Finish);
        }
    }

    fn conclude(&mut self, actions: &mut Vec<Action>) {
        self.each_program(actions, |program, means| {
            if program.rollout.is_some() {
                program.settle(means);
            }
        });
        match std::mem::take(&mut self.reload) {
            Reload::Rolling { generation, changes } => {
                for change in changes {
                    self.commit(change, actions);
                }
                actions.push(Action::Announce(Notice::RolledOut(generation)));
            }
            Reload::Returning { generation, culprit, .. } => {
                actions.push(Action::Announce(Notice::RolledBack(generation, culprit)));
            }
            Reload::Idle | Reload::Reading => {}
        }
        self.end_reload(actions);
    }

    fn commit(&mut self, change: Change, actions: &mut Vec<Action>) {
        match change {
            Change::Resize(id, count) => self.with_program(id, actions, |program, means| {
                program.edition.count = count;
                program.scale(program.scaled, means);
            }),
            Change::Remove(id) => self.with_program(id, actions, |program, means| {
                program.stop(Wanted::Removed, means);
            }),
            Change::Add(..) | Change::Roll(..) => {}
        }
    }

    fn end_reload(&mut self, actions: &mut Vec<Action>) {
        self.reload = Reload::Idle;
        if std::mem::take(&mut self.again) {
            self.ask(actions);
        }
    }

    fn forget(&mut self, actions: &mut Vec<Action>) {
        self.programs.retain(|&id, program| {
            let gone = program.wanted == Wanted::Removed && program.is_empty();
            if gone {
                actions.push(Action::Announce(Notice::Forgotten(id)));
            }
            !gone
        });
    }

    fn with_program(
        &mut self,
        id: ProgramId,
        actions: &mut Vec<Action>,
        act: impl FnOnce(&mut Program, &mut Means<'_>),
    ) {
        if let Some(program) = self.programs.get_mut(&id) {
            act(program, &mut Means { births: &mut self.births, actions });
        }
    }

    fn each_program(
        &mut self,
        actions: &mut Vec<Action>,
        act: impl Fn(&mut Program, &mut Means<'_>),
    ) {
        for program in self.programs.values_mut() {
            act(program, &mut Means { births: &mut self.births, actions });
        }
    }

    /// The main program, if there is one.
    pub fn main_program(&self) -> Option<ProgramId> {
        let mut programs = self.programs.values();
        programs.find(|program| program.edition.role == Role::Main).map(|program| program.id)
    }
}
