//! Children for tests: run a function in a forked child, and see how it ended.
//!
//! # Safety
//!
//! A forked child of a test program may find a lock of the library held by a thread that it does
//! not have; the C library repairs its allocator after a fork, and the functions run here use
//! nothing else that has locks.
#![allow(unsafe_code)]

/// A forked child that is killed and reaped when dropped.
pub(crate) struct Child(libc::pid_t);

impl Child {
    /// Runs `body` in a forked child, which exits when `body` returns.
    pub(crate) fn run(body: impl FnOnce()) -> Self {
        // SAFETY: see the head of this file.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "fork failed");
        if pid == 0 {
            body();
            // SAFETY: ends the child without running the parent's exit handlers.
            unsafe { libc::_exit(0) }
        }
        Self(pid)
    }

    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Waits for the child to end by itself.
    pub(crate) fn join(self) {
        self.reap();
        std::mem::forget(self);
    }

    fn reap(&self) {
        let mut status = 0;
        // SAFETY: waits for a child of ours.
        unsafe { libc::waitpid(self.0, &raw mut status, 0) };
    }
}

impl Drop for Child {
    #[expect(clippy::disallowed_methods, reason = "the child is not reaped yet")]
    fn drop(&mut self) {
        // SAFETY: the child is not reaped yet, so the id is its own.
        unsafe { libc::kill(self.0, libc::SIGKILL) };
        self.reap();
    }
}

/// Ends the calling process at once, as `kill -9` does.
pub(crate) fn die() {
    // SAFETY: a signal to ourselves.
    unsafe { libc::raise(libc::SIGKILL) };
}
