//! The state of one execution of a model: who acts, what lies where, who sleeps, who dies when.
//!
//! Every operation of the code under test that others can notice comes through [`begin`]. It counts
//! the operation, lets the actor die there if it is its turn, leaves the operation out if that is
//! the mutant being tried, and says how to perform it.
//!
//! A word that one actor alone uses, or that nobody writes, is no place where the order of actors
//! matters. Which words are shared is found out by running: an execution that finds another one
//! starts the exploration anew.

use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::Location;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::engine::{Engine, Shape, Sleeper, Word};
use crate::futex::Wait;
use crate::kernel;
use crate::mutant::{Fault, Kind, Mutant, Site};
use crate::uses::Uses;

/// The number of the actor that sets the stage and looks at the end.
pub(crate) const MAIN: usize = 7;

/// How a finite deadline passes. See [`crate::stage::Stage::clock`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// Never: a wake-up that is lost is not made up for by a nap.
    #[default]
    Stopped,
    /// When nobody can act, and the next deadline is at most this far.
    Naps(Duration),
    /// As `Naps`, but only for who was not asleep yet when somebody died: of those who slept, the
    /// kernel must have woken one, and each the next.
    LateNaps(Duration),
    /// Soon after its sleeper has fallen asleep, if it is at most this far: before or after somebody
    /// else wakes it.
    Hasty(Duration),
}

/// Thread-local values, by the address of their key.
pub(crate) type Locals = HashMap<usize, Rc<dyn Any>>;

/// One actor: a process with a single thread.
#[derive(Default)]
pub(crate) struct Actor {
    pub(crate) name: &'static str,
    pub(crate) body: Option<Box<dyn FnOnce()>>,
    pub(crate) sleeper: Option<Sleeper>,
    pub(crate) state: State,
    /// What it still does, the kernel does for it.
    pub(crate) is_dying: bool,
    /// Why it left the queues of the words that it went to sleep on.
    pub(crate) roused: Option<Wait>,
    /// Whether somebody died while it slept where it sleeps now.
    pub(crate) has_slept_through_death: bool,
    /// What the library keeps for the thread, by the address of the key.
    pub(crate) locals: Locals,
    /// How many operations it has done that others can notice.
    pub(crate) steps: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    #[default]
    Acting,
    /// Until somebody wakes it, or until the moment.
    Asleep(Option<Duration>),
    /// Never to be woken, and rightly so: its body ends here.
    Dismissed,
    Finished,
    Dead,
}

/// What happened, for the report of a failure.
struct Event {
    actor: usize,
    what: Kind,
    place: Site,
    address: usize,
    value: u64,
}

#[derive(Default)]
pub(crate) struct World {
    pub(crate) engine: Option<Engine>,
    /// Whether the actors act: before and after, every operation is a plain one.
    pub(crate) is_running: bool,
    pub(crate) current: usize,
    pub(crate) actors: Vec<Actor>,
    /// How many actors have not come to their end.
    pub(crate) alive: usize,
    pub(crate) main: Option<Sleeper>,
    /// Whether those who sleep when nobody acts any more may do so.
    pub(crate) rest: Option<Rc<dyn Fn() -> bool>>,
    /// What actors use, so that none of them drops it.
    pub(crate) keep: Vec<Rc<dyn Any>>,
    /// From what victims are drawn, and their names.
    pub(crate) draw: Option<(u64, &'static [&'static str])>,
    /// Who dies, and before which of its operations.
    pub(crate) victim: Option<(&'static str, u32)>,
    pub(crate) deaths: u64,
    pub(crate) executions: u64,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) is_recording: bool,
    /// Where something was done, and whether it had an ordering that could be weaker.
    pub(crate) sites: BTreeMap<(Site, Kind), bool>,
    pub(crate) time: Duration,
    pub(crate) clock: Clock,
    /// How often somebody went on only because time had passed.
    pub(crate) naps: u64,
    /// The addresses of words, and which actors sleep there, the longest first.
    pub(crate) queues: Vec<(usize, usize)>,
    /// How many calls have woken sleepers, or looked for some.
    pub(crate) wakes: u64,
    /// Whether a word turned out to be shared that was not known to be.
    pub(crate) must_restart: bool,
    /// Where everyone is woken: with one only, it would be another program.
    pub(crate) wakes_all: BTreeSet<Site>,
    /// The addresses of words whose last change read and wrote in one step.
    pub(crate) exchanged: BTreeSet<usize>,
    uses: Uses,
    words: HashMap<(usize, Shape), Rc<Word>>,
    main_locals: Locals,
    events: Vec<Event>,
    base: usize,
}

std::thread_local! {
    static WORLD: RefCell<World> = RefCell::new(World { current: MAIN, ..World::default() });
}

