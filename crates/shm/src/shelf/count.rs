//! Counts that are changed under the lock and looked at without it.

use brigade_sys::atomic::AtomicU64;
use brigade_sys::atomic::Ordering::{Acquire, Relaxed, Release};
use brigade_sys::memory::Shareable;

/// A count.
#[repr(transparent)]
pub(super) struct Count(AtomicU64);

// SAFETY: one atomic.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Count {}

impl Count {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Acquire) // PAIR count: with the store in `set`.
    }

    pub(super) fn set(&self, count: u64) {
        // PAIR count: who sees the count sees what was done before.
        self.0.store(count, Release);
    }

    pub(super) fn raise(&self) {
        self.set(self.0.load(Relaxed).wrapping_add(1));
    }

    pub(super) fn lower(&self) {
        // A count that a faulty process wrote may be too small.
        self.set(self.0.load(Relaxed).saturating_sub(1));
    }
}
