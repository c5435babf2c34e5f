//! The owner's side of a pool: keeps the tasks and the workers, and does what the table says.
//!
//! Everything is behind one lock, which is held for the time of some stores and never while code of
//! the user's runs or a process is started. What ends under the lock is told to the futures after
//! it: see [`Office::enter`].

use std::collections::{BTreeMap, HashMap};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use brigade_process::call::Task;
use brigade_process::{ExitStatus, Process, StartMethod};
use brigade_shm::Queue;
use brigade_shm::queue::TryPutError;
use brigade_shm::transit::Packed;
use brigade_sys::time::Deadline;

use crate::alarm::Alarm;
use crate::cell::isolated;
use crate::error::{Broken, Refusal};
use crate::future::{Source, TaskState};
use crate::job::{Job, Outcome};
use crate::letter::{Order, Reply, Report};
use crate::table::{Action, Event, Place, Stage, Table, TaskId, Verdict, WorkerId};

/// How long a worker that was asked to end may take before it is killed.
const GRACE: Duration = Duration::from_secs(1);

/// The first delay after starts that came to nothing, and the longest.
const FIRST_DELAY: Duration = Duration::from_millis(10);
const LAST_DELAY: Duration = Duration::from_secs(1);

/// The owner's side of a pool.
pub(crate) struct Office {
    /// The process that made the pool. A copy of it has no use for the office.
    pub(crate) owner: u32,
    pub(crate) hiring: Hiring,
    pub(crate) reports: Queue<Report>,
    pub(crate) alarm: Alarm,
    state: Mutex<State>,
    over: Condvar,
}

/// How workers are started.
pub(crate) struct Hiring {
    pub(crate) name: String,
    pub(crate) method: StartMethod,
    pub(crate) window: usize,
    pub(crate) retries: u32,
    pub(crate) initializer: Option<(Task, Packed)>,
}

pub(crate) struct State {
    pub(crate) table: Table,
    pub(crate) jobs: HashMap<TaskId, Job>,
    pub(crate) members: BTreeMap<WorkerId, Member>,
    /// Workers to be started, and when.
    pub(crate) hires: Vec<(WorkerId, Deadline)>,
    /// When workers that were asked to end are killed.
    pub(crate) mercy: Option<Deadline>,
    /// What happened to the last start that came to nothing.
    pub(crate) trouble: String,
    /// Whether a task may be run again, so that its argument stays here while a worker has it.
    may_retry: bool,
    next_task: TaskId,
    broken: Option<Broken>,
    ended: Vec<(Job, Outcome)>,
}

/// A worker that exists, or is about to.
pub(crate) struct Member {
    /// Not there while it is being started.
    pub(crate) process: Option<Process>,
    pub(crate) orders: Queue<Order>,
    /// What it said when it could not begin.
    pub(crate) complaint: Option<String>,
    /// Whether it is to be ended as soon as it is there.
    pub(crate) is_doomed: bool,
}

/// What the table's actions need to know of the event that led to them.
pub(crate) enum Detail {
    Nothing,
    Reply(Reply),
    Death { pid: i32, status: ExitStatus },
    Reason(String),
}

impl Office {
    pub(crate) fn new(
        hiring: Hiring,
        reports: Queue<Report>,
        alarm: Alarm,
        (table, actions): (Table, Vec<Action>),
    ) -> Self {
        let state = State {
            table,
            jobs: HashMap::new(),
            members: BTreeMap::new(),
            hires: Vec::new(),
            mercy: None,
            trouble: String::new(),
            may_retry: hiring.retries > 0,
            next_task: 0,
            broken: None,
            ended: Vec::new(),
        };
        let owner = std::process::id();
        let state = Mutex::new(state);
        let office = Self { owner, hiring, reports, alarm, state, over: Condvar::new() };
        office.enter(|state| office.perform_all(state, actions, Detail::Nothing));
        office
    }

    /// Whether this process made the pool.
    pub(crate) fn is_own(&self) -> bool {
        std::process::id() == self.owner
    }

