//! One place in a program, and who stands in it.

use super::event::{
    Action, Edition, End, Generation, Lifetime, Notice, Process, ProgramId, Replacement, Timer,
};
use crate::policy::{Outcome, Restart};

/// One place in a program, for one serving process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    /// What is in the place.
    pub phase: Phase,
    /// Asked to leave and not gone yet. They may still finish the work they hold.
    pub leaving: Vec<Process>,
    /// The generation that the next start in this place runs.
    pub next: Generation,
    /// Failures in a row.
    pub failures: u32,
}

/// What is in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Nothing, and nothing is wanted.
    Idle,
    /// Nothing: the last process ended, and its policy wants no successor.
    Finished(Outcome),
    /// Nothing yet: the next process starts when those who leave have gone.
    Waiting,
    /// A process that has not said that it is ready. Nothing serves yet.
    Starting {
        /// It.
        new: Process,
    },
    /// A process that serves.
    Up {
        /// It.
        current: Process,
    },
    /// A process that serves while another gets ready to take its place.
    Reloading {
        /// It.
        current: Process,
        /// The other.
        new: Process,
    },
    /// Nothing: the last process failed. A new one starts when the rest is over.
    Resting {
        /// The process whose timer that is.
        failed: Process,
    },
}

/// What a slot needs from the layers above: who it is, births, and a place for its wishes.
pub(super) struct Desk<'a> {
    pub(super) program: ProgramId,
    pub(super) slot: u32,
    pub(super) births: &'a mut u64,
    pub(super) actions: &'a mut Vec<Action>,
}

impl Desk<'_> {
    fn announce(&mut self, notice: Notice) {
        self.actions.push(Action::Announce(notice));
    }
}

impl Phase {
    /// The process that serves.
    pub fn serving(self) -> Option<Process> {
        match self {
            Phase::Up { current } | Phase::Reloading { current, .. } => Some(current),
            _ => None,
        }
    }

    /// The process that is not ready yet.
    pub fn starting(self) -> Option<Process> {
        match self {
            Phase::Starting { new } | Phase::Reloading { new, .. } => Some(new),
            _ => None,
        }
    }

    /// Whether a process of this place has yet to say that it is ready, or to start.
    pub fn is_changing(self) -> bool {
        matches!(self, Phase::Starting { .. } | Phase::Reloading { .. } | Phase::Waiting)
    }
}

impl Slot {
    pub(super) fn new(next: Generation) -> Self {
        Self { phase: Phase::Idle, leaving: Vec::new(), next, failures: 0 }
    }

    /// Every process of this place that lives.
    pub fn living(&self) -> impl Iterator<Item = Process> {
        let wanted = self.phase.serving().into_iter().chain(self.phase.starting());
        wanted.chain(self.leaving.iter().copied())
    }

    /// Whether nothing of this place lives and nothing will without a further wish.
    pub fn is_empty(&self) -> bool {
        matches!(self.phase, Phase::Idle | Phase::Finished(_)) && self.leaving.is_empty()
    }

    /// Somebody wants this place filled; who stands in it already may stay.
    pub(super) fn begin(&mut self, edition: &Edition, desk: &mut Desk<'_>) {
        if matches!(self.phase, Phase::Idle | Phase::Finished(_) | Phase::Resting { .. }) {
            self.next = edition.generation;
            self.failures = 0;
            self.start(edition, desk);
        }
    }

    /// Puts a process of `edition` into this place, and asks another one to leave it.
    pub(super) fn replace(&mut self, edition: &Edition, desk: &mut Desk<'_>) {
        let generation = edition.generation;
        self.next = generation;
        match self.phase {
            Phase::Starting { new } if new.generation == generation => {}
            Phase::Up { current } if current.generation == generation => {}
            Phase::Reloading { current, new } if current.generation == generation => {
                self.retire_process(new, desk);
                self.phase = Phase::Up { current };
            }
            Phase::Reloading { new, .. } if new.generation == generation => {}
            Phase::Waiting => {}

            Phase::Idle | Phase::Finished(_) | Phase::Resting { .. } => self.begin(edition, desk),
            Phase::Starting { new } => {
                self.retire_process(new, desk);
                self.start(edition, desk);
            }
            Phase::Up { current } => match edition.replacement {
                Replacement::Surge(_) => {
                    self.phase = Phase::Reloading { current, new: self.spawn(generation, desk) };
                }
                Replacement::OneForOne => {
                    self.retire_process(current, desk);
                    self.start(edition, desk);
                }
            },
            Phase::Reloading { current, new } => {
                self.retire_process(new, desk);
                self.phase = Phase::Reloading { current, new: self.spawn(generation, desk) };
            }
        }
    }

