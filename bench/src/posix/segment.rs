//! A named segment of shared memory, as a C program makes one.
//!
//! # Safety
//!
//! The name ends with a zero. The mapping is made at an address of the kernel's choice, used only
//! inside its length, and unmapped by the function that made it.
#![allow(unsafe_code)]

use crate::Result;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

/// Makes a segment, writes its first word, and removes it.
pub(crate) fn create_and_remove(name: &CStr, size: usize) -> Result<()> {
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_RDWR | libc::O_CLOEXEC;
    // SAFETY: the name ends with a zero.
    let file = check(unsafe { libc::shm_open(name.as_ptr(), flags, 0o600) })?;
    // SAFETY: the descriptor was opened above and nobody else has it.
    let file = unsafe { OwnedFd::from_raw_fd(file) };
    let outcome = use_once(&file, size);
    // SAFETY: as above.
    check(unsafe { libc::shm_unlink(name.as_ptr()) })?;
    outcome
}

fn use_once(file: &OwnedFd, size: usize) -> Result<()> {
    // SAFETY: the descriptor is open.
    check(unsafe { libc::ftruncate(file.as_raw_fd(), libc::off_t::try_from(size)?) })?;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping touches no existing one.
    let place =
        unsafe { libc::mmap(ptr::null_mut(), size, access, libc::MAP_SHARED, file.as_raw_fd(), 0) };
    if place == libc::MAP_FAILED {
        return Err(io::Error::last_os_error().into());
    }
    // SAFETY: the mapping is aligned as a page and at least that long.
    unsafe { place.cast::<u64>().write_volatile(1) };
    // SAFETY: it was mapped above with this length, and nothing refers to it.
    check(unsafe { libc::munmap(place, size) })?;
    Ok(())
}

fn check(code: libc::c_int) -> io::Result<libc::c_int> {
    if code < 0 { Err(io::Error::last_os_error()) } else { Ok(code) }
}
