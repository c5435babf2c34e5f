//! The robust lock: a futex word whose owner's death the kernel reports.
//!
//! | `word`                  | meaning                                                         |
//! |-------------------------|-----------------------------------------------------------------|
//! | 0                       | free                                                            |
//! | thread id               | held                                                            |
//! | thread id, `WAITERS`    | held, and someone may sleep: the holder's death wakes one       |
//! | `OWNER_DIED` (, `WAITERS`) | free; the last owner died inside, and its work is half done  |
//! | `WAITERS`               | free after a death that the kernel had marked twice; as 0       |
//!
//! | `sleepers` | meaning                                                                      |
//! |------------|------------------------------------------------------------------------------|
//! | 0          | nobody has said that it sleeps: a release is one store                       |
//! | `ARMED`    | someone may sleep: the next release wakes one                                |
//!
//! # Why no wake-up is lost
//!
//! A waiter arms `sleepers`, then looks at `word` (`barrier::heavy` between); a release frees
//! `word`, then looks at `sleepers` (`barrier::light` between). So the waiter sees a free lock, or
//! the release sees a waiter and disarms `sleepers`. It sleeps on both words, and the kernel refuses
//! the sleep when either has changed since the waiter looked.
//!
//! A release that wakes one may leave others asleep, and it has disarmed `sleepers` for all. So who
//! was woken arms it again before it does anything else: the next release, its own or that of
//! someone who was quicker, wakes the next. At the price of a wake-up that finds nobody.
//!
//! A waiter gives up only where it would have slept: armed, and with `WAITERS` in the word of whoever
//! holds the lock.
//!
//! # What a dead process leaves
//!
//! The kernel walks the thread's robust list at its death, its exec and its process's death: each
//! held word becomes `OWNER_DIED`, and if the word had `WAITERS`, one who sleeps on it is woken.
//! Between the store that takes or frees the word and the change of the list, the word stands in the
//! list's `pending` field, which the kernel treats alike.
//!
//! A release clears `WAITERS` though more than one may sleep. Who is woken sees to it that it stands
//! there again: it takes the lock with the bit, or sets it for whoever was quicker.
//!
//! While a thread sleeps, or has been woken and has not armed `sleepers` again, and while a release
//! wakes, `pending` names `sleepers`, a word that nobody owns: the kernel wakes one who sleeps there
//! in the place of the dead. Before the woken thread tries to take the word, `pending` names it, and
//! the kernel wakes one who sleeps on it if it is free then.
//!
//! Two deaths at once are left to the clock, for the kernel passes on the wake-up of one: that of a
//! thread between its release and its look at `sleepers`, or between its wake-up and its first look
//! at the word; and that of another who has taken the lock meanwhile, without `WAITERS`, and dies in
//! its possession. So is a release whose store stays in its processor's buffer for as long as a whole
//! death takes, since who was woken arms `sleepers` without a fence. So every sleeper looks for itself
//! now and then.

use std::path::Path;
use std::ptr;
use std::time::Duration;

use crate::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::atomic::{AtomicPtr, AtomicU32};
use crate::futex::{self, OWNER_DIED, TID_MASK, WAITERS};
use crate::kill_point::kill_point;
use crate::thread::{Link, ROBUST_OFFSET, Thread};
use crate::time::Deadline;
use crate::{barrier, bell, held, spin};

/// After how long a sleeper looks for itself whether it still has to sleep. In this crate's tests
/// never: what they try must not need it.
const LOOK_AGAIN: Duration =
    if cfg!(test) { Duration::from_secs(3600) } else { Duration::from_millis(500) };

/// Set in `sleepers` by those who wait.
const ARMED: u32 = WAITERS;

/// A lock that survives its holder. Lies in shared memory; all zeros is a free lock.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct RobustLock {
    word: AtomicU32,
    sleepers: AtomicU32,
    _gap: [AtomicU32; 4],
    /// The address of the previous link, for the C library and for us; the kernel ignores it.
    previous: AtomicPtr<()>,
    /// The list's link: what the kernel follows.
    next: AtomicPtr<()>,
}

const _: () = assert!(std::mem::offset_of!(RobustLock, next) == ROBUST_OFFSET);
const _: () = assert!(std::mem::offset_of!(RobustLock, previous) == ROBUST_OFFSET - 8);
const _: () = assert!(size_of::<RobustLock>() == 64);

/// How the lock was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Acquired {
    /// The last holder released it.
    Clean,
    /// The last holder died with it: what it guards may be half done.
    OwnerDied,
}

impl RobustLock {
    /// Takes the lock if it is free.
    #[inline]
    pub fn try_lock(&'static self) -> Option<Acquired> {
        let thread = Thread::current();
        thread.set_pending(self.link());
        let acquired = self.try_take(thread, 0);
        if acquired.is_some() {
            // The lock may stay pending: on the list or there, its word is ours to the kernel.
            held::push(thread, self);
        } else {
            thread.clear_pending();
        }
        acquired
    }

    /// Takes the lock, waiting for it until `deadline`; `None` when that has passed.
    ///
    /// A thread that already holds the lock waits like any other.
    #[inline]
    pub fn lock(&'static self, deadline: Deadline) -> Option<Acquired> {
        let thread = Thread::current();
        thread.set_pending(self.link());
        // PAIR lock: what the last holder wrote before its release is visible from here on.
        let acquired = match self.word.compare_exchange(0, thread.tid, Acquire, Relaxed) {
            Ok(_) => Some(Acquired::Clean),
            Err(_) => self.lock_contended(thread, deadline),
        };
        if acquired.is_some() {
            // The lock may stay pending: on the list or there, its word is ours to the kernel.
            held::push(thread, self);
        } else {
            thread.clear_pending();
        }
        acquired
    }

