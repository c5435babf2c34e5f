//! A row of equal slots, and how its processes are exchanged.

use super::event::{Action, Edition, End, Process, ProgramId, Replacement, Role};
use super::slot::{Desk, Phase, Slot};

/// One program: its slots, its settings, and the exchange of the one for the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    /// Who it is.
    pub id: ProgramId,
    /// The settings that hold, and to which a failed reload returns.
    pub edition: Edition,
    /// The exchange in progress.
    pub rollout: Option<Rollout>,
    /// The number of processes that an operator asked for, instead of the configuration's.
    pub scaled: Option<u32>,
    /// Whether it is to run.
    pub wanted: Wanted,
    /// Its places. There are more than wanted while the last ones drain.
    pub slots: Vec<Slot>,
}

/// Whether a program is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// It is.
    Running,
    /// Not until somebody starts it.
    Stopped,
    /// Never again: it has left the configuration.
    Removed,
}

/// The exchange of a program's processes for those of another edition, place after place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rollout {
    /// What the new processes run.
    pub edition: Edition,
    /// Whether the edition is new or the one that held before.
    pub direction: Direction,
    /// The first place whose turn has not come.
    pub next: u32,
}

/// Which way an exchange goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To new settings. One failure turns it back.
    Forward,
    /// Back to the settings that held. A place where that fails keeps what serves in it.
    Back,
}

/// What the layer above lends to a program.
pub(super) struct Means<'a> {
    pub(super) births: &'a mut u64,
    pub(super) actions: &'a mut Vec<Action>,
}

impl Means<'_> {
    fn desk(&mut self, program: ProgramId, slot: usize) -> Desk<'_> {
        let slot = u32::try_from(slot).expect("a program has at most u32::MAX slots");
        Desk { program, slot, births: &mut *self.births, actions: &mut *self.actions }
    }
}

impl Program {
    pub(super) fn new(id: ProgramId, edition: Edition) -> Self {
        let (rollout, scaled, wanted, slots) = (None, None, Wanted::Running, Vec::new());
        Self { id, edition, rollout, scaled, wanted, slots }
    }

    /// How many processes the program is to have.
    pub fn desired(&self) -> u32 {
        match self.wanted {
            Wanted::Running => self.scaled.unwrap_or(self.target().count),
            Wanted::Stopped | Wanted::Removed => 0,
        }
    }

    /// Every process of the program that lives.
    pub fn living(&self) -> impl Iterator<Item = Process> {
        self.slots.iter().flat_map(Slot::living)
    }

    /// Whether nothing of it lives and nothing will without a further wish.
    pub fn is_empty(&self) -> bool {
        self.slots.iter().all(Slot::is_empty)
    }

    /// Whether every place it is to have is filled with a process that serves or has finished,
    /// and no exchange is in progress. Those who leave may still be there.
    pub fn is_settled(&self) -> bool {
        let filled = |slot: &Slot| matches!(slot.phase, Phase::Up { .. } | Phase::Finished(_));
        let desired = self.desired() as usize;
        self.rollout.is_none()
            && self.slots.len() >= desired
            && self.slots.iter().take(desired).all(filled)
    }

    pub(super) fn start(&mut self, means: &mut Means<'_>) {
        if self.wanted == Wanted::Removed {
            return;
        }
        self.wanted = Wanted::Running;
        let edition = *self.target();
        for (index, slot) in self.slots.iter_mut().enumerate() {
            slot.begin(&edition, &mut means.desk(self.id, index));
        }
        self.reconcile(means);
    }

    pub(super) fn stop(&mut self, wanted: Wanted, means: &mut Means<'_>) {
        if self.wanted != Wanted::Removed {
            self.wanted = wanted;
        }
        self.reconcile(means);
    }

    pub(super) fn halt(&mut self, means: &mut Means<'_>) {
        self.wanted = Wanted::Stopped;
        self.rollout = None;
        for (index, slot) in self.slots.iter_mut().enumerate() {
            slot.halt(&mut means.desk(self.id, index));
        }
        self.trim();
    }

    pub(super) fn scale(&mut self, count: Option<u32>, means: &mut Means<'_>) {
        self.scaled = count;
        self.reconcile(means);
    }

    /// Starts to exchange every process for one of `edition`.
    pub(super) fn roll(&mut self, edition: Edition, direction: Direction, means: &mut Means<'_>) {
        self.rollout = Some(Rollout { edition, direction, next: 0 });
        self.reconcile(means);
    }

    /// Makes the edition that was rolled out the one that holds.
    pub(super) fn settle(&mut self, means: &mut Means<'_>) {
        if let Some(rollout) = self.rollout.take() {
            self.edition = rollout.edition;
        }
        self.reconcile(means);
    }

    /// Whether every place has been exchanged.
    pub(super) fn is_rolled(&self) -> bool {
        let desired = self.desired();
        self.rollout.is_none_or(|rollout| rollout.next >= desired && self.changing(rollout) == 0)
    }

    pub(super) fn ready(&mut self, process: Process, means: &mut Means<'_>) {
        self.with_slot(process, means, |slot, _, desk| slot.ready(process, desk));
        self.advance(means);
    }

