//! Every order of events, with up to two workers, three tasks and two deaths.

use std::collections::HashSet;

use super::*;

/// A worker as it really is; the table knows only what it was told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Body {
    is_ready: bool,
    is_closed: bool,
    is_ended: bool,
    orders: VecDeque<TaskId>,
    running: Option<TaskId>,
    /// Finished, and on the way to the table.
    reports: VecDeque<TaskId>,
}

/// The table and the world it is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    table: Table,
    bodies: BTreeMap<WorkerId, Body>,
    submitted: u64,
    settled: BTreeMap<TaskId, String>,
    /// How many more workers may die without having been told to.
    deaths: u32,
    is_over: bool,
    /// What the worker that is being buried was running.
    lost: Option<TaskId>,
}

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    Submit,
    BecomeReady(WorkerId),
    Take(WorkerId),
    Finish(WorkerId),
    Hear(WorkerId),
    Die(WorkerId),
    Exit(WorkerId),
    Cancel(TaskId),
    Close,
    CancelAll,
    Terminate,
}

const TASKS: u64 = 3;

impl World {
    fn new(limits: Limits, deaths: u32) -> Self {
        let (table, actions) = Table::new(limits);
        let mut world = Self {
            table,
            bodies: BTreeMap::new(),
            submitted: 0,
            settled: BTreeMap::new(),
            deaths,
            is_over: false,
            lost: None,
        };
        world.perform(actions);
        world
    }

    fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        if self.table.stage == Stage::Open && self.submitted < TASKS {
            moves.push(Move::Submit);
        }
        for (&id, body) in &self.bodies {
            let is_free = body.is_ready && body.running.is_none();
            if !body.is_ready {
                moves.push(Move::BecomeReady(id));
            }
            if is_free && !body.orders.is_empty() {
                moves.push(Move::Take(id));
            }
            if body.running.is_some() {
                moves.push(Move::Finish(id));
            }
            if !body.reports.is_empty() {
                moves.push(Move::Hear(id));
            }
            if body.is_ended || self.deaths > 0 {
                moves.push(Move::Die(id));
            }
            // A worker whose start was still to come is gone when it is retired.
            if body.is_closed && body.running.is_none() && body.orders.is_empty() {
                moves.push(Move::Exit(id));
            }
        }
        let unsettled = (0..self.submitted).filter(|task| !self.settled.contains_key(task));
        moves.extend(unsettled.map(Move::Cancel));
        if self.table.stage == Stage::Open {
            moves.push(Move::Close);
        }
        moves.extend([Move::CancelAll, Move::Terminate]);
        moves
    }

    fn apply(&mut self, next: Move) {
        match next {
            Move::Submit => {
                self.submitted += 1;
                self.tell(Event::Submitted(self.submitted - 1));
            }
            Move::BecomeReady(id) => {
                self.body(id).is_ready = true;
                self.tell(Event::Ready(id));
            }
            Move::Take(id) => {
                let body = self.body(id);
                body.running = body.orders.pop_front();
            }
            Move::Finish(id) => {
                let body = self.body(id);
                body.reports.extend(body.running.take());
            }
            Move::Hear(id) => self.hear(id),
            Move::Die(id) | Move::Exit(id) => self.exit(id, next == Move::Exit(id)),
            Move::Cancel(task) => {
                let worker = match self.table.place(task) {
                    Some(Place::Held { worker, .. }) => Some(worker),
                    _ => None,
                };
                let left = worker.map_or_else(Vec::new, |id| self.recall(id, usize::MAX));
                self.tell(Event::Cancel { task, worker, left });
            }
            Move::Close => self.tell(Event::Close),
            Move::CancelAll => {
                let workers: Vec<_> = self.bodies.keys().copied().collect();
                let left = workers.into_iter().map(|id| (id, self.recall(id, usize::MAX)));
                let left = left.collect();
                self.tell(Event::CancelAll { left });
            }
            Move::Terminate => self.tell(Event::Terminate),
        }
    }

    fn hear(&mut self, worker: WorkerId) {
        if let Some(task) = self.body(worker).reports.pop_front() {
            self.tell(Event::Done { worker, task });
        }
    }

    /// The worker is gone: what it has reported is heard first.
    fn exit(&mut self, worker: WorkerId, is_willing: bool) {
        while !self.body(worker).reports.is_empty() {
            self.hear(worker);
        }
        let body = self.bodies.remove(&worker).expect("it moved");
        if !is_willing && !body.is_ended {
            self.deaths -= 1;
        }
        let left = body.orders.into();
        self.lost = body.running;
        self.tell(Event::Exited { worker, left });
        self.lost = None;
    }

    fn tell(&mut self, event: Event) {
        let actions = self.table.step(event);
        self.perform(actions);
        self.check();
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            assert!(!self.is_over, "{action:?} after the end");
            match action {
                Action::Start { worker, .. } => {
                    assert!(
                        self.bodies.insert(worker, Body::default()).is_none(),
                        "one number twice"
                    );
                    assert!(self.bodies.len() <= self.table.limits.workers, "too many workers");
                }
                Action::Dispatch { task, worker } => {
                    assert!(!self.settled.contains_key(&task), "task {task} runs after its end");
                    assert!(!self.is_anywhere(task), "task {task} is with two workers");
                    let window = self.table.limits.window;
                    let body = self.body(worker);
                    assert!(body.is_ready && !body.is_closed && !body.is_ended);
                    body.orders.push_back(task);
                    assert!(body.orders.len() <= window);
                }
                Action::TakeBack { worker, count } => {
                    let tasks = self.recall(worker, count);
                    let actions = self.table.step(Event::TakenBack { worker, tasks });
                    self.perform(actions);
                }
                Action::Settle { task, verdict } => {
                    assert!(task < self.submitted);
                    match verdict {
                        Verdict::Lost => assert_eq!(self.lost, Some(task), "it was not running"),
                        Verdict::Cancelled => assert!(!self.is_anywhere(task), "it has begun"),
                        _ => {}
                    }
                    let verdict = format!("{verdict:?}");
                    let before = self.settled.insert(task, verdict);
                    assert_eq!(before, None, "task {task} ends twice");
                }
                Action::Retire(worker) => self.body(worker).is_closed = true,
                Action::End(worker) => self.body(worker).is_ended = true,
                Action::Over => {
                    assert!(self.bodies.is_empty(), "workers outlive the pool");
                    assert_eq!(self.settled.len() as u64, self.submitted, "a task never ends");
                    self.is_over = true;
                }
            }
        }
    }

    /// Each task is in exactly one place, and the table knows which.
    fn check(&self) {
        for task in 0..self.submitted {
            let place = self.table.place(task);
            if self.settled.contains_key(&task) {
                assert_eq!(place, None, "task {task} has ended");
                continue;
            }
            let holder = self.bodies.iter().find(|(_, body)| body.has(task));
            match (place, holder) {
                (Some(Place::Queued), None) => {}
                (Some(Place::Held { worker, behind }), Some((&id, body))) => {
                    assert_eq!(worker, id);
                    let is_untouched = behind < body.orders.len();
                    assert_eq!(
                        is_untouched,
                        body.orders.contains(&task),
                        "task {task} of {self:?}"
                    );
                }
                other => panic!("task {task}: {other:?} in {self:?}"),
            }
        }
        assert_eq!(self.is_over, self.table.stage == Stage::Over);
    }

    fn is_anywhere(&self, task: TaskId) -> bool {
        self.bodies.values().any(|body| body.has(task))
    }

    fn body(&mut self, worker: WorkerId) -> &mut Body {
        self.bodies.get_mut(&worker).expect("an action is about a worker that exists")
    }

    fn recall(&mut self, worker: WorkerId, count: usize) -> Vec<TaskId> {
        let orders = &mut self.body(worker).orders;
        let count = count.min(orders.len());
        orders.drain(..count).collect()
    }

    /// Closes the pool and lets everything go well from here.
    fn go_well(mut self) {
        self.deaths = 0;
        self.tell(Event::Close);
        let is_progress = |next: &Move| {
            !matches!(next, Move::Submit | Move::Cancel(_) | Move::CancelAll | Move::Terminate)
        };
        while !self.is_over {
            let next = self.moves().into_iter().find(is_progress);
            let next = next.unwrap_or_else(|| panic!("stuck: {self:?}"));
            self.apply(next);
        }
    }
}

impl Body {
    fn has(&self, task: TaskId) -> bool {
        self.running == Some(task) || self.orders.contains(&task) || self.reports.contains(&task)
    }
}

/// Walks through all states that can be reached, and from each to a good end. Returns how many
/// there are, and which verdicts there were.
fn walk(limits: Limits, deaths: u32) -> (usize, BTreeSet<String>) {
    let first = World::new(limits, deaths);
    let mut seen = HashSet::from([first.clone()]);
    let mut open = vec![first];
    let mut verdicts = BTreeSet::new();
    while let Some(world) = open.pop() {
        if world.is_over {
            verdicts.extend(world.settled.into_values());
            continue;
        }
        for next in world.moves() {
            let mut world = world.clone();
            world.apply(next);
            if seen.insert(world.clone()) {
                open.push(world);
            }
        }
        world.go_well();
    }
    (seen.len(), verdicts)
}

