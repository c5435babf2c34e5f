//! The robust lock: a futex word whose owner's death the kernel reports.
//!
//! | word                    | meaning                                                         |
//! |-------------------------|-----------------------------------------------------------------|
//! | 0                       | free                                                            |
//! | thread id               | held                                                            |
//! | thread id, `WAITERS`    | held, and someone may sleep: the release wakes one              |
//! | `OWNER_DIED` (, `WAITERS`) | free; the last owner died inside, and its work is half done  |
//! | `WAITERS`               | free after a death that the kernel had marked twice; as 0       |
//!
//! # Why no wake-up is lost
//!
//! A waiter sets `WAITERS` before it sleeps and sleeps only while the word is unchanged, so a
//! release either sees the bit or changes the word first. One who has slept keeps the bit when it
//! takes the lock, because others may sleep behind it.
//!
//! One case is left to the clock. A release wakes a sleeper, a third thread takes the free word
//! without the bit, and the woken one is killed before it sets the bit again: the kernel passes a
//! wake-up on only if the word is free, so those who still sleep would not hear of the next
//! release. Every sleeper therefore looks for itself now and then.
//!
//! # What a dead process leaves
//!
//! The kernel walks the thread's robust list at its death, its exec and its process's death: each
//! held word becomes `OWNER_DIED` and one sleeper is woken. Between the store that takes or frees
//! the word and the change of the list, the word stands in the list's `pending` field, which the
//! kernel treats alike. `pending` stays set while a waiter sleeps: if it is woken and dies before
//! it takes the word, the kernel wakes the next.

use std::path::Path;
use std::ptr;
use std::time::Duration;

use crate::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::atomic::{AtomicPtr, AtomicU32};
use crate::futex::{self, OWNER_DIED, TID_MASK, WAITERS, Wait};
use crate::held;
use crate::spin;
use crate::thread::{Link, ROBUST_OFFSET, Thread};
use crate::time::Deadline;

/// How often a held lock is looked at before its waiter sleeps: about a microsecond.
const SPINS: u32 = 100;

/// After how long a sleeper looks for itself whether it still has to sleep.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// A lock that survives its holder. Lies in shared memory; all zeros is a free lock.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct RobustLock {
    word: AtomicU32,
    _gap: [AtomicU32; 5],
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
        let acquired = self.try_take(thread);
        if acquired.is_some() {
            held::push(thread, self);
        }
        thread.clear_pending();
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
            held::push(thread, self);
        }
        thread.clear_pending();
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
        if self.word.load(Relaxed) & TID_MASK == thread.tid
            // PAIR lock: what this holder wrote is visible to the next one.
            && self.word.swap(0, Release) & WAITERS != 0
        {
            futex::wake(&self.word, 1);
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
    /// value to expect; `None` when nobody holds the lock.
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

    /// Wakes everyone who [watches](Self::watch) the holder.
    pub fn wake_watchers(&self) {
        futex::wake_all(&self.word);
    }

    fn try_take(&self, thread: Thread) -> Option<Acquired> {
        let word = self.word.load(Relaxed);
        if word & TID_MASK != 0 {
            return None;
        }
        let mine = thread.tid | (word & WAITERS);
        // PAIR lock: what the last holder wrote before its release or death is visible.
        self.word.compare_exchange(word, mine, Acquire, Relaxed).ok().map(found)
    }

    #[cold]
    fn lock_contended(&'static self, thread: Thread, deadline: Deadline) -> Option<Acquired> {
        if let Some(acquired) = spin::look(SPINS, || self.try_take(thread)) {
            return Some(acquired);
        }
        let mut slept = 0;
        loop {
            let word = self.word.load(Relaxed);
            if word & TID_MASK == 0 {
                let mine = thread.tid | (word & WAITERS) | slept;
                // PAIR lock: what the last holder wrote before its release or death is visible.
                if self.word.compare_exchange(word, mine, Acquire, Relaxed).is_ok() {
                    return Some(found(word));
                }
                continue;
            }
            let contended = word | WAITERS;
            if word != contended
                && self.word.compare_exchange(word, contended, Relaxed, Relaxed).is_err()
            {
                continue;
            }
            let patience = Deadline::after(LOOK_AGAIN).min(deadline);
            slept = WAITERS;
            if futex::wait(&self.word, contended, patience) == Wait::TimedOut && deadline.is_past()
            {
                // Others may sleep on: whoever has slept keeps the bit.
                self.word.fetch_or(slept, Relaxed);
                return self.try_take(thread);
            }
        }
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
