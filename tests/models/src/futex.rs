//! Futexes, by the model's kernel.

use std::time::Duration;

use crate::atomic::AtomicU32;
use crate::engine::Shape;
use crate::kernel;
use crate::mutant::{Fault, Kind, Mutant};
use crate::time::Deadline;
use crate::world::{self, Turn};

/// Set by those who wait, so that the owner of the word wakes one of them.
pub const WAITERS: u32 = 0x8000_0000;

/// Set by the kernel in place of the thread id when the thread that owned the word died.
pub const OWNER_DIED: u32 = 0x4000_0000;

/// The bits of a word that hold the owner's thread id.
pub const TID_MASK: u32 = !(WAITERS | OWNER_DIED);

/// How a [`wait`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Woken, or never asleep because the word had changed.
    Awake,
    /// The deadline passed.
    TimedOut,
}

/// Sleeps until `word` is woken, unless it no longer holds `expected`.
#[track_caller]
pub fn wait(word: &AtomicU32, expected: u32, deadline: Deadline) -> Wait {
    kernel::wait(&[(word, expected)], deadline, world::place())
}

/// Wakes at most `count` of those who sleep on `word` and says how many woke.
#[track_caller]
pub fn wake(word: &AtomicU32, count: u32) -> usize {
    let place = world::place();
    match world::begin(0, Shape::None, Fault::new(Kind::Wake), place) {
        Turn::LeftOut => 0,
        _ if !world::with(|world| world.is_running) => 0,
        _ => {
            let one = world::with(|world| world.mutant == Some(Mutant::WakeOne(place)));
            let count = if one { 1 } else { usize::try_from(count).unwrap_or(usize::MAX) };
            kernel::wake(word, count, place)
        }
    }
}

/// Wakes everyone who sleeps on `word`.
#[track_caller]
pub fn wake_all(word: &AtomicU32) -> usize {
    let place = world::place();
    world::with(|world| world.wakes_all.insert(place));
    wake(word, u32::MAX)
}

/// How many words one [`wait_any`] can sleep on.
pub const WAIT_ANY_LIMIT: usize = 128;

/// How long a thread sleeps where it cannot be woken.
pub(crate) const UNWATCHED_NAP: Duration = Duration::from_millis(5);

/// Sleeps until one of `words` is woken, unless one of them no longer holds its expected value.
#[track_caller]
pub fn wait_any(words: &[(&AtomicU32, u32)], deadline: Deadline) -> Wait {
    kernel::wait(words, deadline, world::place())
}
