//! What the tests of this crate share: places to run in, and a look at what is left.
#![allow(clippy::unwrap_used, dead_code, reason = "a failed step fails the test")]

use std::fs;
use std::ops::Deref;
use std::os::fd::AsFd;
use std::time::Duration;

use brigade_manager::{Address, Manager, Server};
use brigade_process::{ExitStatus, Process, ProcessBuilder, active_children};
use brigade_shm::Queue;
use brigade_sys::pidfd;
use brigade_sys::signals::Signal;
use brigade_sys::time::Deadline;

/// Longer than anything here takes, also on a machine that is busy with other things.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Where the manager of a scenario listens: proxies are memory at the one, messages at the other.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) enum Side {
    Home,
    Remote,
}

impl Side {
    pub(crate) fn manager(self) -> Site {
        match self {
            Self::Home => Site { manager: Manager::start().unwrap(), server: None },
            Self::Remote => {
                let (server, address) = remote_server();
                Site { manager: Manager::connect(&address).unwrap(), server: Some(server) }
            }
        }
    }
}

/// A manager, and the process of its server if that is nobody's but the test's.
pub(crate) struct Site {
    manager: Manager,
    server: Option<Process>,
}

impl Deref for Site {
    type Target = Manager;

    fn deref(&self) -> &Manager {
        &self.manager
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.kill().unwrap();
            assert!(server.join_timeout(LONG).is_some());
        }
    }
}

/// A server that is reached by messages alone.
pub(crate) fn remote_server() -> (Process, Address) {
    let addresses: Queue<Address> = Queue::bounded(1).unwrap();
    let serve = |addresses: Queue<Address>| {
        let server = Server::bind(&loopback()).unwrap();
        addresses.put(server.address().clone()).unwrap();
        drop(addresses);
        server.serve_forever();
    };
    let server = child().name("server").start(serve, addresses.clone()).unwrap();
    (server, addresses.get_timeout(LONG).unwrap())
}

pub(crate) fn loopback() -> Address {
    Address::Tcp { host: "127.0.0.1".into(), port: 0 }
}

/// Runs `scenario` at home and elsewhere, each time in a process of its own, and sees to it that
/// no process, descriptor or file is left.
pub(crate) fn each_side<F>(scenario: F)
where
    F: Fn(Side) + Copy + Send + 'static,
{
    for side in [Side::Home, Side::Remote] {
        alone(scenario, side);
    }
}

/// Runs `scenario` in a process of its own, and sees to it that nothing is left.
pub(crate) fn alone<F, A>(scenario: F, argument: A)
where
    F: Fn(A) + Copy + Send + 'static,
    A: brigade_codec::Message,
{
    let observer = Process::builder()
        .name("observer")
        .dies_with_parent()
        .start(move |argument: A| observe(|| scenario(argument)), argument)
        .unwrap();
    let status = observer.join_timeout(2 * LONG);
    if status.is_none() {
        observer.kill().unwrap();
    }
    assert_eq!(status, Some(ExitStatus::Code(0)));
}

fn observe(scenario: impl FnOnce()) {
    // What a process opens once and keeps is opened before the count.
    let warm_up = Manager::start().unwrap();
    warm_up.counter(0).unwrap().add(1).unwrap();
    drop(warm_up);
    assert_eq!(active_children().len(), 0);
    let before = open_descriptors();
    scenario();
    assert_eq!(active_children().len(), 0, "children run on");
    let limit = Deadline::after(LONG);
    while open_descriptors() != before {
        assert!(!limit.is_past(), "{:?} are left of {before:?}", open_descriptors());
        std::thread::yield_now();
    }
    assert_eq!(own_places(), Vec::<String>::new());
}

/// The descriptors of this process and what they are.
fn open_descriptors() -> Vec<String> {
    let entries = fs::read_dir("/proc/self/fd").unwrap();
    let targets = entries.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    let mut targets: Vec<_> = targets.map(|target| target.display().to_string()).collect();
    targets.retain(|target| !target.starts_with("/proc/"));
    targets.sort();
    targets
}

/// What this process has left among the temporary files.
pub(crate) fn own_places() -> Vec<String> {
    places(std::process::id())
}

/// What the managers of a process have among the temporary files.
pub(crate) fn places(owner: u32) -> Vec<String> {
    let entries = fs::read_dir(std::env::temp_dir()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap_or_default());
    names.filter(|name| name.starts_with(&format!("brigade-manager-{owner}-"))).collect()
}

/// A child that does not outlive a scenario that fails.
pub(crate) fn child() -> ProcessBuilder {
    Process::builder().dies_with_parent()
}

/// Starts `function` in a child, and sees it end well.
pub(crate) fn run<F, A, R>(function: F, argument: A)
where
    F: Fn(A) -> R + Copy + Send + 'static,
    A: brigade_codec::Message,
    R: std::process::Termination,
{
    let process = child().start(function, argument).unwrap();
    ends_well(&process);
}

pub(crate) fn ends_well(process: &Process) {
    assert_eq!(process.join_timeout(LONG), Some(ExitStatus::Code(0)), "{}", process.name());
}

/// The life of a process that does not end by itself.
pub(crate) fn wait_for_ever() -> ! {
    loop {
        std::thread::park();
    }
}

/// Waits until `condition` holds.
pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let limit = Deadline::after(LONG);
    while !condition() {
        assert!(!limit.is_past(), "{what}");
        std::thread::yield_now();
    }
}

/// Sends a signal to the process of a manager.
pub(crate) fn signal(manager: &Manager, signal: Signal) {
    let process = pidfd::open(i32::try_from(manager.pid()).unwrap()).unwrap();
    pidfd::signal(process.as_fd(), signal).unwrap();
}
