//! One round: a child, those beside it, a death, and what is found afterwards.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use brigade_shm::Arena;
use brigade_shm::testing::{Child, Ended, Image};
use brigade_sys::stepping::{Stepped, Stop, can_run_to, is_asleep};

use super::trace::{Instruction, Place, Trace};
use super::{Fate, Watch};
use crate::processes::start;
use crate::shared::{Gate, Waiting, doze};

/// A wait that takes longer was ended by the clock: those who sleep on a lock look for themselves
/// every 200 milliseconds.
pub(super) const LATE: Duration = Duration::from_millis(100);

/// Between two looks at those who wait.
const LOOK: Duration = Duration::from_micros(50);

/// How often in a row a process must be found sleeping, to count as asleep.
const LOOKS: u32 = 8;

/// What is to happen to the child.
pub(super) enum Aim<'a> {
    /// It comes through.
    Through,
    /// It is killed at a place, to which a trap brings it.
    Trap(&'a Trace, Place),
    /// It is killed at a place, to which it is stepped.
    Steps(&'a Trace, Place),
}

/// Where the child was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// At its place.
    There,
    /// After another instruction than the first child: its way was another.
    Elsewhere,
}

/// What came of a round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Played {
    pub(super) fate: Fate,
    pub(super) arrival: Arrival,
    /// How long those beside took until they were through.
    pub(super) waited: Duration,
}

/// Makes a child that runs what it is given.
pub(super) type Birth<'a> = Box<dyn Fn(&dyn Fn()) -> Child + 'a>;

pub(super) struct Round<'a> {
    operation: Box<dyn Fn() + 'a>,
    patience: Duration,
    pub(super) birth: Birth<'a>,
    pub(super) prepare: Box<dyn FnMut() + 'a>,
    pub(super) before: Vec<Box<dyn Fn() + 'a>>,
    pub(super) waiting: Vec<Box<dyn Fn() + 'a>>,
    pub(super) release: Box<dyn Fn() + 'a>,
    pub(super) is_due: Box<dyn Fn() -> bool + 'a>,
    pub(super) help: Option<Box<dyn Fn() + 'a>>,
    pub(super) check: Box<dyn FnMut(Fate) + 'a>,
    pub(super) keeps_memory: bool,
    /// How many bytes objects use between rounds.
    used: Option<usize>,
    /// Opened by one who is about to sleep.
    arrived: Gate,
}

impl<'a> Round<'a> {
    pub(super) fn new(operation: Box<dyn Fn() + 'a>, patience: Duration) -> Self {
        Self {
            operation,
            patience,
            birth: Box::new(|operation| start(operation)),
            prepare: Box::new(|| ()),
            before: Vec::new(),
            waiting: Vec::new(),
            release: Box::new(|| ()),
            is_due: Box::new(|| true),
            help: None,
            check: Box::new(|_| ()),
            keeps_memory: false,
            used: None,
            arrived: Gate::new(),
        }
    }

    /// From now on, the objects must not use more memory after a round than they do now.
    pub(super) fn note_memory(&mut self) {
        if !self.keeps_memory {
            self.used = used().ok();
        }
    }

    /// Plays a round in which the child comes through, and says what it did.
    pub(super) fn record(&mut self, longest: usize, watch: Watch) -> Result<Trace, String> {
        let (mut child, others) = self.begin()?;
        let mut trace = Trace::default();
        let mut image = (watch == Watch::Memory).then(Image::take);
        let end = loop {
            if trace.len() == longest {
                break self.stay_awake(&mut child, Stepped::run)?;
            }
            let address = child.address();
            let is_system_call = can_run_to() && child.is_before_system_call();
            let mut slept = false;
            let mut stop = child.step();
            if stop == Stop::Asleep {
                slept = true;
                stop = self.stay_awake(&mut child, |_| Stop::Asleep)?;
            }
            if stop != Stop::Inside {
                trace.is_complete = true;
                break stop;
            }
            let changed_memory = image.as_mut().is_some_and(Image::has_changed);
            trace.add(Instruction { address, is_system_call, changed_memory, slept });
        };
        self.end(child, end, others)?;
        Ok(trace)
    }

    pub(super) fn play(&mut self, aim: &Aim<'_>) -> Result<Played, String> {
        let (mut child, others) = self.begin()?;
        let (stop, arrival) = match *aim {
            Aim::Through => (self.stay_awake(&mut child, Stepped::run)?, Arrival::There),
            Aim::Trap(trace, place) => {
                let (position, stop) = self.run_to_landmark(&mut child, trace, place)?;
                self.step_to(&mut child, trace, place, position, stop)?
            }
            Aim::Steps(trace, place) => self.step_to(&mut child, trace, place, 0, Stop::Inside)?,
        };
        let (fate, waited) = self.end(child, stop, others)?;
        Ok(Played { fate, arrival, waited })
    }

    /// Starts a child, and has it stop at the start of its operation, with all others asleep.
    fn begin(&mut self) -> Result<(Stepped, Vec<Child>), String> {
        (self.prepare)();
        let mut others = Vec::new();
        for body in &self.before {
            others.push(self.start_asleep(body)?);
        }
        let child = Stepped::at_start((self.birth)(&self.operation));
        for body in &self.waiting {
            others.push(self.start_asleep(body)?);
        }
        Ok((child, others))
    }

