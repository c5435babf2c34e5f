//! The C library's mutex in shared memory, and the bare word that is the bound of everything.
//!
//! # Safety
//!
//! The mutex lies in a mapping that is never unmapped, at the beginning of a page, so it stays
//! where it is and is aligned. It is initialized by the process that made the memory, before the
//! partner is started.
#![allow(unsafe_code)]

use crate::Result;
use brigade_sys::memory::{self, Mapping};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// The mapping: the mutex on its first cache lines, the counter behind it.
const SIZE: usize = 4096;
const COUNTER: usize = 256;

/// What the kernel does with a mutex whose owner dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Robustness {
    Stalled,
    Robust,
}

/// A mutex and the counter that it protects, shared by two processes.
#[derive(Debug)]
pub(crate) struct Mutex {
    mutex: *mut libc::pthread_mutex_t,
    counter: &'static AtomicU64,
}

impl Mutex {
    /// Makes both in new memory, and returns the descriptor that the partner opens.
    pub(crate) fn create(robustness: Robustness) -> Result<(Self, OwnedFd)> {
        let file = memory::create("brigade-bench", SIZE as u64)?;
        let partners = file.try_clone()?;
        let this = Self::open(file)?;
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
        Ok((this, partners))
    }

    /// Opens what [`create`](Self::create) has made.
    pub(crate) fn open(file: OwnedFd) -> Result<Self> {
        let mapping = Mapping::new(file, SIZE)?;
        let missing = "the shared page is too small";
        let mutex = mapping.bytes(0, size_of::<libc::pthread_mutex_t>()).ok_or(missing)?.cast();
        let counter = mapping.get(COUNTER).ok_or(missing)?;
        Ok(Self { mutex, counter })
    }

    /// Adds one under the mutex: a load and a store, which only the mutex keeps together.
    #[inline]
    pub(crate) fn add(&self) -> Result<()> {
        // SAFETY: the mutex was initialized before this process had it.
        check(unsafe { libc::pthread_mutex_lock(self.mutex) })?;
        self.counter.store(self.counter.load(Relaxed) + 1, Relaxed);
        // SAFETY: this thread locked it two lines above.
        check(unsafe { libc::pthread_mutex_unlock(self.mutex) })
    }

    /// Adds one without the mutex.
    #[inline]
    pub(crate) fn add_atomically(&self) {
        self.counter.fetch_add(1, Relaxed);
    }

    pub(crate) fn count(&self) -> u64 {
        self.counter.load(Relaxed)
    }
}

fn check(code: libc::c_int) -> Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code).into()) }
}