    /// Returns the process if its end was a failure.
    pub(super) fn exited(
        &mut self,
        process: Process,
        end: End,
        means: &mut Means<'_>,
    ) -> Option<Process> {
        let failed = self.with_slot(process, means, |slot, edition, desk| {
            slot.exited(process, end, edition, desk)
        });
        self.after_end(process, failed.flatten(), means)
    }

    /// Returns the process if it was given up because it was not ready in time.
    pub(super) fn expired(&mut self, process: Process, means: &mut Means<'_>) -> Option<Process> {
        let failed = self
            .with_slot(process, means, |slot, edition, desk| slot.expired(process, edition, desk));
        self.after_end(process, failed.flatten(), means)
    }

    /// Whether it is the main program, and its process has finished.
    pub(super) fn is_done(&self) -> bool {
        self.edition.role == Role::Main
            && self.slots.iter().any(|slot| matches!(slot.phase, Phase::Finished(_)))
    }

    fn after_end(
        &mut self,
        process: Process,
        failed: Option<Process>,
        means: &mut Means<'_>,
    ) -> Option<Process> {
        match self.rollout {
            // The layer above turns it back: no other place has its turn before.
            Some(Rollout { edition, direction: Direction::Forward, .. })
                if failed.is_some_and(|failed| failed.generation == edition.generation) => {}
            // A place that could not go back keeps what serves in it, but starts the old edition
            // next.
            Some(Rollout { direction: Direction::Back, .. }) => {
                let next = self.edition.generation;
                if let Some(slot) = self.slots.get_mut(process.slot as usize) {
                    slot.next = next;
                }
                self.advance(means);
            }
            _ => self.advance(means),
        }
        self.trim();
        failed
    }

    /// The edition that the program is on its way to.
    fn target(&self) -> &Edition {
        self.rollout.as_ref().map_or(&self.edition, |rollout| &rollout.edition)
    }

    /// The edition whose rules hold for a process, or for the next one of a slot.
    fn edition_of(&self, slot: &Slot, process: Process) -> Edition {
        let generation =
            if slot.living().any(|it| it == process) { process.generation } else { slot.next };
        match self.rollout {
            Some(rollout) if rollout.edition.generation == generation => rollout.edition,
            _ => self.edition,
        }
    }

    fn with_slot<T>(
        &mut self,
        process: Process,
        means: &mut Means<'_>,
        act: impl FnOnce(&mut Slot, &Edition, &mut Desk<'_>) -> T,
    ) -> Option<T> {
        let index = process.slot as usize;
        let edition = self.edition_of(self.slots.get(index)?, process);
        Some(act(self.slots.get_mut(index)?, &edition, &mut means.desk(self.id, index)))
    }

    /// Retires places that are too many, and fills those that are missing.
    fn reconcile(&mut self, means: &mut Means<'_>) {
        let desired = self.desired();
        let keep = self.kept(desired) as usize;
        for (index, slot) in self.slots.iter_mut().enumerate().skip(keep) {
            slot.retire(&mut means.desk(self.id, index));
        }
        if self.rollout.is_some() {
            self.advance(means);
        } else {
            let edition = self.edition;
            self.grow(desired);
            for (index, slot) in self.slots.iter_mut().enumerate().take(desired as usize) {
                if slot.phase == Phase::Idle {
                    slot.begin(&edition, &mut means.desk(self.id, index));
                }
            }
        }
        self.trim();
    }

    /// Places that a reload no longer wants serve on until it is through: it may yet turn back.
    fn kept(&self, desired: u32) -> u32 {
        let forward = self.rollout.is_some_and(|it| it.direction == Direction::Forward);
        let may_return = forward && self.wanted == Wanted::Running && self.scaled.is_none();
        if may_return { desired.max(self.edition.count) } else { desired }
    }

    /// Gives the next places their turn, as many at a time as the edition allows.
    fn advance(&mut self, means: &mut Means<'_>) {
        let desired = self.desired();
        let Some(mut rollout) = self.rollout else { return };
        let width = match rollout.edition.replacement {
            Replacement::Surge(width) => width.max(1),
            Replacement::OneForOne => 1,
        };
        self.grow(desired);
        while rollout.next < desired && self.changing(rollout) < width {
            let index = rollout.next as usize;
            self.slots[index].replace(&rollout.edition, &mut means.desk(self.id, index));
            rollout.next += 1;
        }
        rollout.next = rollout.next.min(desired);
        self.rollout = Some(rollout);
    }

    /// How many places had their turn and are not through with it.
    fn changing(&self, rollout: Rollout) -> u32 {
        let turned = self.slots.iter().take(rollout.next as usize);
        let unsettled = |slot: &&Slot| match rollout.direction {
            Direction::Forward => {
                slot.phase.is_changing() || matches!(slot.phase, Phase::Resting { .. })
            }
            // A failing program is not worth waiting for on the way back.
            Direction::Back => slot.phase.is_changing(),
        };
        u32::try_from(turned.filter(unsettled).count()).unwrap_or(u32::MAX)
    }

    fn grow(&mut self, desired: u32) {
        while self.slots.len() < desired as usize {
            self.slots.push(Slot::new(self.edition.generation));
        }
    }

    /// Drops empty places at the end that nobody wants.
    fn trim(&mut self) {
        let keep = self.kept(self.desired()) as usize;
        while self.slots.len() > keep && self.slots.last().is_some_and(Slot::is_empty) {
            self.slots.pop();
        }
    }
}
