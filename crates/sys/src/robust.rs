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
//! # What a dead process leaves
//!
//! The kernel walks the thread's robust list at its death, its exec and its process's death: each
//! held word becomes `OWNER_DIED` and one sleeper is woken. Between the store that takes or frees
//! the word and the change of the list, the word stands in the list's `pending` field, which the
//! kernel treats alike. `pending` stays set while a waiter sleeps: if it is woken and dies before
//! it takes the word, the kernel wakes the next.
//!
//! # Safety
//!
//! List links are written only by the thread whose list they are on, which is the thread whose id
//! is in the word. All methods take `&'static self`: a lock's memory is never unmapped, so the list
//! never holds the address of something else.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::hint;
use std::path::Path;
use std::ptr;
use std::sync::atomic::AtomicPtr;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::futex::{self, OWNER_DIED, TID_MASK, WAITERS, Wait};
use crate::spin;
use crate::thread::{Link, ROBUST_OFFSET, Thread};
use crate::time::Deadline;

/// How often a lock that is held is looked at before its waiter sleeps: about a microsecond.
const SPINS: u32 = 100;

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

thread_local! {
    /// The locks this thread has linked, so that a corrupt word cannot make us unlink another's.
    static HELD: RefCell<Vec<*const RobustLock>> = const { RefCell::new(Vec::new()) };
}

impl RobustLock {
    /// Takes the lock if it is free.
    #[inline]
    pub fn try_lock(&'static self) -> Option<Acquired> {
        let thread = Thread::current();
        thread.set_pending(self.link());
        let acquired = self.try_take(thread);
        if acquired.is_some() {
            self.push(thread);
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
            self.push(thread);
        }
        thread.clear_pending();
        acquired
    }

    /// Releases the lock and wakes one who waits for it. Does nothing if this thread does not
    /// hold it.
    #[inline]
    pub fn unlock(&'static self) {
        let thread = Thread::current();
        if self.word.load(Relaxed) & TID_MASK != thread.tid || !forget_held(self) {
            return;
        }
        thread.set_pending(self.link());
        self.remove();
        // PAIR lock: what this holder wrote is visible to the next one.
        if self.word.swap(0, Release) & WAITERS != 0 {
            futex::wake(&self.word, 1);
        }
        thread.clear_pending();
    }

    /// Whether the calling thread holds the lock.
    #[inline]
    pub fn is_mine(&self) -> bool {
        self.word.load(Relaxed) & TID_MASK == Thread::current().tid
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
        if spin::is_parallel() {
            for _ in 0..SPINS {
                if let Some(acquired) = self.try_take(thread) {
                    return Some(acquired);
                }
                hint::spin_loop();
            }
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
            if futex::wait(&self.word, contended, deadline) == Wait::TimedOut {
                return self.try_take(thread);
            }
            slept = WAITERS;
        }
    }

    fn link(&'static self) -> *mut Link {
        ptr::from_ref(&self.next).cast_mut().cast()
    }

    /// Puts the lock at the front of this thread's robust list.
    fn push(&'static self, thread: Thread) {
        let head = thread.list();
        // SAFETY: `head` is this thread's list; only this thread changes it.
        let first = unsafe { (*head).next };
        self.next.store(first.cast(), Relaxed);
        self.previous.store(head.cast(), Relaxed);
        set_previous(first, self.link());
        // SAFETY: as above. From here on the kernel finds the lock on the list.
        unsafe { head.cast::<*mut Link>().write_volatile(self.link()) };
        let _ = HELD.try_with(|held| held.borrow_mut().push(ptr::from_ref(self)));
    }

    /// Takes the lock off this thread's robust list.
    fn remove(&'static self) {
        let next: *mut Link = self.next.load(Relaxed).cast();
        let previous: *mut Link = untagged(self.previous.load(Relaxed).cast());
        set_previous(next, previous);
        // SAFETY: this thread linked the lock (`HELD` says so), so `previous` is the address of a
        // link on its list, which only this thread changes.
        unsafe { previous.cast::<*mut Link>().write_volatile(next) };
    }
}

/// A lock that `word` was found in: only the kernel leaves `OWNER_DIED`.
fn found(word: u32) -> Acquired {
    if word & OWNER_DIED != 0 { Acquired::OwnerDied } else { Acquired::Clean }
}

/// Forgets that this thread holds `lock`, and says whether it did.
fn forget_held(lock: &'static RobustLock) -> bool {
    let forget = |held: &RefCell<Vec<*const RobustLock>>| {
        let mut held = held.borrow_mut();
        let position = held.iter().rposition(|&one| ptr::eq(one, lock));
        position.map(|position| held.remove(position)).is_some()
    };
    // At the end of a thread the list is gone before the last guards may be; they are trusted.
    HELD.try_with(forget).unwrap_or(true)
}

/// Writes the "previous" field that lies in the eight bytes before a link.
fn set_previous(link: *mut Link, previous: *mut Link) {
    let field = untagged(link).cast::<*mut Link>().wrapping_sub(1);
    // SAFETY: `link` is on this thread's list: the head, a node of the C library or one of ours.
    // All three keep the previous address in the eight bytes before the link.
    unsafe { field.write_volatile(previous) };
}

/// The address without the mark that the C library puts on its priority-inheriting mutexes.
fn untagged(link: *mut Link) -> *mut Link {
    link.map_addr(|address| address & !1)
}

#[cfg(test)]
#[path = "robust_tests.rs"]
mod tests;
