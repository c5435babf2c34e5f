//! Running one program: in a session and a directory of its own, for so long.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use brigade_sys::launch::{Launch, Program, Stream};
use brigade_sys::pidfd::{self, Exit};
use brigade_sys::time::Deadline;

use crate::traces;

/// How long a program is given.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Until it ends.
    pub(crate) run: Duration,
    /// Until all that it used has gone, after it has ended.
    pub(crate) afterwards: Duration,
}

/// What one program leaves must not be taken for another's.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs the program and returns what is wrong with how it ended and what it left.
pub(crate) fn run(program: &Path, arguments: &[&str], limits: Limits) -> Vec<String> {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    let segments_before = traces::segments();
    let mut output = tempfile::tempfile().unwrap();
    let stream = |output: &File| Stream::Descriptor(output.try_clone().unwrap().into());
    let child = Launch::new(Program::Path(program.to_owned()))
        .args(arguments)
        .env(environment(directory.path()))
        .current_directory(directory.path().to_owned())
        .stdin(Stream::Null)
        .stdout(stream(&output))
        .stderr(stream(&output))
        .new_session()
        .start()
        .unwrap();

    let mut complaints = Vec::new();
    let deadline = Deadline::after(limits.run);
    match pidfd::wait_exit(child.pidfd.as_fd(), deadline).unwrap() {
        Some(Exit::Code(0)) => {}
        Some(exit) => complaints.push(format!("ended with {exit:?}")),
        None => {
            complaints.push(format!("did not end in {:?}", limits.run));
            traces::kill_session(child.pid);
            pidfd::wait_exit(child.pidfd.as_fd(), Deadline::NEVER).unwrap();
        }
    }
    if !complaints.is_empty() {
        let mut text = String::new();
        output.rewind().unwrap();
        output.read_to_string(&mut text).unwrap();
        complaints.push(format!("it said: {text}"));
    }
    let deadline = Deadline::after(limits.afterwards);
    complaints.extend(left_processes(child.pid, deadline));
    complaints.extend(left_files(directory.path(), &segments_before, deadline));
    complaints
}

/// This process's environment, but for the directory of temporary files.
fn environment(directory: &Path) -> Vec<(OsString, OsString)> {
    let others = std::env::vars_os().filter(|(name, _)| name != "TMPDIR");
    others.chain([("TMPDIR".into(), directory.into())]).collect()
}

/// The processes of the session that have not gone by `deadline`. They are ended.
fn left_processes(session: i32, deadline: Deadline) -> Vec<String> {
    traces::wait_for_session(session, deadline);
    let left = traces::processes_of(session);
    traces::kill_session(session);
    left.iter().map(|process| format!("left process {} ({})", process.pid, process.name)).collect()
}

/// What is in the program's directory, and what is new in shared memory, used by nobody, and not
/// gone by `deadline`: other programs use shared memory at the same time.
fn left_files(directory: &Path, segments_before: &[String], deadline: Deadline) -> Vec<String> {
    let is_left = |file: &String| !segments_before.contains(file) && !traces::is_used(file);
    let mut segments: Vec<_> = traces::segments().into_iter().filter(is_left).collect();
    while !segments.is_empty() && !deadline.is_past() {
        std::thread::park_timeout(Duration::from_millis(10));
        segments.retain(|segment| Path::new(segment).exists() && is_left(segment));
    }
    let files = traces::files_in(directory);
    files.into_iter().chain(segments).map(|file| format!("left file {file}")).collect()
}