    /// Starts a process and waits until it sleeps in `body`.
    fn start_asleep(&self, body: &dyn Fn()) -> Result<Child, String> {
        let arrived = self.arrived;
        arrived.close();
        let child = start(|| {
            arrived.open();
            body();
        });
        let mut waiting = Waiting::begin();
        let mut asleep = 0;
        while asleep < LOOKS {
            let sleeps = arrived.is_open() && is_asleep(child.pid());
            asleep = if sleeps { asleep + 1 } else { 0 };
            if child.has_ended() || waiting.so_far() > self.patience {
                return Err("the process beside the child does not wait".to_owned());
            }
            doze(LOOK);
        }
        Ok(child)
    }

    /// Kills the child, or lets it end if it is through; waits for the others; checks.
    fn end(
        &mut self,
        child: Stepped,
        stop: Stop,
        others: Vec<Child>,
    ) -> Result<(Fate, Duration), String> {
        let fate = match stop {
            Stop::Inside | Stop::Asleep => {
                child.kill();
                Fate::Killed
            }
            Stop::Through => match child.finish() {
                Some(Ended::Code(0)) => Fate::CameThrough,
                other => return Err(format!("the child came through and ended with {other:?}")),
            },
            Stop::Ended(ended) => return Err(format!("the child ended with {ended:?}")),
        };
        (self.release)();
        let waited = self.join(others)?;
        let check = AssertUnwindSafe(|| (self.check)(fate));
        catch_unwind(check).map_err(|panic| message(&*panic))?;
        self.compare_memory()?;
        Ok((fate, waited))
    }

    fn compare_memory(&self) -> Result<(), String> {
        let Some(before) = self.used else { return Ok(()) };
        let now = used()?;
        if now > before {
            return Err(format!("objects use {now} bytes, and used {before} before"));
        }
        Ok(())
    }

    /// Waits until the others have ended well, and says how long that took.
    fn join(&self, others: Vec<Child>) -> Result<Duration, String> {
        let mut waiting = Waiting::begin();
        let mut help = self.help.as_ref();
        let mut asleep = 0;
        while !others.iter().all(Child::has_ended) {
            if waiting.so_far() > self.patience {
                return Err(format!("somebody waits for the dead: {}", whereabouts(&others)));
            }
            let running = |child: &&Child| !child.has_ended();
            let all = others.iter().filter(running).all(|child| is_asleep(child.pid()));
            asleep = if all { asleep + 1 } else { 0 };
            if asleep >= LOOKS
                && !(self.is_due)()
                && let Some(help) = help.take()
            {
                help();
                waiting = Waiting::begin();
            }
            doze(LOOK);
        }
        let waited = waiting.so_far();
        for other in others {
            let ended = other.join();
            if ended != Ended::Code(0) {
                return Err(format!("somebody beside the child ended with {ended:?}"));
            }
        }
        Ok(waited)
    }

    /// Lets the child run to the last landmark before its place.
    fn run_to_landmark(
        &self,
        child: &mut Stepped,
        trace: &Trace,
        place: Place,
    ) -> Result<(usize, Stop), String> {
        let landmark = trace.landmark(place.position).filter(|_| can_run_to());
        let Some((position, address)) = landmark else { return Ok((0, Stop::Inside)) };
        let stop = child.run_to(address);
        if stop != Stop::Asleep {
            return Ok((position, stop));
        }
        Ok((position, self.wait_awake(child, Stepped::wait_to)?))
    }

    /// Steps the child, which is at `position`, to its place.
    fn step_to(
        &self,
        child: &mut Stepped,
        trace: &Trace,
        place: Place,
        position: usize,
        mut stop: Stop,
    ) -> Result<(Stop, Arrival), String> {
        for _ in position..place.position {
            if stop != Stop::Inside {
                break;
            }
            stop = child.step();
            if stop == Stop::Asleep {
                stop = self.wait_awake(child, Stepped::wait)?;
            }
        }
        let is_end = trace.is_complete && place.position == trace.len();
        let expected = trace.address(place.position);
        let there = stop == Stop::Inside && (is_end || expected == Some(child.address()));
        if place.asleep && stop == Stop::Inside {
            stop = child.step();
        }
        let there = there && (!place.asleep || stop == Stop::Asleep);
        Ok((stop, if there { Arrival::There } else { Arrival::Elsewhere }))
    }

    /// Does `run` and sees to it that the child sleeps no longer than it must.
    fn stay_awake(
        &self,
        child: &mut Stepped,
        run: impl FnOnce(&mut Stepped) -> Stop,
    ) -> Result<Stop, String> {
        match run(child) {
            Stop::Asleep => self.wait_awake(child, Stepped::wait),
            other => Ok(other),
        }
    }

    fn wait_awake(
        &self,
        child: &mut Stepped,
        wait: impl Fn(&mut Stepped) -> Stop,
    ) -> Result<Stop, String> {
        (self.release)();
        let mut waiting = Waiting::begin();
        loop {
            match wait(child) {
                Stop::Asleep if waiting.so_far() < self.patience => {}
                Stop::Asleep => return Err("the operation sleeps and nobody wakes it".to_owned()),
                other => return Ok(other),
            }
        }
    }
}

/// How many bytes the objects use that somebody has who lives.
fn used() -> Result<usize, String> {
    let arena = Arena::program().map_err(|error| error.to_string())?;
    arena.bury_the_dead();
    arena.used().map_err(|error| error.to_string())
}

/// What those do who have not ended.
fn whereabouts(others: &[Child]) -> String {
    let running = others.iter().filter(|child| !child.has_ended());
    let about = running.map(|child| {
        let read = |file| std::fs::read_to_string(format!("/proc/{}/{file}", child.pid()));
        let [channel, call] = ["wchan", "syscall"].map(|file| read(file).unwrap_or_default());
        format!("in {} ({})", channel.trim(), call.trim())
    });
    about.collect::<Vec<_>>().join(", ")
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref().copied()).unwrap_or("a panic").to_owned()
}