    /// Runs `work` under the lock, and then, without it, tells the futures of tasks that ended.
    pub(crate) fn enter<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let result = work(&mut state);
        let ended = std::mem::take(&mut state.ended);
        drop(state);
        for (job, outcome) in ended {
            // Values of the user's are dropped here, and callbacks of the user's run.
            isolated(|| job.sink.settle(outcome));
            isolated(|| drop(job));
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The user's code that runs under the lock is isolated, and ours does not panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the last worker is gone, or until `deadline`.
    pub(crate) fn wait_over(&self, deadline: Deadline) -> bool {
        let mut state = self.lock();
        while state.table.stage() != Stage::Over {
            if deadline.is_past() {
                return false;
            }
            let left = deadline.remaining().unwrap_or(Duration::MAX);
            let woken = self.over.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Accepts the task that `job` makes, or says why not.
    pub(crate) fn accept(&self, job: impl FnOnce() -> Job) -> Result<TaskId, Refusal> {
        self.enter(|state| {
            state.refusal()?;
            let task = state.next_task;
            state.next_task += 1;
            state.jobs.insert(task, job());
            self.step(state, Event::Submitted(task), Detail::Nothing);
            Ok(task)
        })
    }

    /// Takes back what the workers have not begun, and cancels it with all that waits.
    pub(crate) fn cancel_all(&self) {
        self.enter(|state| {
            let left = state.recall_all();
            self.step(state, Event::CancelAll { left }, Detail::Nothing);
        });
    }

    /// Accepts nothing more.
    pub(crate) fn close(&self) {
        self.enter(|state| self.step(state, Event::Close, Detail::Nothing));
    }

    /// Ends everything; workers that are asked may take a moment, the others none.
    pub(crate) fn terminate(&self, asking: Asking) {
        self.enter(|state| {
            state.mercy = match asking {
                Asking::First => Some(Deadline::after(GRACE)),
                Asking::Never => None,
            };
            self.step(state, Event::Terminate, Detail::Nothing);
        });
        self.alarm.ring();
    }

    /// Tells the table what happened and does what it says, until nothing more follows.
    pub(crate) fn step(&self, state: &mut State, event: Event, detail: Detail) {
        let actions = state.table.step(event);
        self.perform_all(state, actions, detail);
    }

    fn perform_all(&self, state: &mut State, actions: Vec<Action>, mut detail: Detail) {
        for action in actions {
            if let Some((event, detail)) = self.perform(state, action, &mut detail) {
                self.step(state, event, detail);
            }
        }
    }

    /// Does what the table says; returns what happened at once.
    fn perform(
        &self,
        state: &mut State,
        action: Action,
        detail: &mut Detail,
    ) -> Option<(Event, Detail)> {
        match action {
            Action::Start { worker, failures } => {
                state.hires.push((worker, Deadline::after(delay(failures))));
                self.alarm.ring();
                None
            }
            Action::Dispatch { task, worker } => {
                let reason = state.dispatch(task, worker).err()?;
                Some((Event::Undeliverable { worker, task }, Detail::Reason(reason)))
            }
            Action::TakeBack { worker, count } => {
                let tasks = state.recall(worker, count);
                Some((Event::TakenBack { worker, tasks }, Detail::Nothing))
            }
            Action::Settle { task, verdict } => {
                let job = state.jobs.remove(&task)?;
                let outcome = state.outcome(verdict, detail);
                state.ended.push((job, outcome));
                None
            }
            Action::Retire(worker) => self.dismiss(state, worker, Member::retire),
            Action::End(worker) => {
                let end = if state.mercy.is_some() { Member::ask } else { Member::kill };
                self.dismiss(state, worker, end)
            }
            Action::Over => {
                self.reports.close();
                self.alarm.ring();
                self.over.notify_all();
                None
            }
        }
    }

    /// Ends a worker in the given way; one that was never started is gone at once.
    fn dismiss(
        &self,
        state: &mut State,
        worker: WorkerId,
        how: impl Fn(&mut Member),
    ) -> Option<(Event, Detail)> {
        if let Some(member) = state.members.get_mut(&worker) {
            how(member);
            return None;
        }
        state.hires.retain(|(hire, _)| *hire != worker);
        Some((Event::Exited { worker, left: Vec::new() }, Detail::Nothing))
    }

    /// The office as the futures of its tasks know it.
    pub(crate) fn as_source(self: &std::sync::Arc<Self>) -> Weak<dyn Source> {
        let source: Weak<Self> = std::sync::Arc::downgrade(self);
        source
    }
}

/// Whether workers are asked to end before they are killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    First,
    Never,
}

impl State {
    /// Why no task is accepted, if so.
    fn refusal(&self) -> Result<(), Refusal> {
        match (&self.broken, self.table.stage()) {
            (Some(broken), _) => Err(Refusal::Broken(broken.clone())),
            (None, Stage::Open) => Ok(()),
            (None, Stage::Closing | Stage::Ending | Stage::Over) => Err(Refusal::Closed),
        }
    }

    /// Says why the pool cannot go on; the first reason stays.
    pub(crate) fn set_broken(&mut self, reason: String) -> Broken {
        self.broken.get_or_insert(Broken { reason }).clone()
    }

    /// Hands a task to a worker.
    fn dispatch(&mut self, task: TaskId, worker: WorkerId) -> Result<(), String> {
        let gone = || "the pool has lost it".to_owned();
        let job = self.jobs.get_mut(&task).ok_or_else(gone)?;
        let member = self.members.get(&worker).ok_or_else(gone)?;
        let argument = job.argument.take().ok_or_else(gone)?;
        if self.may_retry {
            job.argument = Some(argument.clone());
        }
        member.orders.try_put(Order { id: task, task: job.task, argument }).map_err(|refused| {
            let reason = refused.to_string();
            if let TryPutError::Full(order)
            | TryPutError::Closed(order)
            | TryPutError::Failed { value: order, .. } = refused
            {
                job.argument = Some(order.argument);
            }
            reason
        })
    }

    /// Takes back up to `count` tasks that a worker has not begun, the oldest first.
    pub(crate) fn recall(&mut self, worker: WorkerId, count: usize) -> Vec<TaskId> {
        let Some(member) = self.members.get(&worker) else { return Vec::new() };
        let mut tasks = Vec::new();
        while tasks.len() < count
            && let Ok(Order { id, argument, .. }) = member.orders.try_get()
        {
            if let Some(job) = self.jobs.get_mut(&id) {
                job.argument = Some(argument);
                tasks.push(id);
            }
        }
        tasks
    }

    /// Takes back all tasks that no worker has begun.
    fn recall_all(&mut self) -> Vec<(WorkerId, Vec<TaskId>)> {
        let workers: Vec<_> = self.members.keys().copied().collect();
        workers.into_iter().map(|worker| (worker, self.recall(worker, usize::MAX))).collect()
    }

    fn outcome(&mut self, verdict: Verdict, detail: &mut Detail) -> Outcome {
        match (verdict, std::mem::replace(detail, Detail::Nothing)) {
            (Verdict::Reported, Detail::Reply(reply)) => Outcome::Reported(reply),
            (Verdict::Lost, Detail::Death { pid, status }) => {
                // If more was lost with the worker than the one task, all have the same story.
                *detail = Detail::Death { pid, status };
                Outcome::Lost { pid, status }
            }
            (Verdict::Undeliverable, Detail::Reason(reason)) => Outcome::Undeliverable(reason),
            (Verdict::Cancelled, _) => Outcome::Cancelled,
            (Verdict::Terminated, _) => Outcome::Terminated,
            (Verdict::Broken, kept) => {
                *detail = kept;
                let trouble = self.trouble.clone();
                Outcome::Broken(self.set_broken(trouble))
            }
            // The table answers an event with these verdicts only where the detail came with it.
            (Verdict::Reported | Verdict::Lost | Verdict::Undeliverable, _) => {
                Outcome::Undeliverable("the pool has lost what happened to it".to_owned())
            }
        }
    }
}

impl Member {
    pub(crate) fn new(orders: Queue<Order>) -> Self {
        Self { process: None, orders, complaint: None, is_doomed: false }
    }

    /// Lets it finish what it has; it exits when its queue is empty.
    fn retire(&mut self) {
        self.orders.close();
    }

    /// Asks it to end.
    fn ask(&mut self) {
        self.signal(Process::terminate);
    }

    /// Ends it.
    pub(crate) fn kill(&mut self) {
        self.signal(Process::kill);
    }

    fn signal(&mut self, send: fn(&Process) -> Result<(), brigade_sys::Error>) {
        self.is_doomed = true;
        if let Some(process) = &self.process {
            // Refused only if the worker has taken on another user; its queue ends it then.
            let _ = send(process);
        }
        // Arguments that nobody will read are let go now.
        self.orders.shutdown_now();
    }
}

/// How long to wait before the next start.
fn delay(failures: u32) -> Duration {
    match failures.checked_sub(2) {
        None => Duration::ZERO,
        Some(exponent) => (FIRST_DELAY * (1 << exponent.min(10))).min(LAST_DELAY),
    }
}

impl Source for Office {
    fn cancel(&self, task: TaskId) -> bool {
        self.is_own()
            && self.enter(|state| {
                let Some(place) = state.table.place(task) else { return false };
                let worker = match place {
                    Place::Queued => None,
                    Place::Held { worker, .. } => Some(worker),
                };
                let left = worker.map_or_else(Vec::new, |it| state.recall(it, usize::MAX));
                self.step(state, Event::Cancel { task, worker, left }, Detail::Nothing);
                !state.jobs.contains_key(&task)
            })
    }

    fn state(&self, task: TaskId) -> Option<TaskState> {
        let state = self.lock();
        Some(match state.table.place(task)? {
            Place::Queued => TaskState::Queued,
            Place::Held { worker, behind } => {
                let untouched = state.members.get(&worker).map_or(0, |it| it.orders.len());
                if behind < untouched { TaskState::Dispatched } else { TaskState::Running }
            }
        })
    }
}