pub(crate) fn with<R>(act: impl FnOnce(&mut World) -> R) -> R {
    WORLD.with_borrow_mut(act)
}

/// As [`with`], if the state is not in use.
pub(crate) fn try_with<R>(act: impl FnOnce(&mut World) -> R) -> Option<R> {
    WORLD.try_with(|world| world.try_borrow_mut().ok().map(|mut world| act(&mut world))).ok()?
}

/// Runs `act`, in which others may act, and is the same actor afterwards.
pub(crate) fn as_same_actor<R>(act: impl FnOnce() -> R) -> R {
    let current = with(|world| world.current);
    let result = act();
    with(|world| world.current = current);
    result
}

/// Runs `act` as if nobody else acted.
pub(crate) fn alone<R>(act: impl FnOnce() -> R) -> R {
    let was_running = with(|world| std::mem::take(&mut world.is_running));
    let result = act();
    with(|world| world.is_running = was_running);
    result
}

/// Whether the calling actor is dead, or the model has failed: then nothing has an effect.
pub(crate) fn is_over() -> bool {
    std::thread::panicking()
}

/// How an operation is to be performed.
pub(crate) enum Turn {
    /// On the memory, with nobody else acting.
    Alone,
    /// Not at all.
    LeftOut,
    /// By loom, with this ordering.
    Modelled(Rc<Word>, Ordering),
    /// On the memory, after letting others act.
    Drawn,
}

/// Says that the acting thread is about to do something that others can notice.
pub(crate) fn begin(address: usize, shape: Shape, fault: Fault, place: Site) -> Turn {
    if is_over() {
        return Turn::LeftOut;
    }
    let turn = with(|world| {
        if !world.is_running {
            return Some(Turn::Alone);
        }
        if fault.kind.is_effect() && world.count_step() {
            return None;
        }
        let (is_left_out, order) = world.mutate(fault, place);
        if is_left_out {
            return Some(Turn::LeftOut);
        }
        Some(world.turn(address, shape, fault.kind.is_change(), order))
    });
    turn.unwrap_or_else(|| kernel::die())
}

/// As [`begin`], for what the kernel does: it is no mutant and no step.
pub(crate) fn begin_in_kernel(address: usize, shape: Shape) -> Turn {
    if is_over() {
        return Turn::LeftOut;
    }
    with(|world| {
        if !world.is_running {
            return Turn::Alone;
        }
        world.turn(address, shape, true, Ordering::AcqRel)
    })
}

/// As [`begin`], for what belongs to a step that was counted.
pub(crate) fn begin_with_last(address: usize, shape: Shape, kind: Kind) -> Turn {
    if is_over() {
        return Turn::LeftOut;
    }
    with(|world| {
        if !world.is_running {
            return Turn::Alone;
        }
        world.turn(address, shape, kind != Kind::Read, Ordering::Relaxed)
    })
}

/// Counts a step of the acting thread; does not return if it is to die before it.
pub(crate) fn step() {
    if !is_over() && with(World::count_step) {
        kernel::die();
    }
}

/// Whether the acting thread dies at its next step. Counts nothing.
pub(crate) fn dies_next() -> bool {
    with(|world| {
        let actor = world.actors.get(world.current).filter(|_| world.is_running);
        actor.is_some_and(|actor| world.victim == Some((actor.name, actor.steps + 1)))
    })
}

/// Notes what was done.
pub(crate) fn note(what: Kind, place: Site, address: usize, value: u64) {
    if is_over() {
        return;
    }
    with(|world| {
        if world.is_running {
            let actor = world.current;
            world.events.push(Event { actor, what, place, address, value });
        }
    });
}

impl World {
    /// Counts a step of the acting thread, and says whether it is to die before it.
    fn count_step(&mut self) -> bool {
        let Some(actor) = self.actors.get_mut(self.current).filter(|_| self.is_running) else {
            return false;
        };
        actor.steps += 1;
        self.victim == Some((actor.name, actor.steps)) && !actor.is_dying
    }

    /// Notes the place, and says whether the operation is left out and what its ordering is.
    fn mutate(&mut self, fault: Fault, place: Site) -> (bool, Ordering) {
        let order = fault.order.unwrap_or(Ordering::Relaxed);
        if self.is_recording {
            self.sites.entry((place, fault.kind)).or_insert(order != Ordering::Relaxed);
        }
        match self.mutant {
            Some(Mutant::Omit(site)) if site == place && fault.kind.can_be_left_out() => {
                (true, order)
            }
            Some(Mutant::Relax(site)) if site == place => {
                (fault.kind == Kind::Fence, Ordering::Relaxed)
            }
            _ => (false, order),
        }
    }

