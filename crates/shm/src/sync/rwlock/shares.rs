//! Who reads and who writes: the words of a read-write lock.
//!
//! | word           | meaning                                                                    |
//! |----------------|----------------------------------------------------------------------------|
//! | `gate`         | held by the one who writes or waits to, and by readers on their way in     |
//! | `phase`        | zero: nobody writes, waits to, or left the value half-written              |
//! | `WANTED`       | a writer holds the gate; readers come in by the gate alone                 |
//! | `WRITING`      | it has the value to itself                                                 |
//! | `SUSPECT`      | a writer died in the middle, and nobody has called the value whole since   |
//! | `readers[slot]` | which process of the slot has how many shares                              |
//!
//! A reader adds itself to its process's word, and is in if it then finds `phase` zero; otherwise it
//! takes itself off again and goes through the gate. A writer takes the gate, says `WANTED`, and waits
//! until all words are zero. Each has a full fence between (W, R), so of a reader and a writer that
//! come at once, at least one sees the other. With the gate in a writer's hand nobody comes in, so a
//! writer waits only for those who are there; and who waits at the gate, to read or to write, has
//! its turn.
//!
//! Only the words of processes that hold the object are looked at: a reader's does.
//!
//! # Why no wake-up is lost
//!
//! At the gate it is the [`RobustLock`]'s affair. A writer that waits for readers looks at their words
//! between arming and sleeping. A reader that leaves as the last of its process, and finds that
//! `phase` is not zero, rings.
//!
//! # What a dead process leaves
//!
//! *A writer*: the gate, which the kernel gives to the next, and `phase`. The next one through the
//! gate turns `WRITING` into `SUSPECT` before it clears the rest, and `WANTED` alone into nothing.
//! *A reader*: its shares, in the name of a process that does not live, which counts for nothing. A
//! writer that waits watches the lives of those it waits for. *A reader on its way through the
//! gate*: the gate.

use brigade_sys::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use brigade_sys::atomic::{AtomicU64, fence};
use brigade_sys::bell::Bell;
use brigade_sys::kill_point::kill_point;
use brigade_sys::memory::Shareable;
use brigade_sys::robust::RobustLock;
use brigade_sys::time::Deadline;
use brigade_sys::wait::Sleep;

use crate::arena::MAX_PROCESSES;
use crate::arena::block::Block;
use crate::arena::census::{self, Tag};
use crate::handle::Handle;

const WANTED: u64 = 1;
const WRITING: u64 = 2;
const SUSPECT: u64 = 4;

/// The most shares of one process: far less than the word holds, so that threads that come at once
/// do not exceed it.
const MAX_SHARES: u32 = 1 << 30;

/// What lies in the block; the value follows it. The gate is at the front, where a handle that is
/// dropped looks for it.
#[repr(C, align(64))]
pub(super) struct Shared {
    gate: RobustLock,
    drained: Bell,
    phase: AtomicU64,
    _gap: [AtomicU64; 7],
    /// Neighbouring slots lie in different cache lines: see [`Shared::word`].
    readers: [AtomicU64; MAX_PROCESSES],
}

// SAFETY: shareable parts throughout; all zeros is a lock that nobody has.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Shared {}

/// How the value was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Whole,
    Suspect,
}

/// Whether to wait for the gate, and for the readers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    None,
    Until(Deadline),
}

impl Shared {
    /// Adds a share for the process `tag`; nothing when a writer is in the way, or when the process
    /// has too many.
    #[inline]
    pub(super) fn read(&'static self, tag: Tag, patience: Patience) -> Option<Found> {
        if self.add(tag) {
            kill_point("rwlock.reader-added");
            fence(SeqCst); // R
            // PAIR phase: what the last writer wrote is visible to who finds that it is gone.
            if self.phase.load(Acquire) == 0 {
                return Some(Found::Whole);
            }
            self.end_read(tag);
        }
        self.read_by_gate(tag, patience)
    }

    #[cold]
    fn read_by_gate(&'static self, tag: Tag, patience: Patience) -> Option<Found> {
        self.pass_gate(patience)?;
        // Nobody else is at the gate: what else `phase` says was said by one who died.
        self.phase.fetch_and(SUSPECT, Relaxed);
        kill_point("rwlock.gate-cleared");
        let added = self.add(tag);
        kill_point("rwlock.reader-let-in");
        let found = self.found();
        self.gate.unlock();
        kill_point("rwlock.gate-left");
        added.then_some(found)
    }

    /// Returns a share of the process `tag`.
    #[inline]
    pub(super) fn end_read(&'static self, tag: Tag) {
        let word = self.word(tag.slot);
        if shares(word.load(Relaxed), tag) == 0 {
            return;
        }
        kill_point("rwlock.reader-leaves");
        // PAIR readers: a writer that finds no reader comes after what they read.
        let before = word.fetch_sub(1, Release);
        kill_point("rwlock.reader-left");
        fence(SeqCst); // R
        if shares(before, tag) == 1 && self.phase.load(Relaxed) != 0 {
            // If this process dies here, the writer hears of that.
            self.drained.ring_after(|| ());
        }
    }

    /// Takes the gate and waits until nobody reads.
    pub(super) fn write(&'static self, handle: &Handle, patience: Patience) -> Option<Found> {
        if let Patience::None = patience
            && !self.is_drained(handle)
        {
            // Without keeping readers out for a moment.
            return None;
        }
        self.want_to_write(patience)?;
        let drained = match patience {
            Patience::None => self.is_drained(handle),
            Patience::Until(deadline) => self.drain(handle, deadline),
        };
        if !drained {
            self.end_write();
            return None;
        }
        Some(self.begin_to_write())
    }

