//! The kernel as the code under test sees it: futexes, and what it does for a thread that dies.
//!
//! The queue of a word and the look at its value are one step, as they are under the lock of the
//! kernel's hash bucket; each call is a full fence, as it is there. See `kernel/futex/core.c`
//! (`exit_robust_list`, `handle_futex_death`) and `kernel/futex/waitwake.c` in Linux.
//!
//! A death takes longer than a store stays in its processor's buffer: between what a thread has done
//! last and the look at its list, every processor has come by a fence.

use std::panic::resume_unwind;
use std::time::Duration;

use crate::atomic::{AtomicU32, fence_in_kernel};
use crate::barrier;
use crate::engine::Engine;
use crate::futex::{OWNER_DIED, TID_MASK, WAITERS, Wait};
use crate::identity;
use crate::mutant::{Kind, Site};
use crate::thread::{ROBUST_OFFSET, Thread, untagged};
use crate::time::Deadline;
use crate::world::{self, Clock, State};

/// With what an actor leaves its body that does not come to its end.
pub(crate) struct Death;

/// How many links the kernel follows.
const ROBUST_LIST_LIMIT: usize = 2048;

/// Sleeps on words until one of them is woken, unless one is no longer what it is expected to be.
pub(crate) fn wait(words: &[(&AtomicU32, u32)], deadline: Deadline, place: Site) -> Wait {
    world::step();
    if world::is_over() {
        return Wait::Awake;
    }
    assert!(world::with(|world| world.is_running), "a sleep where nobody else acts");
    let me = world::with(|world| world.current);
    world::with(|world| world.actors[me].roused = None);
    for &(word, expected) in words {
        let value = look_under_lock(word);
        if value != expected {
            // The kernel takes the thread off the queues it is on. If it was woken there, the
            // wake-up is used up.
            leave_queues(me);
            world::note(Kind::Sleep, place, word.address(), u64::from(value));
            return Wait::Awake;
        }
        if world::with(|world| world.actors[me].roused.is_none()) {
            world::with(|world| world.queues.push((word.address(), me)));
        }
    }
    world::note(Kind::Sleep, place, words.first().map_or(0, |(word, _)| word.address()), 1 << 32);
    if world::dies_next() {
        // Killed in its sleep: others act meanwhile, and may wake it before.
        words.iter().for_each(|(word, _)| _ = word.inspect());
        leave_queues(me);
    }
    world::step();
    let how = fall_asleep(me, words, deadline);
    // Killed after it was woken.
    world::step();
    how
}

/// The value, which no wake-up can overtake: both are done under the lock of the word's queue.
fn look_under_lock(word: &AtomicU32) -> u32 {
    loop {
        let wakes = world::with(|world| world.wakes);
        fence_in_kernel();
        let value = word.look_in_kernel();
        if world::with(|world| world.wakes) == wakes {
            return value;
        }
    }
}

fn fall_asleep(me: usize, words: &[(&AtomicU32, u32)], deadline: Deadline) -> Wait {
    let engine = world::with(|world| world.engine).expect("actors are run by an engine");
    if let Some(how) = world::with(|world| world.actors[me].roused) {
        return how;
    }
    if let Some(moment) = hasty(deadline) {
        // The others have their turn, and may wake it before.
        words.iter().for_each(|(word, _)| _ = word.inspect());
        leave_queues(me);
        world::with(|world| world.time = world.time.max(moment));
        return world::with(|world| world.actors[me].roused).unwrap_or(Wait::TimedOut);
    }
    world::with(|world| {
        world.actors[me].has_slept_through_death = false;
        world.actors[me].state = State::Asleep(deadline.moment());
    });
    pass_time();
    let state = || world::with(|world| world.actors[me].state);
    engine.sleep_until(|| !matches!(state(), State::Asleep(_)));
    if state() == State::Dismissed {
        resume_unwind(Box::new(Death));
    }
    world::with(|world| world.actors[me].roused).unwrap_or(Wait::Awake)
}

/// The moment of a deadline that passes at once.
fn hasty(deadline: Deadline) -> Option<Duration> {
    let moment = deadline.moment()?;
    let (clock, time) = world::with(|world| (world.clock, world.time));
    matches!(clock, Clock::Hasty(most) if moment.saturating_sub(time) <= most).then_some(moment)
}

fn leave_queues(actor: usize) {
    world::with(|world| world.queues.retain(|&(_, sleeper)| sleeper != actor));
}

/// Wakes at most `count` sleepers of `word`, those first who slept first.
pub(crate) fn wake(word: &AtomicU32, count: usize, place: Site) -> usize {
    if world::is_over() {
        return 0;
    }
    fence_in_kernel();
    word.inspect();
    let address = word.address();
    let woken: Vec<usize> = world::with(|world| {
        world.wakes += 1;
        let sleepers = world.queues.iter().filter(|&&(at, _)| at == address);
        sleepers.map(|&(_, actor)| actor).take(count).collect()
    });
    for &actor in &woken {
        rouse(actor, Wait::Awake);
    }
    world::note(Kind::Wake, place, address, woken.len() as u64);
    woken.len()
}

