//! Which process a process id names, also after the id has been used again.

use std::fs;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::fstat;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open, test_kill_process};

/// A process, told apart from every other that has or will have its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The process id in this process's namespace.
    pub pid: u32,
    /// When the process started, in clock ticks since boot; zero when it was already gone.
    pub started: u64,
    /// The inode of the process's descriptor, unique since boot; zero on kernels before 6.9.
    pub inode: u64,
}

impl Identity {
    /// The calling process.
    pub fn current() -> Self {
        Self::of(std::process::id())
    }

    /// The process that has the id `pid` now.
    pub fn of(pid: u32) -> Self {
        let inode = open(pid).map_or(0, |process| inode_of(&process));
        Self { pid, started: started(pid).unwrap_or(0), inode }
    }

    /// Whether the process still runs. One that has ended and waits to be reaped does not.
    ///
    /// A caller that has no descriptor left cannot look closely: it takes whatever has the id for
    /// the process, and whoever waits to be reaped for alive.
    pub fn is_alive(&self) -> bool {
        let process = match try_open(self.pid) {
            Ok(process) => process,
            Err(Errno::SRCH | Errno::INVAL) => return false,
            Err(_) => return has_id(self.pid),
        };
        let inode = inode_of(&process);
        if self.inode != 0 && inode != 0 && self.inode != inode {
            return false;
        }
        if has_ended(&process) {
            return false;
        }
        self.started == 0 || started(self.pid).is_none_or(|started| started == self.started)
    }
}

/// The mark of a real inode: kernels without one give all process descriptors the same number.
const FIRST_UNIQUE_INODE: u64 = 1 << 8;

fn open(pid: u32) -> Option<OwnedFd> {
    try_open(pid).ok()
}

/// Fails with `SRCH` or `INVAL` when no process has the id, and otherwise for want of something.
fn try_open(pid: u32) -> Result<OwnedFd, Errno> {
    pidfd_open(number(pid).ok_or(Errno::INVAL)?, PidfdFlags::empty())
}

/// Whether some process has the id. Needs no descriptor.
fn has_id(pid: u32) -> bool {
    number(pid).is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}

fn number(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

fn inode_of(process: &OwnedFd) -> u64 {
    fstat(process).map_or(0, |stat| stat.st_ino).wrapping_mul(u64::from(has_unique_inodes()))
}

/// Whether two processes' descriptors differ in their inode: asked once, of ourselves and init.
pub(crate) fn has_unique_inodes() -> bool {
    static UNIQUE: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *UNIQUE.get_or_init(|| {
        let inode = |pid| Some(fstat(open(pid)?).ok()?.st_ino);
        match (inode(std::process::id()), inode(1)) {
            (Some(own), Some(init)) => own != init || std::process::id() == 1,
            (Some(own), None) => own >= FIRST_UNIQUE_INODE,
            (None, _) => false,
        }
    })
}

/// Whether all threads of the process have ended.
fn has_ended(process: &OwnedFd) -> bool {
    let mut polled = [PollFd::new(process, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut polled, Some(&now)).is_ok_and(|ready| ready > 0)
}

/// Field 22 of `/proc/<pid>/stat`; the name in field 2 may hold spaces and parentheses.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    after_name.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_alive_until_it_has_ended_even_before_it_is_reaped() {
        assert!(Identity::current().is_alive());
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep is installed");
        let identity = Identity::of(child.id());
        assert!(identity.is_alive());
        child.kill().expect("the child is ours");
        while identity.is_alive() {
            std::thread::yield_now();
        }
        child.wait().expect("the child is ours");
        assert!(!identity.is_alive());
    }

    #[test]
    fn another_process_with_the_same_id_is_not_the_same() {
        let own = Identity::current();
        assert!(!Identity { started: own.started + 1, ..own }.is_alive());
        if own.inode != 0 {
            assert!(!Identity { inode: own.inode + 1, ..own }.is_alive());
        }
    }
}
