//! What the tests of this crate share: scenarios for every start method, and answers of children.
#![allow(clippy::unwrap_used, dead_code, reason = "a failed step fails the test")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use brigade_codec::{Descriptor, Message, decode, encode};
use brigade_process::{
    ExitStatus, Process, ProcessBuilder, StartMethod, active_children, fork_server,
};

/// Longer than anything here takes, also on a machine that is busy with other things.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Runs `scenario` for every start method, each time in a process of its own with one thread, and
/// sees to it that no child, zombie or descriptor is left.
pub(crate) fn each_method<F>(scenario: F)
where
    F: Fn(StartMethod) + Copy + Send + 'static,
{
    for method in StartMethod::ALL {
        let name = format!("by {method}");
        let observer = Process::builder()
            .name(&name)
            .method(StartMethod::Spawn)
            .dies_with_parent()
            .start(move |method: StartMethod| observe(scenario, method), method)
            .unwrap();
        let status = observer.join_timeout(LONG);
        if status.is_none() {
            observer.kill().unwrap();
        }
        assert_eq!(status, Some(ExitStatus::Code(0)), "{name}");
    }
}

/// As [`each_method`], in a program of its own: the tests of one program share its memory, and in
/// this one it is counted.
pub(crate) fn each_method_alone<F>(test: &str, scenario: F)
where
    F: Fn(StartMethod) + Copy + Send + 'static,
{
    const MARK: &str = "BRIGADE_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        return each_method(scenario);
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--test-threads=1"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{complaint}");
}

fn observe(scenario: impl Fn(StartMethod), method: StartMethod) {
    // What a process opens once and keeps is opened before the count.
    let first = with(method).start(nothing, ()).unwrap();
    assert_eq!(first.join(), ExitStatus::Code(0));
    drop(first);
    fork_server::stop();
    assert_eq!(active_children().len(), 0);
    let before = open_descriptors();
    scenario(method);
    fork_server::stop();
    assert_eq!(active_children().len(), 0, "children run on");
    assert_eq!(children(), Vec::<i32>::new(), "zombies are left");
    assert_eq!(open_descriptors(), before, "descriptors are left");
}

/// The descriptors of this process and what they are.
pub(crate) fn open_descriptors() -> Vec<(i32, String)> {
    descriptors_of(std::process::id() as i32)
}

/// The descriptors of a process and what they are, but for the one that lists them.
pub(crate) fn descriptors_of(pid: i32) -> Vec<(i32, String)> {
    let directory = format!("/proc/{pid}/fd");
    let mut list: Vec<_> = fs::read_dir(&directory)
        .unwrap()
        .filter_map(|entry| {
            let entry = entry.unwrap();
            let target = fs::read_link(entry.path()).ok()?.display().to_string();
            let number = entry.file_name().to_str().unwrap().parse().unwrap();
            (!target.ends_with(&format!("/{pid}/fd"))).then_some((number, target))
        })
        .collect();
    list.sort();
    list
}

/// The children of this process, dead or alive.
pub(crate) fn children() -> Vec<i32> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let list = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("children")).unwrap();
    let texts: Vec<_> = tasks.map(|entry| list(entry.unwrap())).collect();
    texts.iter().flat_map(|text| text.split_whitespace()).map(|pid| pid.parse().unwrap()).collect()
}

/// A child that does not outlive a scenario that fails.
pub(crate) fn with(method: StartMethod) -> ProcessBuilder {
    Process::builder().method(method).dies_with_parent()
}

pub(crate) fn nothing(_: ()) {}

/// The life of a child that does not end by itself.
pub(crate) fn wait_for_ever(_: ()) {
    loop {
        std::thread::park();
    }
}

/// A pipe whose writing end can be an argument.
pub(crate) fn pipe() -> (File, Descriptor) {
    let (reader, writer) = std::io::pipe().unwrap();
    (File::from(OwnedFd::from(reader)), Descriptor::from(OwnedFd::from(writer)))
}

pub(crate) fn say(out: Descriptor, value: &impl serde::Serialize) {
    File::from(out).write_all(&encode(value).unwrap()).unwrap();
}

pub(crate) fn hear<T: Message>(mut from: File) -> T {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).unwrap();
    decode(&bytes).unwrap()
}

/// Runs `function` in a child and returns what it returned there.
pub(crate) fn ask<F, A, T>(builder: ProcessBuilder, function: F, argument: A) -> T
where
    F: Fn(A) -> T + Copy + Send + 'static,
    A: Message,
    T: Message,
{
    let (answer, out) = pipe();
    let process = builder
        .start(
            move |(argument, out): (A, Descriptor)| say(out, &function(argument)),
            (argument, out),
        )
        .unwrap();
    let value = hear(answer);
    assert_eq!(process.join_timeout(LONG), Some(ExitStatus::Code(0)));
    value
}

/// The lines of `/proc/self/status` that begin with `field`.
pub(crate) fn own_status(field: &str) -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim_start_matches(':').trim().to_owned()
}
