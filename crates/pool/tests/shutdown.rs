//! The end of a pool (SHD, EXE-17, PPF-12, PPF-19, GAP-19).
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod scenario;

use std::sync::{Arc, mpsc};
use std::time::Duration;

use brigade_pool::{Pending, ProcessPool, Refusal, TaskError, TaskState};
use brigade_process::{ExitStatus, Process};
use brigade_shm::Queue;
use brigade_sys::signals::{self, Signal};

use scenario::{Gate, LONG, await_end, await_workers, own_pid, pool};

brigade_process::test_binary!();

fn square(n: u64) -> u64 {
    n * n
}

#[test]
fn shd_01_pol_15_a_task_after_the_end_comes_back() {
    let pool = pool(1);
    pool.shutdown(Pending::Finish);
    pool.shutdown(Pending::Cancel);
    let refused = pool.submit(square, 7).unwrap_err();
    assert_eq!(refused.argument, 7);
    assert!(matches!(refused.reason, Refusal::Closed));
    let results: Vec<_> = pool.map(square, 0..2).collect();
    assert!(results.iter().all(|it| matches!(it, Err(TaskError::Refused(Refusal::Closed)))));
}

#[test]
fn shd_04_shd_08_a_shutdown_finishes_everything_and_leaves_no_worker() {
    for workers in [1, 3] {
        let pool = pool(workers);
        let pids = pool.worker_pids();
        let futures: Vec<_> = (0..50).map(|n| pool.submit(square, n).unwrap()).collect();
        pool.shutdown(Pending::Finish);
        pids.into_iter().for_each(await_end);
        assert!(pool.worker_pids().is_empty());
        for (n, future) in (0..).zip(futures) {
            assert!(future.is_done());
            assert_eq!(future.result().unwrap(), n * n);
        }
    }
}

#[test]
fn shd_05_a_shutdown_may_cancel_what_has_not_begun() {
    let pool = pool(3);
    let gate = Gate::new();
    let futures: Vec<_> = (0..50).map(|_| gate.submit(&pool)).collect();
    let begun = gate.await_begun(3);
    pool.close(Pending::Cancel);
    gate.open();
    pool.join();
    let mut cancelled = 0;
    for future in futures {
        match future.result() {
            Ok(pid) => assert!(begun.contains(&pid)),
            Err(TaskError::Cancelled) => cancelled += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(cancelled, 47);
}

#[test]
fn shd_09_what_was_submitted_is_computed_when_the_pool_is_dropped_or_closed() {
    let pool = pool(2);
    let futures: Vec<_> = (0..20).map(|n| pool.submit(square, n).unwrap()).collect();
    drop(pool);
    assert!(futures.iter().all(|future| future.state() == TaskState::Done));
    assert_eq!(futures.into_iter().map(|future| future.result().unwrap()).sum::<u64>(), 2470);

    let pool = scenario::pool(2);
    let gate = Gate::new();
    let futures: Vec<_> = (0..5).map(|_| gate.submit(&pool)).collect();
    pool.close(Pending::Finish);
    assert!(!pool.join_timeout(Duration::from_millis(10)));
    gate.open();
    assert!(pool.join_timeout(LONG));
    futures.into_iter().for_each(|future| assert!(future.result().is_ok()));
}

#[test]
fn exe_17_workers_that_are_replaced_finish_what_was_submitted() {
    for _ in 0..5 {
        let pool = ProcessPool::builder().max_workers(3).max_tasks_per_worker(1).build().unwrap();
        let futures: Vec<_> = (0..6).map(|n| pool.submit(square, n).unwrap()).collect();
        pool.shutdown(Pending::Finish);
        for (n, future) in (0..).zip(futures) {
            assert_eq!(future.result().unwrap(), n * n);
        }
    }
}

#[test]
fn shutting_down_at_once_again_and_again_ends_each_time() {
    for round in 0..30 {
        let pool = pool(2);
        if round % 3 == 0 {
            await_workers(&pool);
        }
        let future = pool.submit(square, 3).unwrap();
        match round % 2 {
            0 => pool.shutdown(Pending::Cancel),
            _ => drop(pool),
        }
        assert!(matches!(future.result(), Ok(9) | Err(TaskError::Cancelled)));
    }
}

#[test]
fn ppf_19_a_terminated_pool_fails_its_tasks_and_ends_its_workers() {
    for kill in [ProcessPool::terminate, ProcessPool::kill] {
        let pool = pool(2);
        let gate = Gate::new();
        let futures: Vec<_> = (0..100).map(|_| gate.submit(&pool)).collect();
        let pids = gate.await_begun(2);
        kill(&pool);
        for future in futures {
            assert!(
                matches!(future.result_timeout(LONG), Err(error) if error.to_string().contains("terminated"))
            );
        }
        assert!(pool.join_timeout(LONG));
        pids.into_iter().for_each(await_end);
        assert!(matches!(pool.submit(square, 1).unwrap_err().reason, Refusal::Closed));
    }
}

#[test]
fn a_worker_that_will_not_end_is_killed() {
    let pool = pool(1);
    let begun = Queue::bounded(1).unwrap();
    let stubborn = |begun: Queue<i32>| {
        signals::ignore(Signal::TERM).unwrap();
        begun.put(own_pid(())).unwrap();
        std::thread::park();
    };
    let future = pool.submit(stubborn, begun.clone()).unwrap();
    let pid = begun.get().unwrap();
    pool.terminate();
    assert!(matches!(future.result(), Err(TaskError::Terminated)));
    assert!(pool.join_timeout(LONG));
    await_end(pid);
}

#[test]
fn gap_19_a_callback_may_end_its_own_pool() {
    let pool = Arc::new(pool(2));
    let gate = Gate::new();
    let blocked = gate.submit(&pool);
    gate.await_begun(1);
    let (told, hear) = mpsc::channel();
    let future = pool.submit(square, 2).unwrap();
    let own = Arc::clone(&pool);
    future.add_done_callback(move |_| {
        own.terminate();
        own.join();
        own.shutdown(Pending::Cancel);
        told.send(()).unwrap();
    });
    hear.recv_timeout(LONG).unwrap();
    assert!(matches!(blocked.result(), Err(TaskError::Terminated)));
    assert!(pool.join_timeout(LONG));
}

#[test]
fn a_panic_that_unwinds_past_a_pool_does_not_wait_for_its_tasks() {
    let gate = Gate::new();
    let panicking = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let pool = pool(1);
        let _future = gate.submit(&pool);
        gate.await_begun(1);
        panic!("on purpose");
    }));
    assert!(panicking.is_err());
}

#[test]
fn shd_02_a_program_that_ends_finishes_its_tasks_first() {
    let said = Queue::bounded(10).unwrap();
    let program = |said: Queue<String>| {
        let pool = pool(1);
        let say = |said: Queue<String>| said.put("apple".to_owned()).unwrap();
        drop(pool.submit(say, said).unwrap());
    };
    let process = Process::start(program, said.clone()).unwrap();
    assert_eq!(process.join(), ExitStatus::Code(0));
    assert_eq!(said.try_get().unwrap(), "apple");
}

#[test]
fn a_task_may_have_a_pool_of_its_own() {
    let pool = pool(2);
    let nested = |n: u64| {
        let pool = ProcessPool::new(2).unwrap();
        pool.map(square, 0..n).map(Result::unwrap).sum::<u64>()
    };
    let sums: Result<Vec<_>, _> = pool.map(nested, [3, 5]).collect();
    assert_eq!(sums.unwrap(), [5, 30]);
}