fn limits() -> Limits {
    Limits { workers: 2, window: 2, tasks_per_worker: None, retries: 0, failed_starts: 2 }
}

#[test]
fn each_task_ends_once_whatever_happens() {
    let (states, verdicts) = walk(limits(), 1);
    assert!(states > 10_000, "{states} states");
    assert_eq!(verdicts, ["Cancelled", "Lost", "Reported", "Terminated"].map(str::to_owned).into());
}

#[test]
fn each_task_ends_once_when_workers_are_replaced_and_tasks_retried() {
    let limits = Limits { tasks_per_worker: Some(2), retries: 1, workers: 1, ..limits() };
    let (states, verdicts) = walk(limits, 2);
    assert!(states > 1_000, "{states} states");
    let all = ["Broken", "Cancelled", "Lost", "Reported", "Terminated"];
    assert_eq!(verdicts, all.map(str::to_owned).into());
}

#[test]
fn each_task_ends_once_when_a_start_may_not_fail() {
    let limits = Limits { failed_starts: 1, workers: 1, window: 3, ..limits() };
    let (_, verdicts) = walk(limits, 1);
    assert!(verdicts.contains("Broken"), "{verdicts:?}");
}

#[test]
fn tasks_are_dispatched_in_order_to_whoever_holds_the_fewest() {
    let (mut table, _) = Table::new(limits());
    for worker in [0, 1] {
        assert_eq!(table.step(Event::Ready(worker)), []);
    }
    for (task, worker) in [(0, 0), (1, 1), (2, 0), (3, 1)] {
        assert_eq!(table.step(Event::Submitted(task)), [Action::Dispatch { task, worker }]);
    }
    assert_eq!(table.step(Event::Submitted(4)), []);
    assert_eq!(table.place(4), Some(Place::Queued));
}

#[test]
fn an_idle_worker_gets_what_waits_behind_another_s_task() {
    let (mut table, _) = Table::new(limits());
    table.step(Event::Ready(0));
    for task in [0, 1] {
        table.step(Event::Submitted(task));
    }
    // Worker 1 comes late; worker 0 runs task 0 and has task 1 before it.
    assert_eq!(table.step(Event::Ready(1)), [Action::TakeBack { worker: 0, count: 1 }]);
    let given = table.step(Event::TakenBack { worker: 0, tasks: vec![1] });
    assert_eq!(given, [Action::Dispatch { task: 1, worker: 1 }]);
    assert_eq!(table.step(Event::TakenBack { worker: 0, tasks: vec![] }), []);
}

#[test]
fn starts_that_come_to_nothing_are_delayed_and_end() {
    let limits = Limits { workers: 1, failed_starts: 3, ..limits() };
    let (mut table, _) = Table::new(limits);
    table.step(Event::Submitted(0));
    for worker in 0..2 {
        let actions = table.step(Event::Exited { worker, left: vec![] });
        let failures = u32::try_from(worker).unwrap_or(0) + 1;
        assert_eq!(actions, [Action::Start { worker: worker + 1, failures }]);
    }
    let broken = Action::Settle { task: 0, verdict: Verdict::Broken };
    assert_eq!(table.step(Event::Exited { worker: 2, left: vec![] }), [broken, Action::Over]);
}

#[test]
fn workers_that_die_idle_are_replaced_later_and_later_but_always() {
    let (mut table, _) = Table::new(Limits { workers: 1, ..limits() });
    for worker in 0..20 {
        table.step(Event::Ready(worker));
        let actions = table.step(Event::Exited { worker, left: vec![] });
        let failures = u32::try_from(worker).unwrap_or(0) + 1;
        assert_eq!(actions, [Action::Start { worker: worker + 1, failures }]);
    }
}

#[test]
fn late_events_change_nothing() {
    let (mut table, _) = Table::new(limits());
    table.step(Event::Ready(0));
    table.step(Event::Submitted(0));
    table.step(Event::Done { worker: 0, task: 0 });
    let before = table.clone();
    for event in [
        Event::Ready(9),
        Event::Done { worker: 0, task: 0 },
        Event::Done { worker: 9, task: 0 },
        Event::Exited { worker: 9, left: vec![0] },
        Event::TakenBack { worker: 0, tasks: vec![0] },
        Event::Undeliverable { worker: 0, task: 0 },
        Event::Cancel { task: 0, worker: None, left: vec![] },
    ] {
        assert_eq!(table.step(event.clone()), [], "{event:?}");
        assert_eq!(table, before, "{event:?}");
    }
}
