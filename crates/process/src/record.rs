//! A child, as all handles of it share it.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, OnceLock, PoisonError};

use brigade_sys::launch::Child;
use brigade_sys::pidfd;
use brigade_sys::time::Deadline;

use crate::method::StartMethod;
use crate::status::ExitStatus;

/// A child, and how it ended.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) pid: i32,
    pub(crate) method: StartMethod,
    pub(crate) pidfd: OwnedFd,
    /// Written once, by the one thread that reaps the child.
    status: OnceLock<ExitStatus>,
    reaping: Mutex<()>,
}

impl Record {
    pub(crate) fn new(name: String, method: StartMethod, child: Child) -> Self {
        Self {
            name,
            pid: child.pid,
            method,
            pidfd: child.pidfd,
            status: OnceLock::new(),
            reaping: Mutex::new(()),
        }
    }

    /// How the child ended, if it has. Reaps it. Does not wait.
    pub(crate) fn status(&self) -> Option<ExitStatus> {
        if let Some(status) = self.status.get() {
            return Some(*status);
        }
        if !pidfd::has_ended(self.pidfd.as_fd()) {
            return None;
        }
        let _reaping = self.reaping.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(status) = self.status.get() {
            return Some(*status);
        }
        let exit = match pidfd::try_reap(self.pidfd.as_fd()) {
            Ok(None) => return None,
            Ok(exit) => exit,
            // Somebody else has reaped it, or this process is not its parent.
            Err(_) => pidfd::recall_exit(self.pidfd.as_fd()),
        };
        let status = exit.map_or(ExitStatus::Unknown, ExitStatus::from);
        Some(*self.status.get_or_init(|| status))
    }

    /// Waits until the child has ended; `None` when the deadline came first.
    pub(crate) fn wait(&self, deadline: Deadline) -> Option<ExitStatus> {
        loop {
            if let Some(status) = self.status() {
                return Some(status);
            }
            match pidfd::wait_end(self.pidfd.as_fd(), deadline) {
                Ok(false) => return None,
                // It has ended, but a debugger may be shown it first; or the kernel is out of
                // memory. Both pass.
                Ok(true) | Err(_) => std::thread::yield_now(),
            }
        }
    }
}
