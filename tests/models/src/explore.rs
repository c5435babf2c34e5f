//! Runs a model: every order, with nobody killed and with each mortal killed before each step.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};

use crate::arena::program;
use crate::atomic::fence_in_kernel;
use crate::engine::{Engine, STACK};
use crate::kernel::{self, Death};
use crate::stage::Stage;
use crate::world::{self, State};
use crate::{barrier, identity, memory, thread};

/// A model: what is tried, and who may die.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    /// Short, to be named on a command line.
    pub name: &'static str,
    /// What it shows, in a sentence.
    pub about: &'static str,
    /// Those actors that are killed, one at a time, before each of their steps.
    pub mortals: &'static [&'static str],
    /// How often an actor loses its turn, though it could go on.
    pub preemptions: usize,
    /// How long it takes to try every order.
    pub pace: Pace,
    /// Sets the stage of one execution.
    pub build: fn(&mut Stage),
}

/// How long it takes to try every order of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// A second or so.
    Quick,
    /// Up to half a minute.
    Slow,
    /// Longer than anybody waits: some orders are drawn.
    Drawn,
}

/// What an exploration has done.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Explored {
    /// How many executions there were.
    pub executions: u64,
    /// In how many of them somebody was killed.
    pub deaths: u64,
    /// Before how many different steps.
    pub steps: u32,
    /// How often time had to pass.
    pub naps: u64,
}

/// The end of an execution after which the exploration begins anew.
struct Restart;

/// How many operations one execution may have: more are taken for a loop without end.
const MAX_BRANCHES: usize = 20_000;

std::thread_local! {
    static MODEL: Cell<Option<Model>> = const { Cell::new(None) };
}

impl Model {
    /// Tries every order within the bound.
    ///
    /// # Panics
    ///
    /// Panics with what is wrong, if something is.
    pub fn explore(&self) -> Explored {
        MODEL.set(Some(*self));
        world::with(|world| world.begin_exploration(Engine::Loom));
        let mut explored = Explored::default();
        self.explore_with(None, &mut explored);
        for &mortal in self.mortals {
            for step in 1.. {
                if self.explore_with(Some((mortal, step)), &mut explored) == 0 {
                    break;
                }
                explored.steps += 1;
            }
        }
        forget();
        explored
    }

    /// Explores with one death, and says in how many executions it came to it.
    fn explore_with(&self, victim: Option<(&'static str, u32)>, explored: &mut Explored) -> u64 {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(self.preemptions);
        builder.max_branches = MAX_BRANCHES;
        loop {
            world::with(|world| {
                world.victim = victim;
                (world.deaths, world.executions, world.naps) = (0, 0, 0);
            });
            match catch_unwind(AssertUnwindSafe(|| builder.check(execute))) {
                Ok(()) => break,
                // Also a failure says nothing where a shared word was not known to be one.
                Err(_) if world::with(|world| std::mem::take(&mut world.must_restart)) => {}
                Err(payload) => resume_unwind(payload),
            }
        }
        let (deaths, executions, naps) =
            world::with(|world| (world.deaths, world.executions, world.naps));
        explored.deaths += deaths;
        explored.executions += executions;
        explored.naps += naps;
        deaths
    }

    /// Tries `count` orders, half of them drawn evenly and half with few preemptions, and in most
    /// of them kills a mortal before a step that is drawn.
    ///
    /// # Panics
    ///
    /// Panics with what is wrong, if something is.
    pub fn sample(&self, seed: u64, count: usize) -> Explored {
        MODEL.set(Some(*self));
        world::with(|world| world.begin_exploration(Engine::Shuttle));
        world::with(|world| world.draw = Some((seed, self.mortals)));
        run(RandomScheduler::new_from_seed(seed, count / 2));
        run(PctScheduler::new_from_seed(seed, self.preemptions + 1, count / 2));
        forget();
        world::with(|world| Explored {
            executions: world.executions,
            deaths: world.deaths,
            steps: 0,
            naps: world.naps,
        })
    }
}

fn run(scheduler: impl Scheduler + 'static) {
    let mut config = shuttle::Config::new();
    config.stack_size = STACK;
    config.silence_warnings = true;
    shuttle::Runner::new(scheduler, config).run(execute);
}

/// Forgets the last execution. What it kept is dropped now, and drops nothing in the memory.
fn forget() {
    program::reset();
    drop(world::with(|world| world.begin_execution(memory::base())));
}

/// One execution.
fn execute() {
    let model = MODEL.get().expect("a model is being run");
    forget();
    world::with(|world| world.executions += 1);
    memory::reset();
    thread::reset();
    identity::reset();
    barrier::reset();
    let mut stage = Stage::new();
    (model.build)(&mut stage);
    let (engine, count) = world::with(|world| {
        world.register(memory::value_at);
        world.is_running = true;
        world.alive = world.actors.len();
        (world.engine.expect("set by the caller"), world.actors.len())
    });
    let main = engine.sleeper();
    world::with(|world| world.main = Some(main));
    for index in 0..count {
        engine.spawn(move || act(index));
    }
    engine.sleep_until(|| world::with(|world| world.alive == 0));
    engine.fence(Ordering::SeqCst);
    let must_restart = world::with(|world| {
        world.is_running = false;
        world.must_restart
    });
    if must_restart {
        resume_unwind(Box::new(Restart));
    }
    stage.end();
}

fn act(index: usize) {
    let body = world::with(|world| {
        world.current = index;
        world.actors[index].body.take()
    });
    let body = body.expect("each actor acts once");
    let sleeper = world::with(|world| world.engine).expect("set by the caller").sleeper();
    world::with(|world| world.actors[index].sleeper = Some(sleeper));
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(()) => world::with(|world| world.actors[index].state = State::Finished),
        Err(payload) if payload.is::<Death>() => {}
        Err(payload) => resume_unwind(payload),
    }
    // So that what it did is seen at the end.
    fence_in_kernel();
    kernel::pass_time();
    let last = world::with(|world| {
        world.alive -= 1;
        if world.alive == 0 { world.main.take() } else { None }
    });
    if let Some(main) = last {
        Engine::wake(&main);
    }
}
