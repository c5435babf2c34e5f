//! The C library's semaphore in shared memory.
//!
//! # Safety
//!
//! The semaphores lie in a mapping that is never unmapped, on cache lines of their own, so they
//! stay where they are and are aligned. They are initialized by the process that made the memory,
//! before the partner is started. A name passed to the C library ends with a zero.
#![allow(unsafe_code)]

use crate::Result;
use crate::companion::{self, Companion, Job, Joint};
use crate::posix::page::Page;
use crate::relay::Relay;
use crate::turns::Turns;
use std::ffi::CStr;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

pub(crate) const MUTEX: &str = "semaphore";
pub(crate) const PAIR: &str = "semaphores";

const COUNTER: usize = 256;
const SECOND: usize = 128;

/// A semaphore of one permit, and the number that it protects.
#[derive(Debug)]
pub(crate) struct Mutex {
    semaphore: Semaphore,
    counter: &'static AtomicU64,
    page: Page,
}

impl Mutex {
    pub(crate) fn create() -> Result<Self> {
        let this = Self::on(Page::create()?)?;
        this.semaphore.initialize(1)?;
        Ok(this)
    }

    /// In the partner: the one it was started with.
    pub(crate) fn inherited() -> Result<Self> {
        Self::on(Page::inherited()?)
    }

    fn on(page: Page) -> Result<Self> {
        Ok(Self { semaphore: Semaphore(page.place(0)?), counter: page.word(COUNTER)?, page })
    }
}

impl Joint for Mutex {
    fn invite<J: Job<Self>>(self: &Arc<Self>, job: J) -> Result<Box<dyn Companion>> {
        companion::partner(MUTEX, "", job, self.page.for_partner()?)
    }
}

impl Turns for Mutex {
    #[inline]
    fn turn(&self, within: impl FnOnce() -> Result<()>) -> Result<()> {
        self.semaphore.wait()?;
        within()?;
        self.counter.store(self.counter.load(Relaxed) + 1, Relaxed);
        self.semaphore.post()
    }

    fn total(&self) -> Result<u64> {
        Ok(self.counter.load(Relaxed))
    }
}

/// A semaphore for each direction.
#[derive(Debug)]
pub(crate) struct Pair {
    there: Semaphore,
    back: Semaphore,
    page: Page,
}

impl Pair {
    pub(crate) fn create() -> Result<Self> {
        let this = Self::on(Page::create()?)?;
        this.there.initialize(0)?;
        this.back.initialize(0)?;
        Ok(this)
    }

    /// In the partner: the one it was started with.
    pub(crate) fn inherited() -> Result<Self> {
        Self::on(Page::inherited()?)
    }

    fn on(page: Page) -> Result<Self> {
        Ok(Self { there: Semaphore(page.place(0)?), back: Semaphore(page.place(SECOND)?), page })
    }
}

impl Joint for Pair {
    fn invite<J: Job<Self>>(self: &Arc<Self>, job: J) -> Result<Box<dyn Companion>> {
        companion::partner(PAIR, "", job, self.page.for_partner()?)
    }
}

impl Relay for Pair {
    fn hand_over(&self, _round: u64) -> Result<()> {
        self.there.post()?;
        self.back.wait()
    }

    fn hand_back(&self, _round: u64) -> Result<()> {
        self.there.wait()?;
        self.back.post()
    }
}

/// Where a semaphore is.
#[derive(Debug)]
struct Semaphore(*mut libc::sem_t);

impl Semaphore {
    fn initialize(&self, permits: u32) -> Result<()> {
        // SAFETY: aligned memory that nobody else knows yet.
        Ok(check(unsafe { libc::sem_init(self.0, 1, permits) })?)
    }

    #[inline]
    fn wait(&self) -> Result<()> {
        loop {
            // SAFETY: the semaphore was initialized before this process had it.
            match check(unsafe { libc::sem_wait(self.0) }) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return Ok(outcome?),
            }
        }
    }

    #[inline]
    fn post(&self) -> Result<()> {
        // SAFETY: as above.
        Ok(check(unsafe { libc::sem_post(self.0) })?)
    }
}

/// Makes a semaphore with a name, and removes both.
pub(crate) fn open_and_unlink(name: &CStr) -> Result<()> {
    // SAFETY: the name ends with a zero; the call takes a mode and a value after these flags.
    let semaphore =
        unsafe { libc::sem_open(name.as_ptr(), libc::O_CREAT | libc::O_EXCL, 0o600, 1) };
    if semaphore == libc::SEM_FAILED {
        return Err(io::Error::last_os_error().into());
    }
    // SAFETY: it was opened above and nobody else uses it.
    check(unsafe { libc::sem_close(semaphore) })?;
    // SAFETY: the name ends with a zero.
    Ok(check(unsafe { libc::sem_unlink(name.as_ptr()) })?)
}

/// These functions leave the number of the error in `errno`.
fn check(code: libc::c_int) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
