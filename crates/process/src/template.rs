//! The fork server's other end: a process with one thread that makes copies of itself.
//!
//! | it receives                                                        | it answers            |
//! |---------------------------------------------------------------------|-----------------------|
//! | number; letter, standard output and error, line or not, descriptors | number, pid; pidfd    |
//! |                                                                     | number, minus errno   |
//!
//! A copy is a child of the **owner** of the server, which is the template's own parent: the owner
//! waits for it and learns how it ended, also when the template is gone. Both the template and the
//! copy answer, the copy before it does anything else, so that the owner knows of every copy that
//! runs a task, whichever of the two is killed when. It takes the first answer and ignores the
//! other. If both are killed before, no task has run, and the owner asks another server.
//!
//! The template ends when its owner closes the connection or ends.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use brigade_codec::Parcel;
use brigade_sys::descriptor::{Readable, replace_stderr, replace_stdout};
use brigade_sys::fork::{ForkError, Forked, fork_sibling};
use brigade_sys::pidfd;
use brigade_sys::signals::{self, Signal, Signals};
use brigade_sys::socket::{recv_exact, send_all};
use brigade_sys::time::Deadline;
use brigade_sys::wait::wait;

use crate::child::{self, give_up};
use crate::current::own_pid;
use crate::fork_server::{ANSWER, Answer, NAME, REQUEST, UNKNOWN};
use crate::inheritance;
use crate::letter::{Letter, Tie};

/// How long an answer may take to leave. The owner reads as soon as it has asked.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes copies of this process for the owner at the other end of `socket`, until it is gone.
pub(crate) fn serve(socket: OwnedFd, owner: OwnedFd) -> ! {
    let _ = std::fs::write("/proc/self/comm", NAME);
    // The interrupt key is meant for the owner, which decides what becomes of its children.
    let _ = signals::ignore(Signal::INT);
    loop {
        // The owner's end may have been copied by a fork that brigade did not do, and then stays
        // open when the owner has ended.
        let ready = wait(&[&Readable(socket.as_fd()), &Readable(owner.as_fd())], Deadline::NEVER);
        let mut request = [0; REQUEST];
        let mut descriptors = Vec::new();
        let patience = Deadline::after(PATIENCE);
        if !ready.contains(&0)
            || !matches!(
                recv_exact(socket.as_fd(), &mut request, &mut descriptors, patience),
                Ok(true)
            )
        {
            std::process::exit(0);
        }
        let number = u64::from_le_bytes(request);
        match copy(number, &socket) {
            Ok(Side::Template) => {}
            Ok(Side::Copy) => {
                drop(socket);
                run(descriptors, owner)
            }
            Err(result) => answer(&socket, Answer { number, result }, None),
        }
    }
}

/// Which of the two this process is after a copy.
enum Side {
    Template,
    Copy,
}

/// Makes a copy, and says so to the owner on both sides. An error is what to answer.
fn copy(number: u64, socket: &OwnedFd) -> Result<Side, i32> {
    // A signal that reaches the copy before it has its own dispositions waits for them: one that is
    // blocked is kept, even if it is ignored.
    let mask = signals::set_mask(Signals::ALL).map_err(|_| UNKNOWN)?;
    let copied = fork_sibling();
    if !matches!(copied, Ok(Forked::Child)) {
        // The mask was read from this thread, so setting it back cannot fail.
        let _ = signals::set_mask(mask);
    }
    match copied {
        Err(ForkError::System(error)) => Err(error.raw_os_error().map_or(UNKNOWN, |errno| -errno)),
        Err(_) => Err(UNKNOWN),
        Ok(Forked::Parent(child)) => {
            answer(socket, Answer { number, result: child.pid }, Some(child.pidfd.as_fd()));
            Ok(Side::Template)
        }
        Ok(Forked::Child) => {
            match pidfd::open_self() {
                Ok(own) => {
                    answer(socket, Answer { number, result: own_pid() }, Some(own.as_fd()));
                }
                Err(error) => give_up(&error.to_string()),
            }
            Ok(Side::Copy)
        }
    }
}

fn answer(socket: &OwnedFd, answer: Answer, pidfd: Option<BorrowedFd<'_>>) {
    let bytes: [u8; ANSWER] = answer.encode();
    // An owner that does not take its answer is gone.
    let _ = send_all(socket.as_fd(), &bytes, pidfd.as_slice(), Deadline::after(PATIENCE));
}

/// The life of a copy.
fn run(descriptors: Vec<OwnedFd>, owner: OwnedFd) -> ! {
    if let Err(error) = signals::reset_all() {
        give_up(&error.to_string());
    }
    let mut descriptors = descriptors.into_iter();
    let mut next = || descriptors.next().unwrap_or_else(|| give_up("a descriptor is missing"));
    let (letter, bytes) = Letter::read(next())
        .unwrap_or_else(|error| give_up(&format!("cannot read its letter: {error}")));
    if let Err(error) = inheritance::take_seats(&letter.seats) {
        give_up(&error.to_string());
    }
    if let Err(error) = replace_stdout(next()).and_then(|()| replace_stderr(next())) {
        give_up(&error.to_string());
    }
    let line = (letter.tie == Tie::DiesWithParent).then(&mut next);
    child::settle(&letter, owner, line);
    let descriptors = descriptors.collect();
    std::process::exit(child::run_task(&letter, Parcel { bytes, descriptors }))
}
