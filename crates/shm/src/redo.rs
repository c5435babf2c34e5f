//! The redo log: several words changed as if by one store.
//!
//! | `count` | meaning                                                                          |
//! |---------|----------------------------------------------------------------------------------|
//! | 0       | every word is what it should be; the entries mean nothing                        |
//! | n       | the first n entries are a change that has happened, and is being made in place   |
//!
//! Whoever holds the log's lock notes which words get which values, stores the number of notes
//! (that store is the change), makes the change in place, and stores zero. The values are absolute,
//! so making a change twice is making it once.
//!
//! Without the lock a word can be read by itself; two words that belong together are read under it.
//!
//! # Why no wake-up is lost
//!
//! Nobody sleeps here but on the lock itself. A change that others wait for is committed inside the
//! ring of their bell.
//!
//! # What a dead process leaves
//!
//! *Before the store of `count`*: notes that nobody reads. *After it*: a change that has happened
//! and is not all in place. The kernel hands the lock to the next, which makes the change again
//! before it looks at anything.

use brigade_sys::atomic::AtomicU64;
use brigade_sys::atomic::Ordering::{Relaxed, Release};
use brigade_sys::kill_point::kill_point;
use brigade_sys::memory::Shareable;
use brigade_sys::robust::{Acquired, RobustLock};
use brigade_sys::time::Deadline;

use crate::arena::Arena;

/// How many words one change can have.
pub(crate) const ENTRIES: usize = 16;

/// The lock and the notes. Lies in shared memory.
#[repr(C, align(64))]
pub(crate) struct RedoLog {
    lock: RobustLock,
    count: AtomicU64,
    entries: [Entry; ENTRIES],
}

#[repr(C)]
struct Entry {
    /// Where the word lies in the arena.
    offset: AtomicU64,
    value: AtomicU64,
}

// SAFETY: shareable parts throughout; all zeros is a free log without notes.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for RedoLog {}

/// The right to change what the log guards. Dropped, it lets the next one in; notes that were not
/// committed are forgotten.
pub(crate) struct Transaction {
    log: &'static RedoLog,
    arena: &'static Arena,
    notes: usize,
    acquired: Acquired,
}

impl RedoLog {
    /// Waits for the lock until `deadline`, and makes the change that a dead holder left.
    pub(crate) fn begin(
        &'static self,
        arena: &'static Arena,
        deadline: Deadline,
    ) -> Option<Transaction> {
        let acquired = self.lock.lock(deadline)?;
        kill_point("redo.locked");
        let transaction = Transaction { log: self, arena, notes: 0, acquired };
        transaction.apply();
        Some(transaction)
    }

    /// Whether a holder died inside and nobody has come since: what is read without the lock may
    /// be half changed.
    pub(crate) fn is_orphaned(&self) -> bool {
        self.lock.is_orphaned()
    }
}

impl Transaction {
    /// Whether the last holder died: what is kept only to be quick, outside the log, must be
    /// computed anew.
    pub(crate) fn owner_died(&self) -> bool {
        self.acquired == Acquired::OwnerDied
    }

    /// Notes that `word`, which lies in the arena, becomes `value` when the change is committed.
    ///
    /// # Panics
    ///
    /// Panics when the change has more than [`ENTRIES`] words: a mistake of the caller's, since the
    /// number of words never depends on what lies in shared memory.
    pub(crate) fn set(&mut self, word: &'static AtomicU64, value: u64) {
        let entry = &self.log.entries[self.notes];
        // A word outside the arena cannot come from a `Mapping`; zero is the arena's magic number,
        // which `apply` leaves alone.
        let offset = self.arena.mapping().offset_of(word).unwrap_or(0);
        entry.offset.store(offset as u64, Relaxed);
        entry.value.store(value, Relaxed);
        self.notes += 1;
    }

    /// Makes the noted change. The notes are used up, and others can be made.
    pub(crate) fn commit(&mut self) {
        kill_point("redo.noted");
        // PAIR redo: the notes are there before their number. A dead holder's successor comes by
        // the lock, which it acquires.
        self.log.count.store(self.notes as u64, Release);
        kill_point("redo.committed");
        self.notes = 0;
        self.apply();
    }

    fn apply(&self) {
        let count = usize::try_from(self.log.count.load(Relaxed)).unwrap_or(0);
        if count == 0 {
            return;
        }
        // A number that is too large was written by a faulty process.
        for entry in self.log.entries.iter().take(count) {
            let offset = usize::try_from(entry.offset.load(Relaxed)).unwrap_or(0);
            if let Some(word) = self.arena.mapping().get::<AtomicU64>(offset)
                && offset != 0
            {
                // PAIR redo: not before the number of the notes, and not after its end; and who
                // reads the word by itself sees what was written before the change.
                word.store(entry.value.load(Relaxed), Release);
                kill_point("redo.stored");
            }
        }
        // PAIR redo: every word is in place before the change is forgotten.
        self.log.count.store(0, Release);
        kill_point("redo.applied");
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        kill_point("redo.unlock");
        self.log.lock.unlock();
    }
}

#[cfg(test)]
#[path = "redo_tests.rs"]
mod tests;
