//! The C library's mutex in shared memory.
//!
//! # Safety
//!
//! The mutex lies in a mapping that is never unmapped, at the beginning of a page, so it stays
//! where it is and is aligned. It is initialized by the process that made the memory, before the
//! partner is started.
#![allow(unsafe_code)]

use crate::Result;
use crate::companion::{self, Companion, Job, Joint};
use crate::posix::check;
use crate::posix::page::Page;
use crate::turns::Turns;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

pub(crate) const KIND: &str = "mutex";

/// The mutex is on the first cache lines of the page, the counter behind it.
const COUNTER: usize = 256;

/// What the kernel does with a mutex whose owner dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Robustness {
    Stalled,
    Robust,
}

/// A mutex and the number that it protects, shared by two processes.
#[derive(Debug)]
pub(crate) struct Mutex {
    mutex: *mut libc::pthread_mutex_t,
    counter: &'static AtomicU64,
    page: Page,
}

impl Mutex {
    /// One that stays locked for ever when its owner dies.
    pub(crate) fn stalled() -> Result<Self> {
        Self::create(Robustness::Stalled)
    }

    /// One that says to the next owner that the last one died.
    pub(crate) fn robust() -> Result<Self> {
        Self::create(Robustness::Robust)
    }

    /// In the partner: the one it was started with.
    pub(crate) fn inherited() -> Result<Self> {
        Self::on(Page::inherited()?)
    }

    fn create(robustness: Robustness) -> Result<Self> {
        let this = Self::on(Page::create()?)?;
        initialize(this.mutex, robustness)?;
        Ok(this)
    }

    fn on(page: Page) -> Result<Self> {
        Ok(Self { mutex: page.place(0)?, counter: page.word(COUNTER)?, page })
    }
}

/// Makes a mutex for several processes out of memory that nobody else knows yet.
pub(super) fn initialize(mutex: *mut libc::pthread_mutex_t, robustness: Robustness) -> Result<()> {
    let mut attributes = MaybeUninit::uninit();
    // SAFETY: the pointer leads to memory for an attribute object.
    check(unsafe { libc::pthread_mutexattr_init(attributes.as_mut_ptr()) })?;
    let attributes = attributes.as_mut_ptr();
    // SAFETY: the attributes were initialized above.
    check(unsafe { libc::pthread_mutexattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED) })?;
    if robustness == Robustness::Robust {
        // SAFETY: the attributes were initialized above.
        check(unsafe {
            libc::pthread_mutexattr_setrobust(attributes, libc::PTHREAD_MUTEX_ROBUST)
        })?;
    }
    // SAFETY: the mutex is aligned memory that nobody else knows yet; the attributes are valid.
    check(unsafe { libc::pthread_mutex_init(mutex, attributes) })
}

impl Joint for Mutex {
    fn invite<J: Job<Self>>(self: &Arc<Self>, job: J) -> Result<Box<dyn Companion>> {
        companion::partner(KIND, "", job, self.page.for_partner()?)
    }
}

impl Turns for Mutex {
    #[inline]
    fn turn(&self, within: impl FnOnce() -> Result<()>) -> Result<()> {
        // SAFETY: the mutex was initialized before this process had it.
        let locked = unsafe { libc::pthread_mutex_lock(self.mutex) };
        if locked == libc::EOWNERDEAD {
            // SAFETY: this thread has just got the mutex.
            check(unsafe { libc::pthread_mutex_consistent(self.mutex) })?;
        } else {
            check(locked)?;
        }
        within()?;
        // A load and a store, which only the mutex keeps together.
        self.counter.store(self.counter.load(Relaxed) + 1, Relaxed);
        // SAFETY: this thread locked it above.
        check(unsafe { libc::pthread_mutex_unlock(self.mutex) })
    }

    fn total(&self) -> Result<u64> {
        Ok(self.counter.load(Relaxed))
    }
}
