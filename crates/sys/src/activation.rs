//! Descriptors that a supervisor handed over at the start: `LISTEN_FDS`.
//!
//! The supervisor opens them under the numbers from 3 on and says in the environment how many
//! there are (`LISTEN_FDS`), what they are called (`LISTEN_FDNAMES`), and for which process they
//! are meant (`LISTEN_PID`): a grandchild that inherits the environment has not got the
//! descriptors.
//!
//! # Safety
//!
//! A number becomes an owned descriptor here. That it belongs to nobody else is what `LISTEN_PID`
//! says: whoever set it to this process's number put the descriptors there before the program
//! began. They are given away once, and each is checked to be open.
#![allow(unsafe_code)]

use std::env;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use crate::Error;

/// The number of the first descriptor.
const FIRST: RawFd = 3;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// A descriptor that was handed over.
#[derive(Debug)]
pub struct Inherited {
    /// What the supervisor calls it; `unknown` if it does not say.
    pub name: String,
    /// It. Closed on exec.
    pub descriptor: OwnedFd,
}

/// Takes the descriptors that were handed over to this process, in their order.
///
/// The first call gets them; there are none for later ones, for a process that was not started by
/// a supervisor, and for one that only inherited the environment.
///
/// # Errors
///
/// [`Error`] if a descriptor that was promised is not open.
pub fn take() -> Result<Vec<Inherited>, Error> {
    let own = std::process::id().to_string();
    let count = env::var("LISTEN_FDS").ok().and_then(|count| count.parse::<RawFd>().ok());
    let Some(count) = count.filter(|_| env::var("LISTEN_PID").as_deref() == Ok(&own)) else {
        return Ok(Vec::new());
    };
    if TAKEN.swap(true, Relaxed) {
        return Ok(Vec::new());
    }
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':').filter(|name| !name.is_empty());
    (FIRST..FIRST.saturating_add(count))
        .map(|number| {
            let name = names.next().unwrap_or("unknown").to_owned();
            Ok(Inherited { name, descriptor: adopt(number)? })
        })
        .collect()
}

fn adopt(number: RawFd) -> Result<OwnedFd, Error> {
    // SAFETY: this command takes a number and a flag and touches no memory; the kernel checks the
    // number.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        let source = io::Error::last_os_error();
        return Err(Error::new("take over", format!("descriptor {number}"), source));
    }
    // SAFETY: it is open, as the call above has shown, and nobody else's, as the file says.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    debug_assert_eq!(descriptor.as_raw_fd(), number);
    Ok(descriptor)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

    use super::*;

    #[test]
    fn a_process_that_nobody_handed_anything_to_takes_nothing() {
        // Whoever runs the tests may itself have been started by a supervisor: then the process
        // that is named is another one.
        assert!(take().unwrap().is_empty());
    }

    #[test]
    fn a_descriptor_that_is_not_open_is_an_error() {
        let error = adopt(RawFd::MAX).unwrap_err();
        assert_eq!(error.source.raw_os_error(), Some(libc::EBADF));
    }
}
