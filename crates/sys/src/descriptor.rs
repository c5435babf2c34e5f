//! Descriptors that foreign code knows only by their number.
//!
//! # Safety
//!
//! A number is not trusted to be open, or to belong to anyone: it is only passed to the kernel,
//! which checks it.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use crate::error::Error;

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
