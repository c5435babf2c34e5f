//! Descriptors as such: from a number to a descriptor, whether one can be read, and what the
//! standard streams are.
//!
//! # Safety
//!
//! A number is not trusted to be open, or to belong to anyone: it is only passed to the kernel,
//! which checks it. It becomes a descriptor when the kernel has just made it, or on the word of a
//! caller who knows that it is nobody else's.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use rustix::time::Timespec;

use crate::error::Error;
use crate::wait::{Sleep, Waitable};

/// Duplicates the descriptor with this number, for a library that hands out numbers.
///
/// The result is closed on exec and is owned by the caller; the original is left alone.
///
/// # Errors
///
/// [`Error`] if no descriptor has this number, or the process may not open more.
pub fn duplicate(number: RawFd) -> Result<OwnedFd, Error> {
    // SAFETY: this command of fcntl takes two integers and touches no memory of ours. A number
    // that is not open is an error of the kernel's.
    let duplicate = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
    if duplicate < 0 {
        let error = io::Error::last_os_error();
        return Err(Error::new("duplicate", format!("descriptor {number}"), error));
    }
    // SAFETY: the kernel has just made this descriptor, so it is open and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(duplicate) })
}

/// Takes over the descriptor `number`, which a parent opened for this process, and makes sure that
/// it is closed by exec.
///
/// # Errors
///
/// `EBADF` if the number is not open.
///
/// # Safety
///
/// Nothing else in this process owns or closes the number.
pub unsafe fn adopt(number: RawFd) -> Result<OwnedFd, Error> {
    let failed = |errno: Errno| Error::new("take over", format!("descriptor {number}"), errno);
    if number < 0 {
        return Err(failed(Errno::BADF));
    }
    // SAFETY: the number is not -1. Whether it is open is what the next call finds out; until then
    // nothing else is done with it.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl_setfd(borrowed, FdFlags::CLOEXEC).map_err(failed)?;
    // SAFETY: it is open, and nobody else's, as the caller promises.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Whether a read from `descriptor` would not block, or its other end has gone. Does not wait.
pub fn is_readable(descriptor: BorrowedFd<'_>) -> bool {
    let mut entry = [PollFd::new(&descriptor, PollFlags::IN)];
    loop {
        match poll(&mut entry, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Err(Errno::INTR) => {}
            result => return result.is_ok_and(|count| count > 0),
        }
    }
}

/// A descriptor that is waited for until it can be read.
#[derive(Debug)]
pub struct Readable<'a>(pub BorrowedFd<'a>);

impl Waitable for Readable<'_> {
    fn is_ready(&self) -> bool {
        is_readable(self.0)
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        sleep.descriptor(self.0);
    }
}

/// Another name for `stream`, a standard stream of this process; `/dev/null` if it is closed.
pub fn duplicate_stream(stream: impl AsFd) -> Result<OwnedFd, Error> {
    let failed = |source: io::Error| Error::new("duplicate", "a standard stream", source);
    match stream.as_fd().try_clone_to_owned() {
        Err(error) if error.raw_os_error() == Some(libc::EBADF) => {
            File::options().read(true).write(true).open("/dev/null").map(OwnedFd::from)
        }
        result => result,
    }
    .map_err(failed)
}

/// Makes `/dev/null` the standard input of this process.
pub fn close_stdin() -> Result<(), Error> {
    let failed = |source: io::Error| Error::new("replace", "standard input", source);
    let null = File::open("/dev/null").map_err(failed)?;
    dup2_stdin(null).map_err(|errno| failed(errno.into()))
}

/// Makes `descriptor` the standard output of this process.
pub fn replace_stdout(descriptor: impl AsFd) -> Result<(), Error> {
    dup2_stdout(descriptor).map_err(|errno| Error::new("replace", "standard output", errno))
}

/// Makes `descriptor` the standard error of this process.
pub fn replace_stderr(descriptor: impl AsFd) -> Result<(), Error> {
    dup2_stderr(descriptor).map_err(|errno| Error::new("replace", "standard error", errno))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::fs::File;
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_duplicate_is_another_number_and_nothing_has_no_duplicate() {
        let file = File::open("/dev/null").unwrap();
        let copy = duplicate(file.as_raw_fd()).unwrap();
        assert_ne!(copy.as_raw_fd(), file.as_raw_fd());
        for nothing in [-1, i32::MAX] {
            let error = duplicate(nothing).unwrap_err();
            assert_eq!(error.source.raw_os_error(), Some(libc::EBADF), "{error}");
        }
    }
}
