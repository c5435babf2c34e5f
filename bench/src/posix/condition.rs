//! The C library's condition variable in shared memory, with its mutex.
//!
//! # Safety
//!
//! Both lie in a mapping that is never unmapped, on cache lines of their own, so they stay where
//! they are and are aligned. They are initialized by the process that made the memory, before the
//! partner is started.
#![allow(unsafe_code)]

use crate::Result;
use crate::companion::{self, Companion, Job, Joint};
use crate::posix::page::Page;
use crate::posix::{check, mutex};
use crate::relay::Relay;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

pub(crate) const KIND: &str = "condition";

const CONDITION: usize = 128;
const TURN: usize = 256;

/// A number that says whose turn it is: odd for who hands back.
#[derive(Debug)]
pub(crate) struct Condition {
    mutex: *mut libc::pthread_mutex_t,
    condition: *mut libc::pthread_cond_t,
    turn: &'static AtomicU64,
    page: Page,
}

impl Condition {
    pub(crate) fn create() -> Result<Self> {
        let this = Self::on(Page::create()?)?;
        mutex::initialize(this.mutex, mutex::Robustness::Stalled)?;
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: the pointer leads to memory for an attribute object.
        check(unsafe { libc::pthread_condattr_init(attributes.as_mut_ptr()) })?;
        let attributes = attributes.as_mut_ptr();
        let shared = libc::PTHREAD_PROCESS_SHARED;
        // SAFETY: the attributes were initialized above.
        check(unsafe { libc::pthread_condattr_setpshared(attributes, shared) })?;
        // SAFETY: aligned memory that nobody else knows yet; the attributes are valid.
        check(unsafe { libc::pthread_cond_init(this.condition, attributes) })?;
        Ok(this)
    }

    /// In the partner: the one it was started with.
    pub(crate) fn inherited() -> Result<Self> {
        Self::on(Page::inherited()?)
    }

    fn on(page: Page) -> Result<Self> {
        Ok(Self {
            mutex: page.place(0)?,
            condition: page.place(CONDITION)?,
            turn: page.word(TURN)?,
            page,
        })
    }

    fn lock(&self) -> Result<()> {
        // SAFETY: the mutex was initialized before this process had it.
        check(unsafe { libc::pthread_mutex_lock(self.mutex) })
    }

    fn unlock(&self) -> Result<()> {
        // SAFETY: the callers have locked it.
        check(unsafe { libc::pthread_mutex_unlock(self.mutex) })
    }

    fn wait_for(&self, turn: u64) -> Result<()> {
        while self.turn.load(Relaxed) != turn {
            // SAFETY: both were initialized, and the callers have locked the mutex.
            check(unsafe { libc::pthread_cond_wait(self.condition, self.mutex) })?;
        }
        Ok(())
    }

    fn pass(&self, turn: u64) -> Result<()> {
        self.turn.store(turn, Relaxed);
        // SAFETY: the condition was initialized before this process had it.
        check(unsafe { libc::pthread_cond_signal(self.condition) })
    }
}

impl Joint for Condition {
    fn invite<J: Job<Self>>(self: &Arc<Self>, job: J) -> Result<Box<dyn Companion>> {
        companion::partner(KIND, "", job, self.page.for_partner()?)
    }
}

impl Relay for Condition {
    fn hand_over(&self, round: u64) -> Result<()> {
        self.lock()?;
        self.pass(2 * round + 1)?;
        self.wait_for(2 * round + 2)?;
        self.unlock()
    }

    fn hand_back(&self, round: u64) -> Result<()> {
        self.lock()?;
        self.wait_for(2 * round + 1)?;
        self.pass(2 * round + 2)?;
        self.unlock()
    }
}
