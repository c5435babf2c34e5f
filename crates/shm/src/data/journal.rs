//! The journal: how several words that others read are changed by one store.
//!
//! | sequence | meaning                                                                        |
//! |----------|--------------------------------------------------------------------------------|
//! | even     | everything is whole; the note is free for the holder of the lock               |
//! | odd      | the note holds a change that has happened, and is being made in place          |
//!
//! What a note is and where it lies, the object knows that the journal belongs to; `target` is for
//! it to tell one note from another. A writer fills the note, makes the sequence odd (that store is
//! the change), makes the change in place and makes the sequence even. A reader reads the sequence,
//! what it wants, and the sequence again: if it is the same even number, nothing that it read was
//! written meanwhile. If not, it reads again, and after some tries under the lock.
//!
//! # Why no wake-up is lost
//!
//! Nobody sleeps here but on the lock itself.
//!
//! # What a dead process leaves
//!
//! With an even sequence, bytes in the note that mean nothing. With an odd one, a change that has
//! happened and is not all made: the next holder of the lock makes it again, however often it takes,
//! and so does a reader, which comes to the lock because the sequence stays odd.
//!
//! # Why not the redo log
//!
//! [`RedoLog`](crate::redo::RedoLog) changes a few words, and who wants two of them that belong
//! together takes its lock. Here a change may be as large as the object, and readers of large
//! elements take no lock: the sequence tells them whether they have read a mixture.

use brigade_sys::atomic::Ordering::{Acquire, Relaxed, Release};
use brigade_sys::atomic::{AtomicU64, fence};
use brigade_sys::kill_point::kill_point;
use brigade_sys::memory::Shareable;
use brigade_sys::robust::RobustLock;

use super::guard::Guard;

/// How often a reader tries without the lock.
const TRIES: u32 = 64;

/// The lock and the state of the change. Lies in shared memory; the note lies elsewhere.
#[repr(C, align(64))]
pub(crate) struct Journal {
    lock: RobustLock,
    sequence: AtomicU64,
    /// Which note holds the change, or what it is for, while the sequence is odd.
    target: AtomicU64,
}

// SAFETY: shareable parts throughout; all zeros is a journal without a change.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Journal {}

/// The right to change what the journal guards. Every change begun before is complete.
pub(crate) struct Locked {
    journal: &'static Journal,
    _guard: Guard,
}

impl Journal {
    /// Takes the lock, and makes the noted change by `make` if its writer died before it had.
    ///
    /// `make` is given the target, which makes no sense if a faulty process wrote it.
    #[inline]
    pub(crate) fn lock(&'static self, make: impl FnOnce(u64)) -> Locked {
        let locked = Locked { journal: self, _guard: Guard::new(&self.lock) };
        if is_odd(self.sequence.load(Relaxed)) {
            make(self.target.load(Relaxed));
            locked.finish();
        }
        locked
    }

    /// Waits for the end of a change that has happened and is not all made, if there is one, and
    /// makes it if its maker died. `lock` takes the lock.
    #[inline]
    pub(crate) fn settle(&self, lock: impl FnOnce() -> Locked) {
        // PAIR sequence: what a change has made is visible once it is complete.
        if is_odd(self.sequence.load(Acquire)) {
            drop(self.settled(lock));
        }
    }

    /// Reads by `read`, which may see a mixture, until it has seen none. `lock` takes the lock.
    #[inline]
    pub(crate) fn read<R>(&self, mut read: impl FnMut() -> R, lock: impl FnOnce() -> Locked) -> R {
        // The first try by itself, since it is hardly ever in vain.
        match self.try_read(&mut read) {
            Some(result) => result,
            None => self.read_again(read, lock),
        }
    }

    /// Reads by `read`, which may see a mixture; `None` when it may have seen one.
    #[inline]
    pub(crate) fn try_read<R>(&self, read: impl FnOnce() -> R) -> Option<R> {
        // PAIR sequence: what was written before it was made even is visible.
        let before = self.sequence.load(Acquire);
        if is_odd(before) {
            return None;
        }
        let result = read();
        // PAIR row: if a word of a later change was read, its sequence is seen.
        fence(Acquire);
        (self.sequence.load(Relaxed) == before).then_some(result)
    }

    #[cold]
    fn read_again<R>(&self, mut read: impl FnMut() -> R, lock: impl FnOnce() -> Locked) -> R {
        for _ in 1..TRIES {
            if is_odd(self.sequence.load(Relaxed)) {
                break;
            }
            if let Some(result) = self.try_read(&mut read) {
                return result;
            }
        }
        let _locked = self.settled(lock);
        read()
    }

    /// Takes the lock, so that no change is half made. The holder of the lock itself has seen to
    /// that: whoever changes the sequence meanwhile is a faulty process.
    #[cold]
    fn settled(&self, lock: impl FnOnce() -> Locked) -> Option<Locked> {
        (!self.lock.is_mine()).then(lock)
    }
}

impl Locked {
    /// Commits the change in the note that `target` names, and makes it by `make`.
    pub(crate) fn commit(&self, target: u64, make: impl FnOnce()) {
        self.journal.target.store(target, Relaxed);
        kill_point("journal.commit");
        let sequence = self.journal.sequence.load(Relaxed);
        // PAIR sequence: with the load in `read`. The note is complete.
        self.journal.sequence.store(sequence.wrapping_add(1), Release);
        kill_point("journal.committed");
        // PAIR row: whoever reads a word that `make` writes sees at least this sequence.
        fence(Release);
        make();
        self.finish();
    }

    /// Says that words that readers do not know of are about to be filled in place: a reader that
    /// still takes one for what it was before reads again.
    pub(crate) fn begin(&self) {
        let sequence = self.journal.sequence.load(Relaxed);
        // PAIR sequence: with the load in `read`.
        self.journal.sequence.store(sequence.wrapping_add(2), Release);
        // PAIR row: whoever reads a word written from here on sees at least this sequence.
        fence(Release);
        kill_point("journal.begun");
    }

    fn finish(&self) {
        let sequence = self.journal.sequence.load(Relaxed);
        // PAIR sequence: with the load in `read`. The change is made.
        self.journal.sequence.store(sequence.wrapping_add(1), Release);
        kill_point("journal.finished");
    }
}

fn is_odd(sequence: u64) -> bool {
    !sequence.is_multiple_of(2)
}
