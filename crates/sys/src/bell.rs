//! The bell: a wake-up that no death can swallow.
//!
//! | word            | meaning                                                            |
//! |-----------------|--------------------------------------------------------------------|
//! | 0               | nobody has said that it sleeps: a ring costs one load              |
//! | `ARMED`         | someone may sleep: a ring wakes one                                |
//! | `ARMED | MANY`  | someone may sleep who waits for several things: a ring wakes all   |
//!
//! The bits are above the thread id, which is always zero: to the kernel the word is one that
//! nobody owns.
//!
//! | count    | meaning                                                                   |
//! |----------|---------------------------------------------------------------------------|
//! | `rings`  | how many rings have found somebody armed, modulo 2^32                     |
//!
//! # Why no wake-up is lost
//!
//! A waiter arms, then looks (`barrier::heavy` between); a ringer makes its change, then reads the
//! word (`barrier::light` between). So one sees the other's store: the waiter sees the change, or
//! the ringer sees the arm. Then it counts the ring and clears the word, and a waiter between its
//! look and its sleep is refused the sleep by the kernel. The word alone would not do for that:
//! another waiter may have armed it again. So a waiter sleeps on the word and on the count, as it
//! was before it armed.
//!
//! One ring may have to end many sleeps, since the change may serve several. So a waiter that has
//! slept arms again on its way out and rings once for the next: a baton, at the price of a wake
//! too many.
//!
//! # What a dead process leaves
//!
//! While a thread waits or rings, the word stands in the `pending` field of its robust list. If the
//! thread dies there, the kernel wakes one sleeper of the word: a ringer killed after its change
//! has still rung, and a waiter killed after its wake-up has passed it on. Nothing else is left:
//! the word holds no count and no owner, and the count means nothing but that it changes.
//!
//! One case is left to the clock: the kernel wakes only who sleeps. If a ringer is killed after its
//! change and before it has cleared the word, just when a waiter is between its look and its sleep,
//! the waiter sleeps in vain. Every sleeper therefore looks for itself now and then.

use std::ptr;
use std::time::Duration;

use crate::atomic::AtomicU32;
use crate::atomic::Ordering::{Relaxed, Release};
use crate::futex::{self, WAITERS};
use crate::thread::{Link, ROBUST_OFFSET, Thread};
use crate::time::Deadline;
use crate::wait::Sleep;
use crate::{barrier, spin};

const ARMED: u32 = WAITERS;
const MANY: u32 = futex::OWNER_DIED;

/// How often a waiter looks before it sleeps: one to two microseconds.
const SPINS: u32 = 150;

/// After how long a sleeper looks for itself whether it still has to sleep.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// A place to sleep until something has changed. Lies in shared memory; all zeros is a bell.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct Bell {
    word: AtomicU32,
    rings: AtomicU32,
}

impl Bell {
    /// Makes a change and wakes one who waits for it.
    ///
    /// `change` is no more than the stores themselves: it takes no lock and rings no bell, since
    /// a thread can announce only one word to the kernel.
    ///
    /// # Process death
    ///
    /// Killed before `change` has committed, nothing happened; after it, one waiter wakes.
    #[inline]
    pub fn ring_after<R>(&'static self, change: impl FnOnce() -> R) -> R {
        let thread = Thread::current();
        thread.set_pending(self.link());
        let result = change();
        barrier::light(); // With `wait` and `prepare`.
        if self.word.load(Relaxed) != 0 {
            self.wake_one();
        }
        thread.clear_pending();
        result
    }

    /// Makes a change and wakes everyone who waits for it.
    ///
    /// # Process death
    ///
    /// Killed half-way, one waiter wakes and passes the wake-up on.
    pub fn ring_all_after<R>(&'static self, change: impl FnOnce() -> R) -> R {
        let thread = Thread::current();
        thread.set_pending(self.link());
        let result = change();
        barrier::light(); // With `wait` and `prepare`.
        if self.word.load(Relaxed) != 0 {
            self.disarm();
            futex::wake_all(&self.word);
        }
        thread.clear_pending();
        result
    }

    /// Waits until `look` returns something, or until `deadline`.
    ///
    /// `look` only reads: it takes no lock and rings no bell. `also` adds what else may end the
    /// sleep, such as the death of a peer.
    pub fn wait<R>(
        &'static self,
        deadline: Deadline,
        mut look: impl FnMut() -> Option<R>,
        also: impl Fn(&mut Sleep<'static>),
    ) -> Option<R> {
        if let Some(found) = spin::look(SPINS, &mut look) {
            return Some(found);
        }
        self.sleep(deadline, look, also)
    }

    /// As [`wait`](Self::wait), for one who has looked for long enough already.
    pub fn sleep<R>(
        &'static self,
        deadline: Deadline,
        mut look: impl FnMut() -> Option<R>,
        also: impl Fn(&mut Sleep<'static>),
    ) -> Option<R> {
        let thread = Thread::current();
        thread.set_pending(self.link());
        let mut slept = false;
        let found = loop {
            let rings = self.rings.load(Relaxed);
            let armed = self.word.fetch_or(ARMED, Relaxed) | ARMED;
            let mut sleep = Sleep::default();
            // PAIR disarm: in this order.
            sleep.word(&self.word, armed);
            sleep.count(&self.rings, rings);
            sleep.nap(LOOK_AGAIN);
            // Before the look: of a peer that goes in between, the look or the sleep hears.
            also(&mut sleep);
            let patience = barrier::heavy(); // With the rings.
            if let Some(found) = look() {
                break Some(found);
            }
            if deadline.is_past() {
                break None;
            }
            sleep.sleep_on_words(patience.min(deadline));
            slept = true;
            // A wake-up mostly has its reason, which is found without the fence.
            if let Some(found) = look() {
                break Some(found);
            }
        };
        if slept && found.is_some() {
            self.word.fetch_or(ARMED, Relaxed);
            self.wake_one();
        }
        thread.clear_pending();
        found
    }

    /// Says that someone who waits for several things is about to sleep here, and adds the word
    /// to what it sleeps on. Before it looks for the last time, it calls `barrier::heavy`.
    pub fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        let rings = self.rings.load(Relaxed);
        let armed = self.word.fetch_or(ARMED | MANY, Relaxed) | ARMED | MANY;
        sleep.bell(&self.word, armed);
        sleep.count(&self.rings, rings);
        sleep.nap(LOOK_AGAIN);
    }

    #[cold]
    fn wake_one(&self) {
        if self.disarm() & MANY != 0 {
            futex::wake_all(&self.word);
        } else {
            futex::wake(&self.word, 1);
        }
    }

    /// Clears the word, and says what it was. Whoever is about to sleep on it is refused.
    fn disarm(&self) -> u32 {
        self.rings.fetch_add(1, Relaxed);
        // PAIR disarm: the kernel loads the word and then the count. If it finds the word armed
        // again, it finds the count changed.
        self.word.swap(0, Release)
    }

    fn link(&'static self) -> *mut Link {
        link(&self.word)
    }
}

/// What stands for a bell's word in a thread's `pending` field.
pub(crate) fn link(word: &AtomicU32) -> *mut Link {
    // Only an address: the kernel subtracts the offset again and reads no link here.
    ptr::from_ref(word).cast_mut().cast::<u8>().wrapping_add(ROBUST_OFFSET).cast()
}

#[cfg(test)]
#[path = "bell_tests.rs"]
mod tests;
