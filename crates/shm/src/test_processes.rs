//! Children for tests: run a function in a forked child that holds what we hold.
//!
//! # Safety
//!
//! A forked child of a test program may find a lock of the library held by a thread that it does
//! not have; the C library repairs its allocator after a fork, and [`SERIAL`] keeps the locks of
//! this crate free while a child is forked.
#![allow(unsafe_code)]

use std::sync::{Mutex, MutexGuard, PoisonError};

use brigade_sys::kill_point::arm;

use crate::arena::fork_begin;

/// Held by each test that forks, so that no other thread is inside this crate meanwhile.
static SERIAL: Mutex<()> = Mutex::new(());

/// Lets one test fork at a time.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    SERIAL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It came to the end of its function.
    Finished,
    /// A signal ended it.
    Killed,
    /// Its function panicked.
    Failed,
}

/// A forked child that is killed and reaped when dropped.
#[derive(Debug)]
pub(crate) struct Child(libc::pid_t);

impl Child {
    /// Runs `body` in a forked child, which exits when `body` returns.
    pub(crate) fn run(body: impl FnOnce()) -> Self {
        let fork = fork_begin().expect("a process slot is free");
        // SAFETY: see the head of this file.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "fork failed");
        if pid > 0 {
            fork.in_parent(pid.cast_unsigned());
            return Self(pid);
        }
        let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            fork.in_child().expect("the parent lives");
            body();
        }))
        .map_or(1, |()| 0);
        // SAFETY: ends the child without running the parent's exit handlers.
        unsafe { libc::_exit(code) }
    }

    /// Runs `body` in a child that dies at its labelled step number `count`, and waits for its end.
    pub(crate) fn die_at(count: u32, body: impl FnOnce()) -> End {
        Self::run(|| {
            arm(count);
            body();
        })
        .join()
    }

    /// Waits for the child to end.
    pub(crate) fn join(self) -> End {
        let end = self.reap();
        std::mem::forget(self);
        end
    }

    /// Kills the child and waits for its end.
    pub(crate) fn kill(self) {
        drop(self);
    }

    fn reap(&self) -> End {
        let mut status = 0;
        // SAFETY: waits for a child of ours.
        unsafe { libc::waitpid(self.0, &raw mut status, 0) };
        match status {
            0 => End::Finished,
            status if libc::WIFSIGNALED(status) => End::Killed,
            _ => End::Failed,
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

/// Runs `body` in children that die at their first, second, third ... labelled step, until one
/// comes through; after each, `check` looks at what the dead one left. Returns how many died.
pub(crate) fn at_every_step(body: impl Fn(), mut check: impl FnMut(End)) -> u32 {
    for count in 1..1000 {
        let end = Child::die_at(count, &body);
        assert_ne!(end, End::Failed, "the child panicked before step {count}");
        check(end);
        if end == End::Finished {
            return count - 1;
        }
    }
    panic!("the operation has too many steps");
}