    /// Nobody wants this place filled any more.
    pub(super) fn retire(&mut self, desk: &mut Desk<'_>) {
        let (serving, starting) = (self.phase.serving(), self.phase.starting());
        self.phase = Phase::Idle;
        for process in serving.into_iter().chain(starting) {
            self.retire_process(process, desk);
        }
    }

    /// Everything in this place is to be gone now.
    pub(super) fn halt(&mut self, desk: &mut Desk<'_>) {
        self.leaving = self.living().collect();
        self.phase = Phase::Idle;
        desk.actions.extend(self.leaving.iter().map(|&process| Action::Kill(process)));
    }

    pub(super) fn ready(&mut self, process: Process, desk: &mut Desk<'_>) {
        match self.phase {
            Phase::Starting { new } if new == process => {}
            Phase::Reloading { current, new } if new == process => {
                self.retire_process(current, desk);
            }
            _ => return,
        }
        self.phase = Phase::Up { current: process };
        desk.announce(Notice::Ready(process));
    }

    /// Returns the process if it was wanted, and so its end is a failure.
    pub(super) fn exited(
        &mut self,
        process: Process,
        end: End,
        edition: &Edition,
        desk: &mut Desk<'_>,
    ) -> Option<Process> {
        if let Some(index) = self.leaving.iter().position(|&leaving| leaving == process) {
            self.leaving.remove(index);
            if self.phase == Phase::Waiting && self.leaving.is_empty() {
                self.phase = Phase::Starting { new: self.spawn(self.next, desk) };
            }
            return None;
        }
        if end.lifetime == Lifetime::Steady {
            self.failures = 0;
        }
        match self.phase {
            Phase::Starting { new } if new == process => {
                self.ended(process, end.outcome, edition.restart, desk)
            }
            Phase::Up { current } if current == process => {
                self.ended(process, end.outcome, edition.restart, desk)
            }
            Phase::Reloading { current, new } if new == process => {
                self.keep(current);
                desk.announce(Notice::Failed(process));
                Some(process)
            }
            Phase::Reloading { current, new } if current == process => {
                self.phase = Phase::Starting { new };
                desk.announce(Notice::Failed(process));
                Some(process)
            }
            _ => None,
        }
    }

    /// Returns the process if it was given up because it was not ready in time.
    pub(super) fn expired(
        &mut self,
        process: Process,
        edition: &Edition,
        desk: &mut Desk<'_>,
    ) -> Option<Process> {
        match self.phase {
            Phase::Starting { new } if new == process => {
                self.kill_process(process, desk);
                self.ended(process, Outcome::Failure, edition.restart, desk)
            }
            Phase::Reloading { current, new } if new == process => {
                self.kill_process(process, desk);
                self.keep(current);
                desk.announce(Notice::Failed(process));
                Some(process)
            }
            Phase::Resting { failed } if failed == process => {
                self.start(edition, desk);
                None
            }
            _ => {
                if self.leaving.contains(&process) {
                    desk.actions.push(Action::Kill(process));
                }
                None
            }
        }
    }

    /// The process that served or was to serve has gone, and nobody stands beside it.
    fn ended(
        &mut self,
        process: Process,
        outcome: Outcome,
        restart: Restart,
        desk: &mut Desk<'_>,
    ) -> Option<Process> {
        if !restart.wants(outcome) {
            self.phase = Phase::Finished(outcome);
            desk.announce(Notice::Finished(process));
            return (outcome == Outcome::Failure).then_some(process);
        }
        self.failures = self.failures.saturating_add(1);
        self.phase = Phase::Resting { failed: process };
        desk.announce(Notice::Failed(process));
        desk.actions.push(Action::Arm(process, Timer::Rest { failures: self.failures }));
        Some(process)
    }

    fn keep(&mut self, current: Process) {
        self.next = current.generation;
        self.phase = Phase::Up { current };
    }

    /// Fills the place, at once or when the rest of its processes have gone.
    fn start(&mut self, edition: &Edition, desk: &mut Desk<'_>) {
        let alone = edition.replacement == Replacement::OneForOne;
        self.phase = if alone && !self.leaving.is_empty() {
            Phase::Waiting
        } else {
            Phase::Starting { new: self.spawn(self.next, desk) }
        };
    }

    fn spawn(&self, generation: Generation, desk: &mut Desk<'_>) -> Process {
        *desk.births += 1;
        let (program, slot, birth) = (desk.program, desk.slot, *desk.births);
        let process = Process { program, slot, generation, birth };
        desk.actions.extend([Action::Spawn(process), Action::Arm(process, Timer::Startup)]);
        process
    }

    fn retire_process(&mut self, process: Process, desk: &mut Desk<'_>) {
        self.leaving.push(process);
        desk.actions.extend([Action::Terminate(process), Action::Arm(process, Timer::Drain)]);
    }

    fn kill_process(&mut self, process: Process, desk: &mut Desk<'_>) {
        self.leaving.push(process);
        desk.actions.push(Action::Kill(process));
    }
}
