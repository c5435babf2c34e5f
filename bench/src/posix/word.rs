//! Bare words in shared memory: the bounds of counters and of handing over.

use crate::Result;
use crate::companion::{self, Companion, Job, Joint};
use crate::posix::page::Page;
use crate::relay::Relay;
use crate::turns::Turns;
use brigade_sys::futex;
use brigade_sys::time::Deadline;
use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};

pub(crate) const COUNTER: &str = "word";
pub(crate) const FUTEX: &str = "futex";
pub(crate) const SPINNING: &str = "spinning";

/// A word that is added to at once.
#[derive(Debug)]
pub(crate) struct Counter {
    word: &'static AtomicU64,
    page: Page,
}

impl Counter {
    pub(crate) fn create() -> Result<Self> {
        Self::on(Page::create()?)
    }

    pub(crate) fn inherited() -> Result<Self> {
        Self::on(Page::inherited()?)
    }

    fn on(page: Page) -> Result<Self> {
        Ok(Self { word: page.word(0)?, page })
    }
}

impl Joint for Counter {
    fn invite<J: Job<Self>>(self: &Arc<Self>, job: J) -> Result<Box<dyn Companion>> {
        companion::partner(COUNTER, "", job, self.page.for_partner()?)
    }
}

impl Turns for Counter {
    #[inline]
    fn turn(&self, within: impl FnOnce() -> Result<()>) -> Result<()> {
        self.word.fetch_add(1, Relaxed);
        within()
    }

    fn total(&self) -> Result<u64> {
        Ok(self.word.load(Relaxed))
    }
}

/// A word that says whose turn it is: even for who hands over, odd for who hands back.
#[derive(Debug)]
pub(crate) struct Baton {
    kind: &'static str,
    turn: &'static AtomicU32,
    page: Page,
}

impl Baton {
    /// One that is waited for asleep.
    pub(crate) fn futex() -> Result<Self> {
        Self::on(FUTEX, Page::create()?)
    }

    /// One that is waited for awake.
    pub(crate) fn spinning() -> Result<Self> {
        Self::on(SPINNING, Page::create()?)
    }

    pub(crate) fn inherited(kind: &str) -> Result<Self> {
        Self::on(if kind == FUTEX { FUTEX } else { SPINNING }, Page::inherited()?)
    }

    fn on(kind: &'static str, page: Page) -> Result<Self> {
        Ok(Self { kind, turn: page.word(0)?, page })
    }

    fn wait_for(&self, turn: u32) {
        loop {
            let found = self.turn.load(Acquire); // PAIR baton: with the store in `pass`.
            if found == turn {
                return;
            }
            if self.kind == FUTEX {
                futex::wait(self.turn, found, Deadline::after_option(None));
            } else {
                spin_loop();
            }
        }
    }

    fn pass(&self, turn: u32) {
        self.turn.store(turn, Release); // PAIR baton: what was done before it.
        if self.kind == FUTEX {
            futex::wake(self.turn, 1);
        }
    }
}

impl Joint for Baton {
    fn invite<J: Job<Self>>(self: &Arc<Self>, job: J) -> Result<Box<dyn Companion>> {
        companion::partner(self.kind, "", job, self.page.for_partner()?)
    }
}

impl Relay for Baton {
    fn hand_over(&self, round: u64) -> Result<()> {
        self.pass(odd(round));
        self.wait_for(odd(round).wrapping_add(1));
        Ok(())
    }

    fn hand_back(&self, round: u64) -> Result<()> {
        self.wait_for(odd(round));
        self.pass(odd(round).wrapping_add(1));
        Ok(())
    }
}

/// The word during the other side's part of a round.
fn odd(round: u64) -> u32 {
    (round as u32).wrapping_mul(2).wrapping_add(1)
}
