//! The pool's machine: which worker has which task, and what follows from what happened.
//!
//! Pure: it knows numbers only, reads no clock and makes no call. The [office](crate::office) tells
//! it what happened and performs what it answers.
//!
//! A task:
//!
//! | is          | until                                                                        |
//! |-------------|------------------------------------------------------------------------------|
//! | queued      | a worker has room: it is dispatched to the one that holds the fewest         |
//! | held        | the worker reports it; or it is taken back, and queued where it was before   |
//! | settled     | once and for all                                                             |
//!
//! A worker:
//!
//! | phase       | holds     | until                                                            |
//! |-------------|-----------|------------------------------------------------------------------|
//! | `Starting`  | nothing   | it says that it is ready, or exits                               |
//! | `Ready`     | a window  | it has done its share of tasks, or the pool is done              |
//! | `Retiring`  | what it has left | it exits                                                  |
//!
//! # What a dead process leaves
//!
//! A worker takes its tasks one by one from a queue of its own. Those still in there when it is dead
//! have not been touched, and go back to the queue. What it held beyond these, and has not
//! reported, is the one task it was running: that is settled as lost, or queued again if it may be
//! retried.
//!
//! # Why it ends
//!
//! Each start that fails counts; each worker that becomes ready sets the count to zero. When the
//! count has reached its limit and no worker is left, the pool breaks and every task is settled. A
//! worker that dies idle before it did anything is replaced after a growing delay, so that nothing
//! is started in a storm.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Tasks are numbered in the order in which they were accepted.
pub(crate) type TaskId = u64;

/// Workers are numbered in the order in which they were asked for; no number comes twice.
pub(crate) type WorkerId = u64;

/// What does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Limits {
    /// How many workers there are.
    pub(crate) workers: usize,
    /// How many tasks a worker holds at most, with the one it runs.
    pub(crate) window: usize,
    /// After how many tasks a worker is replaced.
    pub(crate) tasks_per_worker: Option<u64>,
    /// How often a task that was lost with its worker is run again.
    pub(crate) retries: u32,
    /// How many starts in a row may fail.
    pub(crate) failed_starts: u32,
}

/// How far the pool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// Accepts tasks.
    Open,
    /// Accepts none, and does what is left.
    Closing,
    /// Has no tasks, and waits for the workers to be gone.
    Ending,
    /// Has no workers.
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Starting,
    Ready,
    Retiring,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Worker {
    phase: Phase,
    /// In the order in which they were dispatched: what the worker has not taken yet comes last.
    held: VecDeque<TaskId>,
    done: u64,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A task was accepted.
    Submitted(TaskId),
    /// A worker is ready for its first task.
    Ready(WorkerId),
    /// A worker reported a task.
    Done { worker: WorkerId, task: TaskId },
    /// A worker has exited, or was not started; `left` is what it had not taken.
    Exited { worker: WorkerId, left: Vec<TaskId> },
    /// These tasks were taken back from a worker that had not taken them yet.
    TakenBack { worker: WorkerId, tasks: Vec<TaskId> },
    /// A dispatched task could not be handed over.
    Undeliverable { worker: WorkerId, task: TaskId },
    /// A task is not wanted any more; if a worker held it, `left` was taken back from that.
    Cancel { task: TaskId, worker: Option<WorkerId>, left: Vec<TaskId> },
    /// No more tasks will be submitted.
    Close,
    /// Nothing that has not begun is wanted any more; `left` was taken back.
    CancelAll { left: Vec<(WorkerId, Vec<TaskId>)> },
    /// Nothing is wanted any more.
    Terminate,
    /// The pool cannot go on.
    Break,
}

/// How a task was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As its worker reported.
    Reported,
    /// Its worker died while it ran.
    Lost,
    /// It could not be handed to a worker.
    Undeliverable,
    Cancelled,
    Terminated,
    Broken,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start a worker; the more starts came to nothing, the later.
    Start { worker: WorkerId, failures: u32 },
    /// Hand a task to a worker.
    Dispatch { task: TaskId, worker: WorkerId },
    /// Take up to `count` tasks back from a worker.
    TakeBack { worker: WorkerId, count: usize },
    /// A task has ended.
    Settle { task: TaskId, verdict: Verdict },
    /// Let a worker finish what it has and exit.
    Retire(WorkerId),
    /// Make a worker exit.
    End(WorkerId),
    /// The last worker is gone.
    Over,
}

/// Where a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Queued,
    /// With a worker, as one of those it got: `behind` more were dispatched after it.
    Held {
        worker: WorkerId,
        behind: usize,
    },
}

