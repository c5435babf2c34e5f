//! What the tests of the pool share.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::time::Duration;

use brigade_pool::{Future, ProcessPool};
use brigade_shm::{Event, Queue};
use brigade_sys::pidfd;
use brigade_sys::signals::Signal;
use brigade_sys::time::Deadline;

/// Longer than anything here takes; a wait that ends by it has failed.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) fn pool(workers: usize) -> ProcessPool {
    ProcessPool::new(workers).unwrap()
}

/// Tasks that say when they begin, and end when they are let go.
pub(crate) struct Gate {
    begun: Queue<i32>,
    open: Event,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self { begun: Queue::bounded(1000).unwrap(), open: Event::new().unwrap() }
    }

    /// Submits a task that begins and waits here; its result is its worker's number.
    pub(crate) fn submit(&self, pool: &ProcessPool) -> Future<i32> {
        pool.submit(pass, (self.begun.clone(), self.open.clone())).unwrap()
    }

    /// Waits until `count` more tasks have begun, and returns their workers' numbers.
    pub(crate) fn await_begun(&self, count: usize) -> Vec<i32> {
        (0..count).map(|_| self.begun.get_timeout(LONG).unwrap()).collect()
    }

    pub(crate) fn open(&self) {
        self.open.set();
    }
}

fn pass((begun, open): (Queue<i32>, Event)) -> i32 {
    begun.put(own_pid(())).unwrap();
    open.wait();
    own_pid(())
}

pub(crate) fn own_pid((): ()) -> i32 {
    std::process::id().try_into().unwrap()
}

/// Ends the process with this number.
pub(crate) fn kill(pid: i32) {
    if let Ok(process) = pidfd::open(pid) {
        pidfd::signal(process.as_fd(), Signal::KILL).unwrap();
    }
}

/// Waits until the process with this number has ended.
pub(crate) fn await_end(pid: i32) {
    if let Ok(process) = pidfd::open(pid) {
        let ended = pidfd::wait_end(process.as_fd(), Deadline::after(LONG)).unwrap();
        assert!(ended, "process {pid} goes on");
    }
}

/// Waits until all workers of the pool are ready, and returns their numbers.
pub(crate) fn await_workers(pool: &ProcessPool) -> BTreeSet<i32> {
    let gate = Gate::new();
    let futures: Vec<_> = (0..pool.max_workers()).map(|_| gate.submit(pool)).collect();
    let pids = gate.await_begun(pool.max_workers()).into_iter().collect();
    gate.open();
    futures.into_iter().for_each(|future| future.wait());
    pids
}