fn rouse(actor: usize, how: Wait) {
    leave_queues(actor);
    let sleeper = world::with(|world| {
        let actor = &mut world.actors[actor];
        actor.roused = Some(how);
        if matches!(actor.state, State::Asleep(_)) {
            actor.state = State::Acting;
        }
        actor.sleeper.clone()
    });
    if let Some(sleeper) = sleeper {
        Engine::wake(&sleeper);
    }
}

/// When nobody can act, those who sleep may do so for good; or else the next deadline passes.
pub(crate) fn pass_time() {
    let (is_quiet, sleepers) = world::with(|world| (world.is_quiet(), world.sleepers()));
    if !is_quiet || sleepers.is_empty() {
        return;
    }
    let rest = world::with(|world| world.rest.clone());
    if rest.is_some_and(|rest| world::alone(|| rest())) {
        for (actor, _) in sleepers {
            world::with(|world| world.actors[actor].state = State::Dismissed);
            rouse(actor, Wait::Awake);
        }
        return;
    }
    let next = sleepers.iter().filter_map(|&(_, deadline)| deadline).min();
    let (time, clock) = world::with(|world| (world.time, world.clock));
    let next = next.filter(|next| {
        let (Clock::Naps(longest) | Clock::LateNaps(longest)) = clock else { return false };
        next.saturating_sub(time) <= longest
    });
    let next = next.expect("everyone who lives sleeps, and nobody will wake them");
    let is_over = |deadline: Option<Duration>| deadline.is_some_and(|deadline| deadline <= next);
    let over = sleepers.iter().filter(|&&(_, deadline)| is_over(deadline));
    let over: Vec<usize> = over.map(|&(actor, _)| actor).collect();
    let are_early =
        world::with(|world| over.iter().all(|&actor| world.actors[actor].has_slept_through_death));
    let is_wrong = are_early && matches!(clock, Clock::LateNaps(_));
    assert!(!is_wrong, "who slept when somebody died is woken by the clock only");
    world::with(|world| {
        world.time = time.max(next);
        world.naps += 1;
    });
    for actor in over {
        rouse(actor, Wait::TimedOut);
    }
}

/// The moment, as the model's clock has it.
pub(crate) fn now() -> Duration {
    world::with(|world| world.time)
}

/// Kills the acting thread, and its process with it.
pub(crate) fn die() -> ! {
    let me = world::with(|world| {
        world.deaths += 1;
        for actor in &mut world.actors {
            actor.has_slept_through_death |= matches!(actor.state, State::Asleep(_));
        }
        world.actors[world.current].is_dying = true;
        world.current
    });
    leave_queues(me);
    world::note(Kind::Death, world::place(), 0, 0);
    barrier::everywhere();
    exit_robust_list(Thread::current());
    identity::end(me);
    world::with(|world| world.actors[me].state = State::Dead);
    resume_unwind(Box::new(Death));
}

/// What the kernel does with the robust list of a thread that ends.
fn exit_robust_list(thread: Thread) {
    let head = thread.list();
    let pending = thread.pending();
    let mut entry = untagged(thread.read_in_kernel(head));
    for _ in 0..ROBUST_LIST_LIMIT {
        if entry == head {
            break;
        }
        // The next one is read first: whoever gets the lock may change it.
        let next = untagged(thread.read_in_kernel(entry));
        if entry != untagged(pending) {
            handle_futex_death(thread, word_of(entry), Held::Listed);
        }
        entry = next;
    }
    if !pending.is_null() {
        handle_futex_death(thread, word_of(untagged(pending)), Held::Pending);
    }
}

fn word_of(link: *mut crate::thread::Link) -> usize {
    link.addr().wrapping_sub(ROBUST_OFFSET)
}

#[derive(PartialEq, Eq)]
enum Held {
    Listed,
    Pending,
}

fn handle_futex_death(thread: Thread, address: usize, held: Held) {
    let Some(word) = crate::memory::word_at(address) else { return };
    let mut value = word.inspect();
    loop {
        let owner = value & TID_MASK;
        if held == Held::Pending && owner == 0 {
            wake(word, 1, world::place());
            return;
        }
        if owner != thread.tid {
            return;
        }
        let dead = (value & WAITERS) | OWNER_DIED;
        match word.exchange_in_kernel(value, dead) {
            Ok(_) => break,
            Err(actual) => value = actual,
        }
    }
    if value & WAITERS != 0 {
        wake(word, 1, world::place());
    }
}
