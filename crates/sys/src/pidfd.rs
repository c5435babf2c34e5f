//! Processes by descriptor: waiting for one, signalling one, taking its exit status.
//!
//! A pid is a number that the kernel gives to the next process as soon as the last one with it was
//! reaped. A pidfd means one process for ever: it becomes readable when the whole process has
//! ended, and a signal sent through it reaches that process or nobody.
//!
//! # Safety
//!
//! The one unsafe call asks the kernel for what it still knows of an ended process; it hands over
//! a pointer to a live structure, in the layout and of the size that the request number encodes.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};
use rustix::time::Timespec;

use crate::Error;
use crate::descriptor::is_readable;
use crate::signals::Signal;
use crate::time::Deadline;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// It called `exit` with this code, or returned it from `main`.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

/// Opens a descriptor on the process that has the number `pid` now.
///
/// For a child that the caller has not reaped this is exact: its number is not given away before.
/// For any other process the number may already belong to another.
pub fn open(pid: i32) -> Result<OwnedFd, Error> {
    let failed = |source: Errno| Error::new("open", format!("process {pid}"), source);
    let number = Pid::from_raw(pid).filter(|_| pid > 0).ok_or(Errno::INVAL).map_err(failed)?;
    pidfd_open(number, PidfdFlags::empty()).map_err(failed)
}

/// Opens a descriptor on this process.
pub fn open_self() -> Result<OwnedFd, Error> {
    open(rustix::process::getpid().as_raw_nonzero().get())
}

/// Sends `signal`. A process that has ended is left alone and is no error.
pub fn signal(process: BorrowedFd<'_>, signal: Signal) -> Result<(), Error> {
    // SAFETY: the third argument may be null, and then the kernel fills the signal's details in.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            signal.number(),
            ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    if result == 0 {
        return Ok(());
    }
    let source = io::Error::last_os_error();
    if source.raw_os_error() == Some(libc::ESRCH) {
        return Ok(());
    }
    Err(Error::new("send", format!("{signal} to a process"), source))
}

/// Whether the process has ended, reaped or not. Does not wait.
pub fn has_ended(process: BorrowedFd<'_>) -> bool {
    is_readable(process)
}

/// Waits until the process has ended; `false` when the deadline came first. Reaps nothing, and
/// works for processes that are not children.
pub fn wait_end(process: BorrowedFd<'_>, deadline: Deadline) -> Result<bool, Error> {
    loop {
        let mut entry = [PollFd::new(&process, PollFlags::IN)];
        let timeout = deadline.remaining().and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut entry, timeout.as_ref()) {
            Ok(0) if deadline.is_past() => return Ok(false),
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(true),
            Err(errno) => return Err(Error::new("wait for", "a process", errno)),
        }
    }
}

/// Waits until the child has ended and reaps it; `None` when the deadline came first.
///
/// # Errors
///
/// `ECHILD` when it is not a child of this process, or was reaped already.
pub fn wait_exit(child: BorrowedFd<'_>, deadline: Deadline) -> Result<Option<Exit>, Error> {
    loop {
        if !wait_end(child, deadline)? {
            return Ok(None);
        }
        if let Some(exit) = try_reap(child)? {
            return Ok(Some(exit));
        }
    }
}

/// Reaps the child if it has ended. Does not wait.
///
/// # Errors
///
/// `ECHILD` when it is not a child of this process, or was reaped already.
pub fn try_reap(child: BorrowedFd<'_>) -> Result<Option<Exit>, Error> {
    let status = loop {
        match waitid(WaitId::PidFd(child), WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::new("reap", "a process", errno)),
            Ok(status) => break status,
        }
    };
    Ok(status.and_then(|status| {
        let code = status.exit_status().map(Exit::Code);
        code.or_else(|| status.terminating_signal().map(Exit::Signal))
    }))
}

/// How an ended process ended, as far as the kernel still knows, whoever reaped it.
///
/// Linux remembers that for as long as a descriptor is open since 6.15; before, the answer is
/// always `None`.
pub fn recall_exit(process: BorrowedFd<'_>) -> Option<Exit> {
    let mut info = Info { mask: INFO_EXIT, ..Info::default() };
    // SAFETY: the request encodes the size of the structure, to which the pointer leads.
    let result = unsafe { libc::ioctl(process.as_raw_fd(), GET_INFO, ptr::from_mut(&mut info)) };
    if result != 0 || info.mask & INFO_EXIT == 0 {
        return None;
    }
    let status = info.exit_code;
    if libc::WIFEXITED(status) {
        Some(Exit::Code(libc::WEXITSTATUS(status)))
    } else {
        libc::WIFSIGNALED(status).then(|| Exit::Signal(libc::WTERMSIG(status)))
    }
}

/// `struct pidfd_info` in its first size, which every kernel that has it accepts.
#[repr(C)]
#[derive(Default)]
struct Info {
    mask: u64,
    cgroup: u64,
    pid: u32,
    tgid: u32,
    ppid: u32,
    ids: [u32; 8],
    exit_code: i32,
}

/// `PIDFD_GET_INFO`: `_IOWR(0xFF, 11, struct pidfd_info)`.
const GET_INFO: libc::c_ulong =
    3 << 30 | (size_of::<Info>() as libc::c_ulong) << 16 | 0xFF << 8 | 11;
const INFO_EXIT: u64 = 1 << 3;
const _: () = assert!(size_of::<Info>() == 64);
