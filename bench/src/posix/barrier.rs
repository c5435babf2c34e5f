//! The C library's barrier in shared memory, for two.
//!
//! # Safety
//!
//! It lies in a mapping that is never unmapped, at the beginning of a page, so it stays where it is
//! and is aligned. It is initialized by the process that made the memory, before the partner is
//! started.
#![allow(unsafe_code)]

use crate::Result;
use crate::companion::{self, Companion, Job, Joint};
use crate::posix::check;
use crate::posix::page::Page;
use crate::relay::Relay;
use std::mem::MaybeUninit;
use std::sync::Arc;

pub(crate) const KIND: &str = "barrier";

#[derive(Debug)]
pub(crate) struct Barrier {
    barrier: *mut libc::pthread_barrier_t,
    page: Page,
}

impl Barrier {
    pub(crate) fn create() -> Result<Self> {
        let this = Self::on(Page::create()?)?;
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: the pointer leads to memory for an attribute object.
        check(unsafe { libc::pthread_barrierattr_init(attributes.as_mut_ptr()) })?;
        let attributes = attributes.as_mut_ptr();
        let shared = libc::PTHREAD_PROCESS_SHARED;
        // SAFETY: the attributes were initialized above.
        check(unsafe { libc::pthread_barrierattr_setpshared(attributes, shared) })?;
        // SAFETY: aligned memory that nobody else knows yet; the attributes are valid.
        check(unsafe { libc::pthread_barrier_init(this.barrier, attributes, 2) })?;
        Ok(this)
    }

    /// In the partner: the one it was started with.
    pub(crate) fn inherited() -> Result<Self> {
        Self::on(Page::inherited()?)
    }

    fn on(page: Page) -> Result<Self> {
        Ok(Self { barrier: page.place(0)?, page })
    }

    fn wait(&self) -> Result<()> {
        // SAFETY: the barrier was initialized before this process had it.
        match unsafe { libc::pthread_barrier_wait(self.barrier) } {
            libc::PTHREAD_BARRIER_SERIAL_THREAD => Ok(()),
            code => check(code),
        }
    }
}

impl Joint for Barrier {
    fn invite<J: Job<Self>>(self: &Arc<Self>, job: J) -> Result<Box<dyn Companion>> {
        companion::partner(KIND, "", job, self.page.for_partner()?)
    }
}

impl Relay for Barrier {
    fn hand_over(&self, _round: u64) -> Result<()> {
        self.wait()
    }

    fn hand_back(&self, _round: u64) -> Result<()> {
        self.wait()
    }
}
