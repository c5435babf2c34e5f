//! Waiting on many things at once: futex words and descriptors, in any mix.
//!
//! # Why no wake-up is lost
//!
//! [`wait`] arms everything, then looks once more (`barrier::heavy` between, which goes with the
//! fence of each bell's ringer), then sleeps on values it saw when it armed. A bell that rings in
//! between has changed its word or its count, and the kernel refuses the sleep.
//!
//! # What a dead process leaves
//!
//! A thread has one `pending` field. One that sleeps on a single bell, or lock, promises there, as
//! [`Bell::wait`](crate::bell::Bell::wait) does, that its wake-up is passed on if it dies. One that
//! sleeps on several cannot promise it for each. It arms bells so that a ring wakes everyone
//! instead; and in case it is the only one whom the kernel wakes for a dead ringer, and dies too,
//! those who sleep on bells look for themselves now and then.
//!
//! The release of a lock wakes one. If that is somebody who only waits for the lock to be free, it
//! wakes another, who may want to take it; and those who sleep on locks look for themselves too.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::write;

use crate::atomic::AtomicU32;
use crate::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::futex::{self, UNWATCHED_NAP, WAITERS};
use crate::robust::RobustLock;
use crate::thread::Thread;
use crate::time::Deadline;
use crate::{barrier, bell};

/// Something that [`wait`] can wait for: a queue, a pipe, a socket, a process, an event.
pub trait Waitable {
    /// Whether the thing is ready now: an operation on it would not block. End of stream counts.
    fn is_ready(&self) -> bool;

    /// Adds to `sleep` what will change when the thing becomes ready.
    ///
    /// [`wait`] asks [`is_ready`](Self::is_ready) once more after this call, so a change between
    /// the two is not lost.
    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>);
}

/// A lock that somebody held.
#[derive(Debug)]
struct Held<'a> {
    /// The lock's word, as it was.
    word: (&'a AtomicU32, u32),
    /// Where a release wakes one.
    sleepers: &'a AtomicU32,
}

