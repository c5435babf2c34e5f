//! The journal: how a row of words that others read is changed by one store.
//!
//! | sequence | meaning                                                                        |
//! |----------|--------------------------------------------------------------------------------|
//! | even     | every row is whole; the note is free for the holder of the lock                |
//! | odd      | the note holds the new content of row `target`, which is being copied there    |
//!
//! A writer fills the note, makes the sequence odd (that store is the change), copies the note to
//! its row and makes the sequence even. A reader reads the sequence, the row, and the sequence
//! again: if it is the same even number, no word of the row was written meanwhile. If not, it reads
//! again, and after some tries under the lock.
//!
//! # Why no wake-up is lost
//!
//! Nobody sleeps here but on the lock itself.
//!
//! # What a dead process leaves
//!
//! With an even sequence, bytes in the note that mean nothing. With an odd one, a change that has
//! happened and is not all copied: the next holder of the lock copies it again, however often it
//! takes, and so does a reader, which comes to the lock because the sequence stays odd.

use brigade_sys::atomic::Ordering::{Acquire, Relaxed, Release};
use brigade_sys::atomic::{AtomicU64, fence};
use brigade_sys::kill_point::kill_point;
use brigade_sys::memory::Shareable;
use brigade_sys::robust::RobustLock;

use super::guard::Guard;
use super::words;

/// How often a reader tries without the lock.
const TRIES: u32 = 64;

/// The lock and the state of the rows. Lies in shared memory; the note lies elsewhere.
#[repr(C, align(64))]
pub(crate) struct Journal {
    lock: RobustLock,
    sequence: AtomicU64,
    /// Which row the note is for, while the sequence is odd.
    target: AtomicU64,
}

// SAFETY: shareable parts throughout; all zeros is a journal without a note.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Journal {}

/// The right to change the rows. Every change begun before is complete.
pub(crate) struct Locked<'a> {
    journal: &'static Journal,
    note: &'a [AtomicU64],
    _guard: Guard,
}

impl Journal {
    /// Takes the lock, and copies the note if its writer died before it had.
    ///
    /// `row` finds a row by its number; a number that makes no sense has no row.
    pub(crate) fn lock<'a>(
        &'static self,
        note: &'a [AtomicU64],
        row: impl FnOnce(usize) -> Option<&'a [AtomicU64]>,
    ) -> Locked<'a> {
        let locked = Locked { journal: self, note, _guard: Guard::new(&self.lock) };
        if is_odd(self.sequence.load(Relaxed)) {
            let target = usize::try_from(self.target.load(Relaxed)).ok();
            locked.copy(target.and_then(row).unwrap_or_default());
        }
        locked
    }

    /// Reads by `read`, which may see a mixture, until it has seen none. `lock` takes the lock.
    #[inline]
    pub(crate) fn read<'a, R>(&self, read: impl Fn() -> R, lock: impl FnOnce() -> Locked<'a>) -> R {
        for _ in 0..TRIES {
            // PAIR sequence: what was written before it was made even is visible.
            let before = self.sequence.load(Acquire);
            if is_odd(before) {
                break;
            }
            let result = read();
            // PAIR row: if a word of a later change was read, its sequence is seen.
            fence(Acquire);
            if self.sequence.load(Relaxed) == before {
                return result;
            }
        }
        let _locked = lock();
        read()
    }
}

impl Locked<'_> {
    /// Makes `bytes` the content of row number `target`, which is `row`.
    pub(crate) fn write(&self, target: usize, row: &[AtomicU64], bytes: &[u8]) {
        self.note(target, bytes);
        self.copy(row);
    }

    /// Says that rows that readers do not know of are about to be filled in place: a reader that
    /// still takes one for what it was before reads again.
    pub(crate) fn begin(&self) {
        let sequence = self.journal.sequence.load(Relaxed);
        // PAIR sequence: with the load in `read`.
        self.journal.sequence.store(sequence.wrapping_add(2), Release);
        // PAIR row: whoever reads a word written from here on sees at least this sequence.
        fence(Release);
        kill_point("journal.begun");
    }

    /// Fills the note and commits it.
    fn note(&self, target: usize, bytes: &[u8]) {
        words::store_bytes(self.note, bytes);
        self.journal.target.store(target as u64, Relaxed);
        kill_point("journal.commit");
        let sequence = self.journal.sequence.load(Relaxed);
        // PAIR sequence: with the load in `read`. The note is complete.
        self.journal.sequence.store(sequence.wrapping_add(1), Release);
        kill_point("journal.committed");
        // PAIR row: whoever reads a word that `copy` writes sees at least this sequence.
        fence(Release);
    }

    /// Copies the note to its row, which may have been done in part already.
    fn copy(&self, row: &[AtomicU64]) {
        words::copy(self.note, row);
        let sequence = self.journal.sequence.load(Relaxed);
        // PAIR sequence: with the load in `read`. The row is complete.
        self.journal.sequence.store(sequence.wrapping_add(1), Release);
        kill_point("journal.copied");
    }
}

fn is_odd(sequence: u64) -> bool {
    !sequence.is_multiple_of(2)
}
