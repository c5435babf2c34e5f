//! The end of what workers have left behind.
//!
//! A process that leaves its worker's group, or whose parents have all gone, becomes a child of the
//! supervisor. When everything has stopped, it has no business any more.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use brigade_sys::pidfd;
use brigade_sys::signals::Signal;
use brigade_sys::time::Deadline;

use super::looping::Shell;

/// How long the killed may take to be gone.
const PATIENCE: Duration = Duration::from_secs(2);

impl Shell {
    /// Kills and reaps every child that is left, and theirs, until there is none.
    pub(super) fn sweep(&mut self) {
        let deadline = Deadline::after(PATIENCE);
        loop {
            let left = children();
            if left.is_empty() {
                return;
            }
            for (pid, child) in &left {
                self.log(&format!("process {pid} was left behind by a worker and is killed"));
                let _ = pidfd::signal(child.as_fd(), Signal::KILL);
            }
            for (pid, child) in &left {
                match pidfd::wait_exit(child.as_fd(), deadline) {
                    Ok(Some(_)) => self.strangers_reaped += 1,
                    Ok(None) => return self.log(&format!("process {pid} does not die")),
                    Err(error) => return self.log(&format!("process {pid}: {error}")),
                }
            }
        }
    }
}

/// The children of all threads of this process. A child is not reaped by anybody else, so its
/// number is still its own when it is opened.
fn children() -> Vec<(i32, OwnedFd)> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let pids: Vec<i32> = lists
        .flat_map(|list| {
            list.split_whitespace().filter_map(|it| it.parse().ok()).collect::<Vec<_>>()
        })
        .collect();
    pids.into_iter().filter_map(|pid| Some((pid, pidfd::open(pid).ok()?))).collect()
}
