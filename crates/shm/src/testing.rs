//! For tests of what a death leaves: children that hold their parent's objects, and die on cue.
//!
//! Exists only with the feature `kill-points`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use brigade_sys::kill_point::arm;
pub use brigade_sys::test_processes::Ended;
use brigade_sys::test_processes::{Child, die};

use crate::arena::fork_begin;

/// The signal that a death on cue looks like.
const SIGKILL: i32 = 9;

/// Lets one test of a program run at a time: a child that is forked while another test uses the
/// allocator's or the arena's locks would wait for a thread that it does not have.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `body` in a forked child that holds all objects of this process.
///
/// # Panics
///
/// Panics when the system gives no process.
pub fn start(body: impl FnOnce()) -> Child {
    let mut fork = Some(fork_begin().expect("there is room for a child"));
    let child = Child::run(|| {
        let taken = fork.take().map(|fork| fork.in_child());
        assert!(matches!(taken, Some(Ok(()))), "the child could not take its place");
        body();
    });
    if let Some(fork) = fork.take() {
        fork.in_parent(child.pid());
    }
    child
}

/// Runs `body` in a forked child and waits for its end.
pub fn run(body: impl FnOnce()) -> Ended {
    start(body).join()
}

/// Runs `operation` in a child that dies at the first labelled step, in one that dies at the
/// second, and so on until a child comes through. `check` runs after each of them, with whether
/// the child came through. Returns how many died.
///
/// # Panics
///
/// Panics when a child ends in another way than by its cue or by itself.
pub fn at_every_step(operation: impl Fn(), mut check: impl FnMut(bool)) -> u32 {
    for step in 1.. {
        let ended = run(|| {
            arm(step);
            operation();
            arm(0);
        });
        match ended {
            Ended::Signal(SIGKILL) => check(false),
            Ended::Code(0) => {
                check(true);
                return step - 1;
            }
            other => panic!("the child that was to die at step {step} ended with {other:?}"),
        }
    }
    unreachable!("an operation has an end")
}

/// Ends the calling process at once, as `kill -9` does.
pub fn end_here() {
    die();
}