/// What a thread is about to sleep on.
#[derive(Debug, Default)]
pub struct Sleep<'a> {
    words: Vec<(&'a AtomicU32, u32)>,
    /// What nobody wakes, and yet must not have changed.
    counts: Vec<(&'a AtomicU32, u32)>,
    bells: Vec<&'a AtomicU32>,
    locks: Vec<Held<'a>>,
    descriptors: Vec<BorrowedFd<'a>>,
    nap: Option<Duration>,
}

impl<'a> Sleep<'a> {
    /// Wakes when someone wakes the futex `word`; does not sleep when it is no longer `expected`.
    pub fn word(&mut self, word: &'a AtomicU32, expected: u32) {
        self.words.push((word, expected));
    }

    /// Wakes when `lock` is released or its holder dies. Does not sleep when nobody holds it.
    pub fn lock(&mut self, lock: &'a RobustLock) {
        // Armed first: see `RobustLock::arm`.
        let armed = lock.arm();
        let Some(word) = lock.watch() else { return self.nap(Duration::ZERO) };
        self.words.extend([armed, word]);
        self.locks.push(Held { word, sleepers: armed.0 });
        self.nap(LOOK_AGAIN);
    }

    /// Wakes when `descriptor` becomes readable or its other end has gone.
    pub fn descriptor(&mut self, descriptor: BorrowedFd<'a>) {
        self.descriptors.push(descriptor);
    }

    /// Wakes after `nap` at the latest: for what the kernel gives no notice of.
    pub fn nap(&mut self, nap: Duration) {
        self.nap = Some(self.nap.map_or(nap, |other| other.min(nap)));
    }

    /// As [`word`](Self::word), for the word of a bell, whose wake-ups must be passed on.
    pub(crate) fn bell(&mut self, word: &'a AtomicU32, expected: u32) {
        self.words.push((word, expected));
        self.bells.push(word);
    }

    /// Does not sleep when the count of a bell is no longer `expected`.
    pub(crate) fn count(&mut self, count: &'a AtomicU32, expected: u32) {
        self.counts.push((count, expected));
    }

    /// Sleeps on the words alone.
    pub(crate) fn sleep_on_words(&self, deadline: Deadline) {
        let deadline = self.earliest(deadline);
        match self.all_words().as_slice() {
            [(word, expected)] => futex::wait(word, *expected, deadline),
            words => futex::wait_any(words, deadline),
        };
    }

    /// The words, and the counts as far as the kernel takes more words: without its count a bell is
    /// looked at again after a nap.
    fn all_words(&self) -> Vec<(&'a AtomicU32, u32)> {
        self.words.iter().chain(&self.counts).take(futex::WAIT_ANY_LIMIT).copied().collect()
    }

    fn earliest(&self, deadline: Deadline) -> Deadline {
        let mut nap = self.nap;
        if self.words.len() > futex::WAIT_ANY_LIMIT {
            // The kernel watches no more words than this; the rest are looked at now and then.
            nap = Some(nap.unwrap_or(UNWATCHED_NAP).min(UNWATCHED_NAP));
        }
        Deadline::after_option(nap).min(deadline)
    }

    fn sleep(&self, deadline: Deadline) {
        let deadline = self.earliest(deadline);
        match (self.words.is_empty(), self.descriptors.is_empty()) {
            (false, true) => self.sleep_on_words(deadline),
            (true, _) => poll_readable(&self.descriptors, deadline),
            (false, false) => self.sleep_on_both(deadline),
        }
    }

    /// Polls the descriptors in a helper thread that wakes a word of ours.
    ///
    /// The kernel has no call that sleeps on words and descriptors together.
    fn sleep_on_both(&self, deadline: Deadline) {
        let Ok(stop) = eventfd(0, EventfdFlags::CLOEXEC) else {
            // Out of descriptors: short naps are slow but right.
            return poll_readable(&self.descriptors, Deadline::after(UNWATCHED_NAP).min(deadline));
        };
        let polled = AtomicU32::new(0);
        let mut words = Vec::with_capacity(self.words.len() + 1);
        words.push((&polled, 0));
        words.extend(self.all_words());
        let mut descriptors = self.descriptors.clone();
        descriptors.push(stop.as_fd());
        std::thread::scope(|scope| {
            let poller = std::thread::Builder::new().spawn_scoped(scope, || {
                poll_readable(&descriptors, deadline);
                // PAIR polled: nothing travels with it; the sleeper looks at the descriptors.
                polled.store(1, Release);
                futex::wake_all(&polled);
            });
            if poller.is_err() {
                return poll_readable(&self.descriptors, Deadline::after(UNWATCHED_NAP));
            }
            // PAIR polled: with the store above.
            if polled.load(Acquire) == 0 {
                futex::wait_any(&words, deadline);
            }
            // Ends the poll; an eventfd that nobody else writes always takes a 1.
            let _ = write(&stop, &1_u64.to_ne_bytes());
        });
    }

    /// Sleeps, and sees to it that the wake-up reaches the next one, also if this thread dies.
    fn sleep_and_pass_on(&mut self, deadline: Deadline) {
        let word = match (self.bells.as_slice(), self.locks.as_slice()) {
            ([bell], []) => bell,
            ([], [lock]) => lock.sleepers,
            _ => {
                self.sleep(deadline);
                return self.pass_on();
            }
        };
        let thread = Thread::current();
        thread.set_pending(bell::link(word));
        self.sleep(deadline);
        self.pass_on();
        thread.clear_pending();
    }

    /// Arms the bells again and wakes one more sleeper of each: our wake-up may have been meant
    /// for someone else, and the ringer may have died before it woke the rest. So for the locks.
    /// A bell's mark for one sleeper is the lock's.
    fn pass_on(&self) {
        for bell in &self.bells {
            bell.fetch_or(WAITERS, Relaxed);
            futex::wake(bell, 1);
        }
        for Held { word: (word, expected), sleepers } in &self.locks {
            sleepers.fetch_or(WAITERS, Relaxed);
            // As it was, nobody has released it, and nobody was woken.
            if word.load(Relaxed) != *expected {
                futex::wake(sleepers, 1);
            }
        }
    }
}

/// After how long a sleeper on a lock looks for itself, as those do who take it.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Waits until at least one of `objects` is ready or `deadline` has passed.
///
/// Returns the indexes of all that are ready, in order; none when the deadline has passed.
#[must_use]
pub fn wait(objects: &[&dyn Waitable], deadline: Deadline) -> Vec<usize> {
    loop {
        let ready = ready(objects);
        if !ready.is_empty() || deadline.is_past() {
            return ready;
        }
        let mut sleep = Sleep::default();
        for object in objects {
            object.prepare(&mut sleep);
        }
        let patience = barrier::heavy();
        let ready = self::ready(objects);
        if !ready.is_empty() {
            return ready;
        }
        sleep.sleep_and_pass_on(patience.min(deadline));
    }
}

fn ready(objects: &[&dyn Waitable]) -> Vec<usize> {
    (0..objects.len()).filter(|&index| objects[index].is_ready()).collect()
}

/// Sleeps until one of `descriptors` is readable or at its end, or until `deadline`.
fn poll_readable(descriptors: &[BorrowedFd<'_>], deadline: Deadline) {
    let mut polled: Vec<PollFd<'_>> =
        descriptors.iter().map(|fd| PollFd::new(fd, PollFlags::IN | PollFlags::RDHUP)).collect();
    let left = deadline.remaining().map(|left| Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(left.subsec_nanos()),
    });
    // An interruption or an error ends the sleep; the caller looks again in every case.
    let _ = poll(&mut polled, left.as_ref());
}

#[cfg(test)]
#[path = "wait_tests.rs"]
mod tests;
