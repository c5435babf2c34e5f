//! For tests of what a death leaves: children that hold their parent's objects, and die on cue.
//!
//! Exists only with the feature `kill-points`.

use std::mem::offset_of;
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use brigade_sys::kill_point::arm;
use brigade_sys::test_processes::die;
pub use brigade_sys::test_processes::{Child, Ended};

use crate::arena::layout::{Census, Entry, Header, Heap};
use crate::arena::{Arena, fork_begin, heap};

/// The signal that a death on cue looks like.
const SIGKILL: i32 = 9;

/// Lets one test of a program run at a time: a child that is forked while another test uses the
/// allocator's or the arena's locks would wait for a thread that it does not have.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `body` in a forked child that holds all objects of this process.
///
/// # Panics
///
/// Panics when the system gives no process.
pub fn start(body: impl FnOnce()) -> Child {
    let mut fork = Some(fork_begin().expect("there is room for a child"));
    let child = Child::run(|| {
        let taken = fork.take().map(|fork| fork.in_child());
        assert!(matches!(taken, Some(Ok(()))), "the child could not take its place");
        body();
    });
    if let Some(fork) = fork.take() {
        fork.in_parent(child.pid());
    }
    child
}

/// Runs `body` in a forked child and waits for its end.
pub fn run(body: impl FnOnce()) -> Ended {
    start(body).join()
}

/// Runs `operation` in a child that dies at the first labelled step, in one that dies at the
/// second, and so on until a child comes through. `check` runs after each of them, with whether
/// the child came through. Returns how many died.
///
/// # Panics
///
/// Panics when a child ends in another way than by its cue or by itself.
pub fn at_every_step(operation: impl Fn(), mut check: impl FnMut(bool)) -> u32 {
    for step in 1.. {
        let ended = run(|| {
            arm(step);
            operation();
            arm(0);
        });
        match ended {
            Ended::Signal(SIGKILL) => check(false),
            Ended::Code(0) => {
                check(true);
                return step - 1;
            }
            other => panic!("the child that was to die at step {step} ended with {other:?}"),
        }
    }
    unreachable!("an operation has an end")
}

/// Where the program's arena can be overwritten without a lock's being held by nobody for ever.
///
/// A word that names a living thread looks like a lock that is held, and whoever needs it waits.
/// No check can tell the two apart, so tests of what overwritten memory does leave those words out.
///
/// # Panics
///
/// Panics when there is no arena.
pub fn overwritable() -> Vec<Range<usize>> {
    let arena = Arena::program().expect("there is memory");
    let blocks = heap::offsets(arena).expect("the arena is whole");
    let lock = offset_of!(Header, heap) + offset_of!(Heap, lock);
    let mut ranges = Vec::new();
    ranges.push(lock + 4..lock + size_of::<Heap>());
    let entries = offset_of!(Header, census) + offset_of!(Census, entries);
    ranges.extend((0..8).map(|slot| entries + slot * size_of::<Entry>()).map(|at| {
        let life = at + offset_of!(Entry, life);
        life + 4..at + size_of::<Entry>()
    }));
    for (offset, length) in blocks {
        let body = heap::body(offset);
        ranges.push(offset..body);
        // Every lock begins a line of 64 bytes.
        let lines = (body..body + length.min(1 << 14)).step_by(64);
        ranges.extend(lines.map(|line| line + 4..line + 64));
    }
    ranges
}

/// What lies in the program's arena, to see whether it has changed.
#[derive(Debug)]
pub struct Image(Vec<u64>);

impl Image {
    /// Everything as it is now.
    ///
    /// # Panics
    ///
    /// Panics when there is no arena.
    pub fn take() -> Self {
        Self(words().iter().map(|word| word.load(Relaxed)).collect())
    }

    /// Whether anything has changed since the last look.
    pub fn has_changed(&mut self) -> bool {
        let words = words();
        let mut changed = self.0.len() != words.len();
        self.0.resize(words.len(), 0);
        for (known, word) in self.0.iter_mut().zip(words) {
            let now = word.load(Relaxed);
            changed |= *known != now;
            *known = now;
        }
        changed
    }
}

/// The words of the program's arena, up to the last block.
fn words() -> &'static [AtomicU64] {
    let arena = Arena::program().expect("there is memory");
    let top = usize::try_from(arena.header().heap.top.load(Relaxed)).unwrap_or(0);
    arena.mapping().slice(0, top / 8).unwrap_or_default()
}

/// Ends the calling process at once, as `kill -9` does.
pub fn end_here() {
    die();
}

/// Less than those who sleep on a bell wait until they look for themselves.
const AT_ONCE: Duration = Duration::from_millis(150);

/// How often something is tried that must be quick once.
const TRIES: usize = 8;

/// Sees that somebody is woken at once, and does not find by a look of its own what it should have
/// been woken for. `round` returns how long it took; on a busy machine that may be longer than it
/// should, so one round of several is enough.
///
/// # Panics
///
/// Panics when no round is short.
pub fn at_once(mut round: impl FnMut() -> Duration) {
    let times: Vec<Duration> =
        (0..TRIES).map(|_| round()).take_while(|&time| time >= AT_ONCE).collect();
    assert!(times.len() < TRIES, "nobody was woken: {times:?}");
}
