//! What a child does: settle in, run its function, exit.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, OwnedFd};

use brigade_codec::{Parcel, decode};
use brigade_sys::fork::exit_now;
use brigade_sys::lifeline;
use brigade_sys::signals::{self, Signal};

use crate::call::{CallError, catch};
use crate::current;
use crate::letter::{Letter, Tie};

/// The exit code after a panic, as of a program whose `main` panicked.
const PANICKED: i32 = 101;

/// The exit code of a child that could not run its function; it says why on standard error.
const UNABLE: i32 = 70;

/// Makes this process the child that `letter` speaks of.
pub(crate) fn settle(letter: &Letter, parent: OwnedFd, line: Option<OwnedFd>) {
    current::state().become_child(letter, parent);
    // For `ps` and `top`, which show the first fifteen bytes.
    let _ = fs::write("/proc/self/comm", &letter.name);
    // What the runtime does before `main`, which not every child comes through.
    let _ = signals::ignore(Signal::PIPE);
    if letter.tie == Tie::DiesWithParent {
        match line.map(|line| lifeline::hang(line.as_fd(), Signal::KILL)) {
            Some(Ok(hanging)) => current::state().hang_on(hanging),
            // The parent is gone already, so nobody is there to be told.
            Some(Err(error)) if error.source.kind() == ErrorKind::BrokenPipe => exit_now(UNABLE),
            Some(Err(error)) => give_up(&error.to_string()),
            None => give_up("the line to the parent is missing"),
        }
    }
}

/// Runs the letter's task and returns the exit code.
pub(crate) fn run_task(letter: &Letter, argument: Parcel) -> i32 {
    let Some(task) = letter.task else { give_up("the letter names no task") };
    let code = task.call_letter(argument).map(|result| decode::<i32>(&result.bytes));
    match code {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => give_up(&error.to_string()),
        Err(error) => code_after(&letter.name, &error),
    }
}

/// Runs `work` and returns the exit code.
pub(crate) fn run(letter: &Letter, work: impl FnOnce() -> i32) -> i32 {
    catch(|| Ok(work())).unwrap_or_else(|error| code_after(&letter.name, &error))
}

fn code_after(name: &str, error: &CallError) -> i32 {
    if matches!(error, CallError::Panicked { .. }) {
        // The panic has shown itself already.
        return PANICKED;
    }
    say(&format!("process `{name}`: {error}"));
    UNABLE
}

/// Ends a child that cannot become what it was meant to be. Nothing of the program has run in it,
/// so none of its exit handlers run.
pub(crate) fn give_up(why: &str) -> ! {
    say(&format!("cannot run this process: {why}"));
    exit_now(UNABLE)
}

fn say(text: &str) {
    // Standard error may be closed, and then there is nobody to say it to.
    let _ = writeln!(io::stderr(), "brigade: {text}");
}
