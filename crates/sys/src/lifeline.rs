//! A line that ends a process when the process at its other end is gone.
//!
//! The kernel offers a signal at the parent's death (`PR_SET_PDEATHSIG`), but ties it to the thread
//! that made the child: a pool of threads that starts a child and shrinks would kill it. A line is
//! a pipe instead. One process holds the end that keeps it up and nobody writes to it; when that
//! process is gone, however it went, the kernel sends a signal to everyone who hangs on it. No
//! thread watches, and nothing runs in between.
//!
//! # Safety
//!
//! Three `fcntl` commands that take numbers.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl, open};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::Error;
use crate::descriptor::is_readable;
use crate::signals::Signal;

/// `F_SETSIG`, which the `libc` crate does not name.
const SET_SIGNAL: i32 = 10;

/// The end that keeps the line up, and what others hang on.
///
/// Every process that holds a copy keeps the line up: it is closed by exec, and a forked child must
/// drop it.
#[derive(Debug)]
pub struct Lifeline {
    _holder: OwnedFd,
    line: OwnedFd,
}

impl Lifeline {
    /// A new line, kept up by this process.
    pub fn new() -> Result<Self, Error> {
        let (line, holder) = pipe_with(PipeFlags::CLOEXEC)
            .map_err(|errno| Error::new("create", "a lifeline", errno))?;
        Ok(Self { _holder: holder, line })
    }

    /// What another process is given to [`hang`] on.
    pub fn line(&self) -> BorrowedFd<'_> {
        self.line.as_fd()
    }
}

/// A process's hold on a line; letting it go makes the process independent.
#[derive(Debug)]
#[must_use = "dropping it lets the line go"]
pub struct Hanging(#[allow(dead_code, reason = "held open")] OwnedFd);

/// Makes the kernel send `signal` to this process when the line's holder is gone.
///
/// # Errors
///
/// Of kind [`BrokenPipe`](io::ErrorKind::BrokenPipe) if the holder is gone already: no signal comes
/// then.
pub fn hang(line: BorrowedFd<'_>, signal: Signal) -> Result<Hanging, Error> {
    let failed = |source: io::Error| Error::new("hang on", "a lifeline", source);
    // A description of our own: who is signaled is a property of the description, and the one that
    // was handed over is shared with everyone else who hangs on the line.
    let own = open(
        format!("/proc/self/fd/{}", line.as_raw_fd()),
        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|errno| failed(errno.into()))?;
    let number = own.as_raw_fd();
    let pid = rustix::process::getpid().as_raw_nonzero().get();
    // SAFETY: takes numbers; says who is signaled.
    checked(unsafe { libc::fcntl(number, libc::F_SETOWN, pid) }).map_err(failed)?;
    // SAFETY: takes numbers; says with which signal.
    checked(unsafe { libc::fcntl(number, SET_SIGNAL, signal.number()) }).map_err(failed)?;
    let flags = fcntl_getfl(&own).map_err(|errno| failed(errno.into()))?;
    fcntl_setfl(&own, flags | OFlags::ASYNC).map_err(|errno| failed(errno.into()))?;
    // A holder that went before the line above sends nothing any more, but its end shows.
    if is_readable(own.as_fd()) {
        return Err(failed(io::ErrorKind::BrokenPipe.into()));
    }
    Ok(Hanging(own))
}

fn checked(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

    use std::io::{Read, Write};

    use super::*;
    use crate::signals::{SignalDescriptor, Signals};
    use crate::test_processes::Child;

    #[test]
    fn the_signal_comes_when_the_holder_is_gone_and_not_before() {
        let lifeline = Lifeline::new().unwrap();
        let (mut report, reporter) = std::io::pipe().unwrap();
        let hanger = Child::run(|| {
            let copy = lifeline._holder.as_raw_fd();
            // SAFETY: the copy of this child, which nothing in it uses.
            assert_eq!(unsafe { libc::close(copy) }, 0);
            let signals = SignalDescriptor::open(Signals::of(&[Signal::USR1])).unwrap();
            let hanging = hang(lifeline.line(), Signal::USR1).unwrap();
            let early = signals.try_read().unwrap().is_some();
            (&reporter).write_all(&[u8::from(early)]).unwrap();
            let _ = crate::wait::wait(&[&signals], crate::time::Deadline::NEVER);
            let signal = signals.try_read().unwrap().unwrap().signal;
            (&reporter).write_all(&[u8::try_from(signal.number()).unwrap()]).unwrap();
            drop(hanging);
        });
        drop(reporter);
        let mut byte = [1];
        report.read_exact(&mut byte).unwrap();
        assert_eq!(byte, [0], "no signal while the holder lives");
        drop(lifeline);
        report.read_exact(&mut byte).unwrap();
        assert_eq!(i32::from(byte[0]), libc::SIGUSR1);
        hanger.join();
    }

    #[test]
    fn a_holder_that_is_gone_already_is_an_error() {
        let lifeline = Lifeline::new().unwrap();
        let line = lifeline.line().try_clone_to_owned().unwrap();
        drop(lifeline);
        let error = hang(line.as_fd(), Signal::USR1).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::BrokenPipe);
    }
}