/// Which worker has which task.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Table {
    limits: Limits,
    stage: Stage,
    queue: BTreeSet<TaskId>,
    workers: BTreeMap<WorkerId, Worker>,
    next_worker: WorkerId,
    /// How often tasks that were lost have been lost.
    losses: BTreeMap<TaskId, u32>,
    /// Starts in a row that did not lead to a ready worker.
    failures: u32,
    /// Workers in a row that died idle before they had done anything.
    fruitless: u32,
}

impl Table {
    /// A table without workers, and the actions that start them.
    pub(crate) fn new(limits: Limits) -> (Self, Vec<Action>) {
        let mut table = Self {
            limits,
            stage: Stage::Open,
            queue: BTreeSet::new(),
            workers: BTreeMap::new(),
            next_worker: 0,
            losses: BTreeMap::new(),
            failures: 0,
            fruitless: 0,
        };
        let mut actions = Vec::new();
        table.staff(&mut actions);
        (table, actions)
    }

    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }

    /// Where a task is; `None` if it is settled.
    pub(crate) fn place(&self, task: TaskId) -> Option<Place> {
        if self.queue.contains(&task) {
            return Some(Place::Queued);
        }
        self.workers.iter().find_map(|(&worker, it)| {
            let index = it.held.iter().position(|&held| held == task)?;
            Some(Place::Held { worker, behind: it.held.len() - 1 - index })
        })
    }

    /// What follows from `event`. Events about what is settled or gone change nothing.
    pub(crate) fn step(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Submitted(task) if self.stage == Stage::Open => {
                self.queue.insert(task);
            }
            // The office asks for the stage before it accepts a task, under the same lock.
            Event::Submitted(task) => actions.push(settle(task, Verdict::Terminated)),
            Event::Ready(worker) => self.ready(worker),
            Event::Done { worker, task } => self.done(worker, task, &mut actions),
            Event::Exited { worker, left } => self.exited(worker, &left, &mut actions),
            Event::TakenBack { worker, tasks } => {
                self.take_back(worker, &tasks);
                if tasks.is_empty() {
                    // Nothing was left there; the next report tells more.
                    return actions;
                }
            }
            Event::Undeliverable { worker, task } => {
                if self.release(worker, task) {
                    self.settle(task, Verdict::Undeliverable, &mut actions);
                }
            }
            Event::Cancel { task, worker, left } => {
                if let Some(worker) = worker {
                    self.take_back(worker, &left);
                }
                if self.queue.remove(&task) {
                    self.settle(task, Verdict::Cancelled, &mut actions);
                }
            }
            Event::Close if self.stage == Stage::Open => self.stage = Stage::Closing,
            Event::Close => {}
            Event::CancelAll { left } => self.cancel_all(&left, &mut actions),
            Event::Terminate => self.end(Verdict::Terminated, &mut actions),
            Event::Break => self.end(Verdict::Broken, &mut actions),
        }
        self.dispatch(&mut actions);
        self.finish(&mut actions);
        actions
    }

    fn ready(&mut self, worker: WorkerId) {
        let Some(it) = self.workers.get_mut(&worker) else { return };
        self.failures = 0;
        if it.phase == Phase::Starting {
            it.phase = Phase::Ready;
        }
    }

    fn done(&mut self, worker: WorkerId, task: TaskId, actions: &mut Vec<Action>) {
        if !self.release(worker, task) {
            return;
        }
        self.fruitless = 0;
        self.settle(task, Verdict::Reported, actions);
        let Some(it) = self.workers.get_mut(&worker) else { return };
        it.done += 1;
        if it.phase == Phase::Ready && Some(it.done) == self.limits.tasks_per_worker {
            it.phase = Phase::Retiring;
            actions.push(Action::Retire(worker));
        }
    }

    fn exited(&mut self, worker: WorkerId, left: &[TaskId], actions: &mut Vec<Action>) {
        self.take_back(worker, left);
        let Some(it) = self.workers.remove(&worker) else { return };
        match it.phase {
            Phase::Starting => self.failures = self.failures.saturating_add(1),
            Phase::Ready if it.done == 0 && it.held.is_empty() => {
                self.fruitless = self.fruitless.saturating_add(1);
            }
            Phase::Ready | Phase::Retiring => {}
        }
        for task in it.held {
            let losses = self.losses.entry(task).or_default();
            *losses += 1;
            if *losses <= self.limits.retries {
                self.queue.insert(task);
            } else {
                self.settle(task, Verdict::Lost, actions);
            }
        }
        if matches!(self.stage, Stage::Open | Stage::Closing)
            && self.workers.is_empty()
            && self.failures >= self.limits.failed_starts
        {
            self.end(Verdict::Broken, actions);
        }
    }

    fn cancel_all(&mut self, left: &[(WorkerId, Vec<TaskId>)], actions: &mut Vec<Action>) {
        for (worker, tasks) in left {
            self.take_back(*worker, tasks);
        }
        for task in std::mem::take(&mut self.queue) {
            self.settle(task, Verdict::Cancelled, actions);
        }
    }

    /// Settles everything and ends all workers.
    fn end(&mut self, verdict: Verdict, actions: &mut Vec<Action>) {
        if matches!(self.stage, Stage::Ending | Stage::Over) {
            // The workers may be finishing in their own time; now they must not.
            actions.extend(self.workers.keys().copied().map(Action::End));
            return;
        }
        self.stage = Stage::Ending;
        let queue = std::mem::take(&mut self.queue);
        let held = self.workers.values_mut().flat_map(|worker| std::mem::take(&mut worker.held));
        let tasks: BTreeSet<_> = held.chain(queue).collect();
        for task in tasks {
            self.settle(task, verdict, actions);
        }
        actions.extend(self.workers.keys().copied().map(Action::End));
    }

    /// Gives queued tasks to workers, and work that waits behind other work to idle ones.
    fn dispatch(&mut self, actions: &mut Vec<Action>) {
        while let Some(&task) = self.queue.first() {
            let free = self.workers.iter().filter(|(_, it)| self.limits.has_room(it));
            let Some(worker) = free.min_by_key(|(_, it)| it.held.len()).map(|(&id, _)| id) else {
                return;
            };
            self.queue.pop_first();
            if let Some(it) = self.workers.get_mut(&worker) {
                it.held.push_back(task);
            }
            actions.push(Action::Dispatch { task, worker });
        }
        let is_idle = |it: &Worker| it.held.is_empty() && self.limits.has_room(it);
        if self.workers.values().any(is_idle)
            && let Some((&worker, it)) = self.workers.iter().max_by_key(|(_, it)| it.held.len())
            && it.held.len() >= 2
        {
            actions.push(Action::TakeBack { worker, count: it.held.len() / 2 });
        }
    }

    /// Starts and ends workers as the tasks demand.
    fn finish(&mut self, actions: &mut Vec<Action>) {
        let is_working = self.workers.values().any(|it| !it.held.is_empty());
        if self.stage == Stage::Closing && self.queue.is_empty() && !is_working {
            self.stage = Stage::Ending;
            for (&id, it) in &mut self.workers {
                if it.phase != Phase::Retiring {
                    it.phase = Phase::Retiring;
                    actions.push(Action::Retire(id));
                }
            }
        }
        if self.stage == Stage::Ending && self.workers.is_empty() {
            self.stage = Stage::Over;
            actions.push(Action::Over);
        }
        self.staff(actions);
    }

    /// Asks for the workers that are missing.
    fn staff(&mut self, actions: &mut Vec<Action>) {
        let is_needed = match self.stage {
            Stage::Open => true,
            Stage::Closing => !self.queue.is_empty(),
            Stage::Ending | Stage::Over => false,
        };
        let has_ready = self.workers.values().any(|it| it.phase != Phase::Starting);
        let may_start = self.failures < self.limits.failed_starts || has_ready;
        while is_needed && may_start && self.workers.len() < self.limits.workers {
            let worker = self.next_worker;
            self.next_worker += 1;
            let new = Worker { phase: Phase::Starting, held: VecDeque::new(), done: 0 };
            self.workers.insert(worker, new);
            let failures = self.failures.max(self.fruitless);
            actions.push(Action::Start { worker, failures });
        }
    }

    /// Puts tasks that a worker has not touched back to where they were.
    fn take_back(&mut self, worker: WorkerId, tasks: &[TaskId]) {
        for &task in tasks {
            if self.release(worker, task) {
                self.queue.insert(task);
            }
        }
    }

    /// Takes a task from a worker; `false` if the worker does not hold it.
    fn release(&mut self, worker: WorkerId, task: TaskId) -> bool {
        let Some(it) = self.workers.get_mut(&worker) else { return false };
        let index = it.held.iter().position(|&held| held == task);
        index.and_then(|index| it.held.remove(index)).is_some()
    }

    fn settle(&mut self, task: TaskId, verdict: Verdict, actions: &mut Vec<Action>) {
        self.losses.remove(&task);
        actions.push(settle(task, verdict));
    }
}

impl Limits {
    fn has_room(&self, worker: &Worker) -> bool {
        let held = worker.held.len();
        let share = self.tasks_per_worker.is_none_or(|share| worker.done + (held as u64) < share);
        worker.phase == Phase::Ready && held < self.window && share
    }
}

fn settle(task: TaskId, verdict: Verdict) -> Action {
    Action::Settle { task, verdict }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
