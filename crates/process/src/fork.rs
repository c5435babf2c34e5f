//! Starting a copy of this process.

use std::io::{self, Write};

use brigade_sys::fork::{Forked, exit_now, fork};
use brigade_sys::signals::{self, Signals};
use brigade_sys::{descriptor, pidfd};

use crate::error::Trouble;
use crate::letter::{Letter, Tie};
use crate::process::Process;
use crate::{child, current, fork_server, inheritance, registry};

/// Starts a copy of this process that runs `work` and exits with its code.
///
/// The copy leaves without running the exit handlers of the process that it is a copy of.
pub(crate) fn start(letter: &Letter, work: impl FnOnce() -> i32) -> Result<Process, Trouble> {
    let parent = pidfd::open_self()?;
    let line = match letter.tie {
        Tie::DiesWithParent => Some(current::state().line()?),
        Tie::Independent => None,
    };
    // What is buffered would be written by both.
    flush();
    let shared = inheritance::prepare_fork()?;
    // A signal that reaches the copy before it has its own dispositions waits for them: one that is
    // blocked is kept, even if it is ignored.
    let mask = signals::set_mask(Signals::ALL)?;
    let copied = fork();
    if !matches!(copied, Ok(Forked::Child)) {
        // The mask was read from this thread, so setting it back cannot fail.
        let _ = signals::set_mask(mask);
    }
    match copied? {
        Forked::Parent(child) => {
            shared.in_parent(child.pid.unsigned_abs());
            Ok(registry::enter(letter, child))
        }
        Forked::Child => {
            if let Err(error) = shared.in_child() {
                child::give_up(&error.to_string());
            }
            registry::forget();
            fork_server::forget();
            if let Err(error) = signals::reset_all() {
                child::give_up(&error.to_string());
            }
            if let Err(error) = descriptor::close_stdin() {
                child::give_up(&error.to_string());
            }
            child::settle(letter, parent, line);
            let code = child::run(letter, work);
            flush();
            exit_now(code)
        }
    }
}

fn flush() {
    // A closed stream has nothing to write.
    let _ = io::stdout().flush();
    let _ = io::stderr().flush();
}
