//! Children for tests: run a function in a forked child, and see how it ended.
//!
//! # Safety
//!
//! A forked child of a test program may find a lock of the library held by a thread that it does
//! not have; the C library repairs its allocator after a fork, and the functions run here use
//! nothing else that has locks.
#![allow(unsafe_code)]

/// How long a child may run, in seconds: one that hangs is ended by the alarm.
const LONGEST: u32 = 60;

/// A forked child that is killed and reaped when dropped.
#[derive(Debug)]
pub struct Child(libc::pid_t);

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Child {
    /// Runs `body` in a forked child, which exits when `body` returns.
    ///
    /// # Panics
    ///
    /// Panics when the system gives no process.
    pub fn run(body: impl FnOnce()) -> Self {
        // SAFETY: see the head of this file.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "fork failed");
        if pid == 0 {
            // SAFETY: asks for a signal, whose default action ends this child.
            unsafe { libc::alarm(LONGEST) };
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
            // SAFETY: ends the child without running the parent's exit handlers.
            unsafe { libc::_exit(if ended.is_ok() { 0 } else { 101 }) }
        }
        Self(pid)
    }

    /// The child's process id.
    pub fn pid(&self) -> u32 {
        self.0.cast_unsigned()
    }

    /// Ends the child as `kill -9` does.
    pub fn kill(self) {
        drop(self);
    }

    /// Waits for the child to end by itself, and says how it did.
    pub fn join(self) -> Ended {
        let ended = self.reap();
        std::mem::forget(self);
        ended
    }

    fn reap(&self) -> Ended {
        let mut status = 0;
        // SAFETY: waits for a child of ours.
        unsafe { libc::waitpid(self.0, &raw mut status, 0) };
        if libc::WIFSIGNALED(status) {
            Ended::Signal(libc::WTERMSIG(status))
        } else {
            Ended::Code(libc::WEXITSTATUS(status))
        }
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

/// Stops the calling process, until it is continued or killed.
pub fn stop() {
    // SAFETY: a signal to ourselves.
    unsafe { libc::raise(libc::SIGSTOP) };
}

/// Ends the calling process at once, as `kill -9` does.
pub fn die() {
    // SAFETY: a signal to ourselves.
    unsafe { libc::raise(libc::SIGKILL) };
}