    fn turn(&mut self, address: usize, shape: Shape, writes: bool, order: Ordering) -> Turn {
        if !self.uses.note(address, shape, self.current, writes) {
            return Turn::Alone;
        }
        match self.engine {
            Some(Engine::Loom) => match self.words.get(&(address, shape)) {
                Some(word) => Turn::Modelled(Rc::clone(word), order),
                None => {
                    self.must_restart = true;
                    Turn::Alone
                }
            },
            Some(Engine::Shuttle) => Turn::Drawn,
            None => Turn::Alone,
        }
    }

    /// Gives loom the words that are shared, with the values that lie in memory.
    pub(crate) fn register(&mut self, read: impl Fn(usize, Shape) -> u64) {
        if self.engine == Some(Engine::Loom) {
            for (address, shape) in self.uses.shared() {
                self.words.insert((address, shape), Word::new(shape, read(address, shape)));
            }
        }
    }

    /// The acting thread's own values.
    pub(crate) fn locals(&mut self) -> &mut Locals {
        match self.actors.get_mut(self.current) {
            Some(actor) => &mut actor.locals,
            None => &mut self.main_locals,
        }
    }

    /// The atomics that loom keeps among `length` bytes from `address` on.
    pub(crate) fn words_in(&self, address: usize, length: usize) -> Vec<(usize, Rc<Word>)> {
        let inside = |it: &usize| (address..address + length).contains(it);
        let words = self.words.iter().filter(|((at, _), _)| inside(at));
        let mut words: Vec<_> = words.map(|((at, _), word)| (*at, Rc::clone(word))).collect();
        words.sort_by_key(|(at, _)| *at);
        words
    }

    /// Forgets the last execution, but not which words are shared. What the actors had is to be
    /// dropped by the caller, when nobody uses the world.
    #[must_use]
    pub(crate) fn begin_execution(&mut self, base: usize) -> impl Sized + use<> {
        let past = (
            std::mem::take(&mut self.actors),
            std::mem::take(&mut self.main_locals),
            self.rest.take(),
            std::mem::take(&mut self.keep),
        );
        self.is_running = false;
        self.current = MAIN;
        self.words.clear();
        self.events.clear();
        self.queues.clear();
        self.exchanged.clear();
        self.time = Duration::ZERO;
        self.clock = Clock::Stopped;
        self.base = base;
        if let Some((seed, mortals)) = self.draw {
            self.victim = draw_victim(seed.wrapping_add(self.executions), mortals);
        }
        past
    }

    /// Forgets what was found out about the words.
    pub(crate) fn begin_exploration(&mut self, engine: Engine) {
        self.engine = Some(engine);
        self.victim = None;
        self.draw = None;
        self.uses = Uses::new();
        (self.deaths, self.executions, self.naps) = (0, 0, 0);
    }

    /// Whether nobody acts any more.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.actors.iter().any(|actor| actor.state == State::Acting)
    }

    /// Who sleeps, and until when.
    pub(crate) fn sleepers(&self) -> Vec<(usize, Option<Duration>)> {
        let asleep = |(number, actor): (usize, &Actor)| match actor.state {
            State::Asleep(deadline) => Some((number, deadline)),
            _ => None,
        };
        self.actors.iter().enumerate().filter_map(asleep).collect()
    }

    pub(crate) fn history(&self) -> String {
        let name = |actor: usize| self.actors.get(actor).map_or("main", |actor| actor.name);
        let line = |event: &Event| {
            let Event { place, what, value, .. } = event;
            let at = event.address.wrapping_sub(self.base);
            let at = if at < 1 << 24 { format!("{at:#x}") } else { String::new() };
            format!("  {:12} {place} {what:?} {at} = {value:#x}\n", name(event.actor))
        };
        let mut text: String = self.events.iter().map(line).collect();
        for actor in &self.actors {
            text += &format!("  {}: {:?} after {} steps\n", actor.name, actor.state, actor.steps);
        }
        text
    }
}

/// The longest life that is drawn: longer than most actors live.
const LONGEST: u64 = 80;

/// Who dies and when; nobody in one of four executions.
fn draw_victim(number: u64, mortals: &'static [&'static str]) -> Option<(&'static str, u32)> {
    // The finalizer of splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
    let mut bits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    if mortals.is_empty() || bits.is_multiple_of(4) {
        return None;
    }
    // Each remainder is less than a number that fits.
    let mortal = mortals[((bits >> 8) % mortals.len() as u64) as usize];
    Some((mortal, 1 + ((bits >> 32) % LONGEST) as u32))
}

/// Where the code under test calls from.
#[track_caller]
pub(crate) fn place() -> Site {
    Site::of(Location::caller())
}
