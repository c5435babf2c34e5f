//! The C library's mutex in shared memory, and the bare word that is the bound of everything.
//!
//! # Safety
//!
//! The mutex lies in a mapping that is never unmapped, at the beginning of a page, so it stays
//! where it is and is aligned. It is initialized by the process that made the memory, before the
//! partner is started.
#![allow(unsafe_code)]

use crate::Result;
use crate::companion::{self, Companion, Job, Joint};
use crate::partner::standard_input;
use crate::turns::Turns;
use brigade_sys::memory::{self, Mapping};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

pub(crate) const MUTEX: &str = "mutex";
pub(crate) const WORD: &str = "word";

/// The mapping: the mutex on its first cache lines, the counter behind it.
const SIZE: usize = 4096;
const COUNTER: usize = 256;

/// What the kernel does with a mutex whose owner dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Robustness {
    Stalled,
    Robust,
}

/// A mutex and the number that it protects, shared by two processes.
#[derive(Debug)]
pub(crate) struct Mutex {
    mutex: *mut libc::pthread_mutex_t,
    counter: &'static AtomicU64,
    file: OwnedFd,
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

    fn create(robustness: Robustness) -> Result<Self> {
        let this = Self::open(memory::create("brigade-bench", SIZE as u64)?)?;
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: the pointer leads to memory for an attribute object.
        check(unsafe { libc::pthread_mutexattr_init(attributes.as_mut_ptr()) })?;
        let attributes = attributes.as_mut_ptr();
        // SAFETY: the attributes were initialized above.
        check(unsafe {
            libc::pthread_mutexattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED)
        })?;
        if robustness == Robustness::Robust {
            // SAFETY: the attributes were initialized above.
            check(unsafe {
                libc::pthread_mutexattr_setrobust(attributes, libc::PTHREAD_MUTEX_ROBUST)
            })?;
        }
        // SAFETY: the mutex is aligned memory that nobody else knows yet; the attributes are valid.
        check(unsafe { libc::pthread_mutex_init(this.mutex, attributes) })?;
        Ok(this)
    }

    /// Opens what [`create`](Self::create) has made.
    fn open(file: OwnedFd) -> Result<Self> {
        let mapping = Mapping::new(file.try_clone()?, SIZE)?;
        let missing = "the shared page is too small";
        let mutex = mapping.bytes(0, size_of::<libc::pthread_mutex_t>()).ok_or(missing)?.cast();
        let counter = mapping.get(COUNTER).ok_or(missing)?;
        Ok(Self { mutex, counter, file })
    }

    /// In the partner: the one it was started with.
    pub(crate) fn inherited() -> Result<Self> {
        Self::open(standard_input()?.into())
    }
}

impl Joint for Mutex {
    fn invite<J: Job<Self>>(self: &Arc<Self>, job: J) -> Result<Box<dyn Companion>> {
        companion::partner(MUTEX, "", job, Some(self.file.try_clone()?))
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

/// A bare word in shared memory, which is added to at once.
#[derive(Debug)]
pub(crate) struct Word {
    word: &'static AtomicU64,
    file: OwnedFd,
}

impl Word {
    pub(crate) fn create() -> Result<Self> {
        Self::open(memory::create("brigade-bench", SIZE as u64)?)
    }

    fn open(file: OwnedFd) -> Result<Self> {
        let mapping = Mapping::new(file.try_clone()?, SIZE)?;
        Ok(Self { word: mapping.get(0).ok_or("the shared page is too small")?, file })
    }

    /// In the partner: the one it was started with.
    pub(crate) fn inherited() -> Result<Self> {
        Self::open(standard_input()?.into())
    }
}

impl Joint for Word {
    fn invite<J: Job<Self>>(self: &Arc<Self>, job: J) -> Result<Box<dyn Companion>> {
        companion::partner(WORD, "", job, Some(self.file.try_clone()?))
    }
}

impl Turns for Word {
    #[inline]
    fn turn(&self, within: impl FnOnce() -> Result<()>) -> Result<()> {
        self.word.fetch_add(1, Relaxed);
        within()
    }

    fn total(&self) -> Result<u64> {
        Ok(self.word.load(Relaxed))
    }
}

fn check(code: libc::c_int) -> Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code).into()) }
}