    /// Takes the gate, and keeps readers out from now on.
    pub(super) fn want_to_write(&'static self, patience: Patience) -> Option<()> {
        self.pass_gate(patience)?;
        self.phase.fetch_or(WANTED, Relaxed);
        kill_point("rwlock.wanted");
        fence(SeqCst); // W
        Some(())
    }

    /// Says, by one who keeps readers out and found none inside, that it writes.
    pub(super) fn begin_to_write(&self) -> Found {
        let found = self.found();
        if found == Found::Whole {
            self.phase.fetch_or(WRITING, Relaxed);
            kill_point("rwlock.writing");
        }
        found
    }

    /// Lets the others in.
    pub(super) fn end_write(&'static self) {
        kill_point("rwlock.written");
        // PAIR phase: with the load in `read`.
        self.phase.fetch_and(SUSPECT, Release);
        kill_point("rwlock.unwanted");
        self.gate.unlock();
        kill_point("rwlock.gate-left");
    }

    /// Says, by the one who writes, that the value is whole.
    pub(super) fn recover_writing(&self) {
        self.phase.store(WANTED | WRITING, Relaxed);
        kill_point("rwlock.recovered");
    }

    /// Says, by one who reads, that the value is whole.
    pub(super) fn recover_reading(&self) {
        self.phase.fetch_and(!SUSPECT, Relaxed);
        kill_point("rwlock.recovered");
    }

    /// Whether a reader would be let in now.
    pub(super) fn is_readable(&self) -> bool {
        self.phase.load(Relaxed) & (WANTED | WRITING) == 0 || !self.gate.is_held()
    }

    pub(super) fn gate(&self) -> &RobustLock {
        &self.gate
    }

    fn pass_gate(&'static self, patience: Patience) -> Option<()> {
        // Whether the last one died at the gate says `phase`.
        let _ = match patience {
            Patience::None => self.gate.try_lock(),
            Patience::Until(deadline) => self.gate.lock(deadline),
        }?;
        kill_point("rwlock.gate-passed");
        if self.phase.load(Relaxed) & WRITING != 0 {
            self.phase.store(SUSPECT | WANTED, Relaxed);
            kill_point("rwlock.suspect");
        }
        Some(())
    }

    fn found(&self) -> Found {
        if self.phase.load(Relaxed) & SUSPECT == 0 { Found::Whole } else { Found::Suspect }
    }

    /// Waits until nobody reads; false at the deadline.
    fn drain(&'static self, handle: &Handle, deadline: Deadline) -> bool {
        if self.is_drained(handle) {
            return true;
        }
        handle.before_sleep();
        let arena = handle.arena();
        let look = || self.is_drained(handle).then_some(());
        let watch = |sleep: &mut Sleep<'static>| {
            self.reading(handle).for_each(|tag| census::watch(arena, tag.slot, sleep));
        };
        let drained = self.drained.wait(deadline, look, watch).is_some();
        self.bury_readers(handle);
        drained
    }

    /// Buries the dead among those who read, which wakes the others who watch them.
    pub(super) fn bury_readers(&self, handle: &Handle) {
        for tag in self.reading(handle) {
            census::is_gone(handle.arena(), tag);
        }
    }

    /// Adds what will change when nobody reads to what ends a sleep.
    pub(super) fn prepare_drained<'a>(&'a self, handle: &Handle, sleep: &mut Sleep<'a>) {
        self.drained.prepare(sleep);
        self.reading(handle).for_each(|tag| census::watch(handle.arena(), tag.slot, sleep));
    }

    pub(super) fn is_drained(&self, handle: &Handle) -> bool {
        self.reading(handle).all(|tag| census::has_died(handle.arena(), tag))
    }

    /// The processes that have shares, dead or alive.
    fn reading(&self, handle: &Handle) -> impl Iterator<Item = Tag> {
        let block: Option<&Block> = handle.arena().mapping().get(handle.place().offset);
        let slots = block.into_iter().flat_map(Block::holding_slots);
        slots.filter_map(|slot| {
            // PAIR readers: with `end_read`.
            let word = self.word(slot).load(Acquire);
            (word as u32 != 0).then_some(Tag { slot, generation: (word >> 32) as u32 })
        })
    }

    /// Adds a share; false when the process has too many.
    #[inline]
    fn add(&self, tag: Tag) -> bool {
        let word = self.word(tag.slot);
        let mut now = word.load(Relaxed);
        loop {
            let shares = shares(now, tag);
            if shares >= MAX_SHARES {
                return false;
            }
            let new = u64::from(tag.generation) << 32 | u64::from(shares + 1);
            match word.compare_exchange_weak(now, new, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(actual) => now = actual,
            }
        }
    }

    fn word(&self, slot: u16) -> &AtomicU64 {
        const LINES: usize = MAX_PROCESSES / 8;
        let slot = usize::from(slot) % MAX_PROCESSES;
        &self.readers[slot % LINES * 8 + slot / LINES]
    }
}

/// How many shares the process `tag` has by its word: those of a dead predecessor are not its.
fn shares(word: u64, tag: Tag) -> u32 {
    if (word >> 32) as u32 == tag.generation { word as u32 } else { 0 }
}
