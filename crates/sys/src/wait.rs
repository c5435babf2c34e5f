//! Waiting on many things: what a thing must say so that a thread can sleep until it is ready.

use std::os::fd::BorrowedFd;
use std::sync::atomic::AtomicU32;

/// Something that [`wait`](fn@wait) can wait for: a queue, a pipe, a socket, a process, an event.
pub trait Waitable {
    /// Whether the thing is ready now: an operation on it would not block. End of stream counts.
    fn is_ready(&self) -> bool;

    /// Adds to `sleep` what will change when the thing becomes ready.
    ///
    /// [`wait`](fn@wait) asks [`is_ready`](Self::is_ready) once more after this call, so a change
    /// between the two is not lost.
    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>);
}

/// What a thread is about to sleep on.
#[derive(Debug, Default)]
pub struct Sleep<'a> {
    words: Vec<(&'a AtomicU32, u32)>,
    descriptors: Vec<BorrowedFd<'a>>,
}

impl<'a> Sleep<'a> {
    /// Wakes when someone wakes the futex `word`; does not sleep when it is no longer `expected`.
    pub fn word(&mut self, word: &'a AtomicU32, expected: u32) {
        self.words.push((word, expected));
    }

    /// Wakes when `descriptor` becomes readable or its other end has gone.
    pub fn descriptor(&mut self, descriptor: BorrowedFd<'a>) {
        self.descriptors.push(descriptor);
    }
}
