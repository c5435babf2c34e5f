//! What a program may leave: processes, files, shared memory.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

use brigade_sys::pidfd;
use brigade_sys::signals::Signal;
use brigade_sys::time::Deadline;

/// A process that is left.
pub(crate) struct Left {
    pub(crate) pid: i32,
    pub(crate) name: String,
}

/// The processes of a session that have not ended.
pub(crate) fn processes_of(session: i32) -> Vec<Left> {
    pids().filter_map(|pid| member(pid, session)).collect()
}

/// Waits until every process of a session has ended, at most until `deadline`.
pub(crate) fn wait_for_session(session: i32, deadline: Deadline) {
    for process in processes_of(session) {
        if let Ok(process) = pidfd::open(process.pid) {
            pidfd::wait_end(process.as_fd(), deadline).unwrap();
        }
    }
}

/// Ends every process of a session, also those that are started meanwhile.
pub(crate) fn kill_session(session: i32) {
    loop {
        let left = processes_of(session);
        if left.is_empty() {
            return;
        }
        for process in left {
            // One that cannot be opened or reached has ended meanwhile.
            if let Ok(process) = pidfd::open(process.pid) {
                let _ = pidfd::signal(process.as_fd(), Signal::KILL);
            }
        }
    }
}

fn pids() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
}

/// The process, if it is one of the session and not a zombie.
fn member(pid: i32, session: i32) -> Option<Left> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and parentheses; behind it come state, parent, group and session.
    let (before, after) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = after.split(' ').collect();
    let is_member = fields.get(3)?.parse() == Ok(session) && !["Z", "X"].contains(&fields[0]);
    let name = before.split_once('(')?.1.to_owned();
    is_member.then_some(Left { pid, name })
}

/// The paths of all files in a directory.
pub(crate) fn files_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().path().display().to_string()).collect()
}

/// The files in shared memory.
pub(crate) fn segments() -> Vec<String> {
    files_in(Path::new("/dev/shm"))
}

/// Whether a process has the file open or mapped.
pub(crate) fn is_used(file: &str) -> bool {
    pids().any(|pid| is_open(pid, Path::new(file)) || is_mapped(pid, file))
}

fn is_open(pid: i32, file: &Path) -> bool {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let targets = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets.into_iter().any(|target| target == file)
}

fn is_mapped(pid: i32, file: &str) -> bool {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    maps.lines().any(|line| line.ends_with(file))
}
