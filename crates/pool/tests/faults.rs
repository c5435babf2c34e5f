//! Workers that die, and pools that cannot go on (PPF, GAP-11, GAP-20, GAP-21).
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod scenario;

use std::process::ExitCode;

use brigade_pool::{ProcessPool, Refusal, TaskError};
use brigade_process::ExitStatus;
use brigade_shm::{Event, Queue};
use serde::{Deserialize, Deserializer, Serialize};

use scenario::{Gate, LONG, await_end, await_workers, kill, own_pid, pool};

brigade_process::test_binary!();

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;

/// A value whose reading ends the process.
#[derive(Serialize)]
struct Poison(u8);

impl<'de> Deserialize<'de> for Poison {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        std::process::abort()
    }
}

fn die((): ()) {
    kill(own_pid(()));
}

#[expect(unconditional_recursion, reason = "to overflow the stack")]
fn descend(n: u64) -> u64 {
    descend(n + 1) + n
}

/// The status that a task's error names.
fn status_of<T: std::fmt::Debug>(result: Result<T, TaskError>) -> ExitStatus {
    match result {
        Err(TaskError::WorkerDied { status, pid }) => {
            assert!(pid > 0);
            status
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn ppf_05_ppf_15_gap_21_a_dead_worker_costs_its_task_and_says_how_it_died() {
    let pool = pool(2);
    for _ in 0..5 {
        let killed = pool.submit(die, ()).unwrap();
        let exited = pool.submit(|code: i32| -> () { std::process::exit(code) }, 3).unwrap();
        let aborted = pool.submit(|()| -> () { std::process::abort() }, ()).unwrap();
        let other = pool.submit(|n: i32| n + 1, 1).unwrap();
        assert_eq!(status_of(killed.result()), ExitStatus::Signal(SIGKILL));
        assert_eq!(status_of(exited.result()), ExitStatus::Code(3));
        assert_eq!(status_of(aborted.result()), ExitStatus::Signal(SIGABRT));
        assert_eq!(other.result().unwrap(), 2);
    }
    let overflow = pool.submit(descend, 0).unwrap();
    assert!(matches!(status_of(overflow.result()), ExitStatus::Signal(_)));
    assert_eq!(await_workers(&pool).len(), 2);
}

#[test]
fn ppf_04_reading_that_ends_the_worker_is_the_tasks_error() {
    let pool = pool(1);
    let future = pool.submit(|_: Poison| (), Poison(1)).unwrap();
    assert_eq!(status_of(future.result()), ExitStatus::Signal(SIGABRT));
    assert!(pool.submit(own_pid, ()).unwrap().result().is_ok());
}

#[test]
fn ppf_18_the_error_names_the_exit_code() {
    let pool = pool(1);
    let future = pool.submit(|()| -> () { std::process::exit(99) }, ()).unwrap();
    let error = future.error().unwrap().to_string();
    assert!(error.contains("99") && error.contains("died while it ran the task"), "{error}");
}

#[test]
fn gap_11_an_idle_worker_that_is_killed_is_replaced() {
    let pool = pool(2);
    for _ in 0..5 {
        for pid in await_workers(&pool) {
            kill(pid);
        }
        assert!(pool.submit(own_pid, ()).unwrap().result_timeout(LONG).is_ok());
    }
}

#[test]
fn tasks_that_waited_behind_the_dead_run_elsewhere_once() {
    let pool = pool(2);
    let ran = Queue::bounded(1000).unwrap();
    for round in 0..10 {
        let gate = Gate::new();
        let blocked = [gate.submit(&pool), gate.submit(&pool)];
        let pids = gate.await_begun(2);
        let put = |(n, ran): (usize, Queue<usize>)| ran.put(n).unwrap();
        let futures: Vec<_> =
            (0..60).map(|n| pool.submit(put, (n, ran.clone())).unwrap()).collect();
        pids.into_iter().for_each(kill);
        for blocked in blocked {
            assert_eq!(status_of(blocked.result()), ExitStatus::Signal(SIGKILL));
        }
        for future in futures {
            future.result().unwrap();
        }
        let mut seen: Vec<_> = (0..ran.len()).map(|_| ran.get().unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..60).collect::<Vec<_>>(), "round {round}");
    }
}

#[test]
fn a_task_whose_worker_died_is_retried_as_often_as_it_may_be() {
    let pool = ProcessPool::builder().max_workers(2).retries(2).build().unwrap();
    let tried = Queue::bounded(10).unwrap();
    let stumble = |(times, tried): (usize, Queue<i32>)| {
        tried.put(own_pid(())).unwrap();
        if tried.len() <= times {
            die(());
        }
        tried.len()
    };
    let future = pool.submit(stumble, (2, tried.clone())).unwrap();
    assert_eq!(future.result().unwrap(), 3);
    (0..3).for_each(|_| assert!(tried.get().is_ok()));
    let future = pool.submit(stumble, (3, tried.clone())).unwrap();
    assert_eq!(status_of(future.result()), ExitStatus::Signal(SIGKILL));
    assert_eq!(tried.len(), 3);
}

#[test]
fn gap_20_an_initializer_that_fails_breaks_the_pool_and_says_why() {
    let starts = Queue::bounded(100).unwrap();
    let fail = |starts: Queue<i32>| {
        starts.put(own_pid(())).unwrap();
        assert_eq!(starts.len(), 0, "no database");
    };
    let pool = ProcessPool::builder().max_workers(2).initializer(fail, starts.clone());
    let pool = pool.build().unwrap();
    // Accepted or not: either way the answer is that the pool is broken.
    let broken = match pool.submit(own_pid, ()) {
        Ok(future) => match future.result() {
            Err(TaskError::Broken(broken)) => broken,
            other => panic!("{other:?}"),
        },
        Err(refused) => match refused.reason {
            Refusal::Broken(broken) => broken,
            other => panic!("{other}"),
        },
    };
    assert!(broken.reason.contains("no database"), "{broken}");
    assert!(matches!(pool.submit(own_pid, ()).unwrap_err().reason, Refusal::Broken(_)));
    assert!((8..=10).contains(&starts.len()), "{} starts", starts.len());
    // PPF-20: ending what is over already is no error.
    pool.terminate();
    pool.kill();
    pool.join();
    assert!(pool.worker_pids().is_empty());
}

#[test]
fn an_initializer_may_fail_as_main_does_or_end_the_process() {
    let builder = || ProcessPool::builder().max_workers(1);
    for (builder, expected) in [
        (builder().initializer(|()| ExitCode::from(9), ()), "ended with code 9"),
        (builder().initializer(|()| -> () { std::process::exit(4) }, ()), "4"),
    ] {
        let pool = builder.build().unwrap();
        let reason = match pool.submit(own_pid, ()) {
            Ok(future) => future.error().unwrap().to_string(),
            Err(refused) => refused.to_string(),
        };
        assert!(reason.contains("the pool is broken"), "{reason}");
        assert!(reason.contains(expected), "{reason}");
    }
}

#[test]
fn an_initializer_that_fails_once_delays_and_breaks_nothing() {
    let first = Event::new().unwrap();
    let fail_once = |first: Event| {
        let is_first = !first.is_set();
        first.set();
        assert!(!is_first, "the first fails");
    };
    let pool = ProcessPool::builder().max_workers(1).initializer(fail_once, first).build().unwrap();
    assert!(pool.submit(own_pid, ()).unwrap().result().is_ok());
}

#[test]
fn an_interrupt_from_the_terminal_leaves_the_workers_alone() {
    use brigade_sys::{pidfd, signals::Signal};
    use std::os::fd::AsFd;
    let pool = pool(1);
    let before = await_workers(&pool);
    for pid in &before {
        pidfd::signal(pidfd::open(*pid).unwrap().as_fd(), Signal::INT).unwrap();
    }
    assert_eq!(await_workers(&pool), before);
    drop(pool);
    before.into_iter().for_each(await_end);
}