    /// Releases the lock and wakes one who waits for it. Does nothing if this thread does not
    /// hold it.
    #[inline]
    pub fn unlock(&'static self) {
        let thread = Thread::current();
        // Leaves the lock pending: the list no longer holds it, and its word is still ours.
        if !held::remove(thread, self) {
            return;
        }
        // A word that names another was overwritten: then it is not ours to change.
        if self.word.load(Relaxed) & TID_MASK == thread.tid {
            // PAIR lock: what this holder wrote is visible to the next one.
            self.word.store(0, Release);
            barrier::light(); // With `sleep`.
            if self.sleepers.load(Relaxed) != 0 {
                self.wake_next(thread);
            }
        }
        thread.clear_pending();
    }

    /// Whether the calling thread holds the lock.
    #[inline]
    pub fn is_mine(&self) -> bool {
        let thread = Thread::current();
        self.word.load(Relaxed) & TID_MASK == thread.tid && held::contains(self)
    }

    /// Whether someone holds the lock now.
    pub fn is_held(&self) -> bool {
        self.word.load(Relaxed) & TID_MASK != 0
    }

    /// Whether a thread of this process holds the lock, so that it is on that thread's list.
    pub fn is_held_by_this_process(&self) -> bool {
        let holder = self.word.load(Relaxed) & TID_MASK;
        holder != 0 && Path::new("/proc/self/task").join(holder.to_string()).exists()
    }

    /// Whether the last holder died with the lock and nobody has taken it since.
    pub fn is_orphaned(&self) -> bool {
        self.word.load(Relaxed) & OWNER_DIED != 0
    }

    /// Makes the holder's death wake whoever sleeps on the word, and returns the word with the
    /// value to expect; `None` when nobody holds the lock. A release wakes nobody there.
    pub fn watch(&self) -> Option<(&AtomicU32, u32)> {
        let mut word = self.word.load(Relaxed);
        loop {
            if word & TID_MASK == 0 {
                return None;
            }
            if word & WAITERS != 0 {
                return Some((&self.word, word));
            }
            match self.word.compare_exchange_weak(word, word | WAITERS, Relaxed, Relaxed) {
                Ok(_) => return Some((&self.word, word | WAITERS)),
                Err(actual) => word = actual,
            }
        }
    }

    /// Makes the next release wake one who sleeps on the word returned, with the value to expect.
    /// Before it looks at the lock for the last time, the caller calls `barrier::heavy`; after its
    /// sleep it arms again, for the others.
    pub(crate) fn arm(&self) -> (&AtomicU32, u32) {
        (&self.sleepers, self.sleepers.fetch_or(ARMED, Relaxed) | ARMED)
    }

    /// Wakes everyone who [watches](Self::watch) the holder.
    pub fn wake_watchers(&self) {
        futex::wake_all(&self.word);
    }

    /// Takes the lock if it is free, with these `bits` beside its own and those that are there.
    fn try_take(&self, thread: Thread, bits: u32) -> Option<Acquired> {
        let word = self.word.load(Relaxed);
        if word & TID_MASK != 0 {
            return None;
        }
        let mine = thread.tid | (word & WAITERS) | bits;
        // PAIR lock: what the last holder wrote before its release or death is visible.
        self.word.compare_exchange(word, mine, Acquire, Relaxed).ok().map(found)
    }

    #[cold]
    fn lock_contended(&'static self, thread: Thread, deadline: Deadline) -> Option<Acquired> {
        if let Some(acquired) = spin::contend(|| self.try_take(thread, 0)) {
            return Some(acquired);
        }
        if deadline.is_past() {
            return None;
        }
        loop {
            thread.set_pending(bell::link(&self.sleepers));
            let armed = self.arm();
            let patience = barrier::heavy(); // With `unlock`.
            if let Some((word, held)) = self.watch() {
                if deadline.is_past() {
                    // Others may sleep on: the holder's release wakes one, or its death.
                    return None;
                }
                let until = Deadline::after(LOOK_AGAIN).min(patience).min(deadline);
                // Where the kernel watches but one word, it is that which a release wakes.
                futex::wait_any(&[armed, (word, held)], until);
            }
            kill_point("robust.woken");
            // Whether this was a wake-up or not: from here on the next release wakes the next.
            self.arm();
            kill_point("robust.armed");
            thread.set_pending(self.link());
            kill_point("robust.announced");
            // Others may sleep on, and a death in possession wakes the next.
            if let Some(acquired) = self.try_take(thread, WAITERS) {
                kill_point("robust.taken");
                return Some(acquired);
            }
        }
    }

    /// Wakes one sleeper, which will see to the others.
    #[cold]
    fn wake_next(&self, thread: Thread) {
        kill_point("robust.freed");
        thread.set_pending(bell::link(&self.sleepers));
        self.sleepers.swap(0, Relaxed);
        kill_point("robust.disarmed");
        futex::wake(&self.sleepers, 1);
    }

    /// The lock's place on the list.
    pub(crate) fn link(&'static self) -> *mut Link {
        ptr::from_ref(&self.next).cast_mut().cast()
    }

    /// What the lock says follows it on the list.
    pub(crate) fn next(&self) -> *mut Link {
        self.next.load(Relaxed).cast()
    }

    #[inline]
    pub(crate) fn set_next(&self, next: *mut Link) {
        self.next.store(next.cast(), Relaxed);
    }
}

/// A lock that `word` was found in: only the kernel leaves `OWNER_DIED`.
fn found(word: u32) -> Acquired {
    if word & OWNER_DIED != 0 { Acquired::OwnerDied } else { Acquired::Clean }
}

#[cfg(test)]
#[path = "robust_tests.rs"]
mod tests;
