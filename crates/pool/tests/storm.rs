//! Workers killed at random, and owners: everything ends once, and nothing is left over.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod scenario;

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use brigade_pool::{Pending, ProcessPool, ProcessPoolBuilder, TaskError};
use brigade_process::{ExitStatus, Process, active_children};
use brigade_shm::Queue;

use scenario::{Gate, await_end, await_workers, kill, pool};

brigade_process::test_binary!();

const SIGKILL: i32 = 9;

/// Children and descriptors are counted, so the tests of this file run one after the other.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number that is hard to guess, from the last one.
fn next_random(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

/// Some work, from none to a millisecond.
fn work(n: u64) -> u64 {
    let mut seed = n + 1;
    (0..n % 16 * 1000).for_each(|_| {
        std::hint::black_box(next_random(&mut seed));
    });
    n * 2
}

/// A pool that does not give up when its workers are killed before they are ready.
fn sturdy() -> ProcessPoolBuilder {
    ProcessPool::builder().max_workers(3).max_failed_starts(1000)
}

/// How many workers are killed at most while something runs. Without a limit a busy machine spends
/// its time starting workers that are killed before they have done anything.
const MOST_KILLS: usize = 100;

/// Kills workers at random while `work` runs, and returns how many.
fn under_fire<R>(pool: &ProcessPool, seed: u64, work: impl FnOnce() -> R) -> (R, usize) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let killer = scope.spawn(|| {
            let mut seed = seed;
            let mut count = 0;
            while !is_over.load(Relaxed) && count < MOST_KILLS {
                let pids = pool.worker_pids();
                if !pids.is_empty() {
                    let index = next_random(&mut seed) % pids.len() as u64;
                    kill(pids[usize::try_from(index).unwrap()]);
                    count += 1;
                }
                (0..next_random(&mut seed) % 200).for_each(|_| thread::yield_now());
            }
            count
        });
        let result = work();
        is_over.store(true, Relaxed);
        (result, killer.join().unwrap())
    })
}

#[test]
fn each_of_a_thousand_tasks_ends_once_while_workers_are_killed() {
    let _alone = alone();
    let mut kills = 0;
    for seed in 1..=3 {
        let pool = sturdy().build().unwrap();
        let (lost, killed) = under_fire(&pool, seed, || {
            let futures: Vec<_> = (0..1000).map(|n| pool.submit(work, n).unwrap()).collect();
            let mut lost = 0;
            for (n, future) in (0..).zip(futures) {
                match future.result() {
                    Ok(value) => assert_eq!(value, n * 2),
                    Err(TaskError::WorkerDied { status: ExitStatus::Signal(SIGKILL), .. }) => {
                        lost += 1;
                    }
                    Err(error) => panic!("task {n}: {error}"),
                }
            }
            lost
        });
        assert!(lost <= killed, "{lost} tasks lost with {killed} workers");
        kills += killed;
        pool.shutdown(Pending::Finish);
        assert!(pool.worker_pids().is_empty());
    }
    assert!(kills > 3, "{kills} workers were killed");
    assert!(active_children().is_empty(), "{:?}", active_children());
}

#[test]
fn owners_that_are_killed_take_their_workers_along() {
    let _alone = alone();
    let told = Queue::bounded(10).unwrap();
    let own = |told: Queue<Vec<i32>>| {
        let pool = pool(2);
        let gate = Gate::new();
        let busy = gate.submit(&pool);
        gate.await_begun(1);
        told.put(pool.worker_pids()).unwrap();
        busy.wait();
    };
    for _ in 0..5 {
        let owner = Process::start(own, told.clone()).unwrap();
        let workers = told.get().unwrap();
        assert_eq!(workers.len(), 2);
        owner.kill().unwrap();
        assert_eq!(owner.join(), ExitStatus::Signal(SIGKILL));
        workers.into_iter().for_each(await_end);
    }
}

#[test]
fn with_enough_retries_nothing_is_lost_while_workers_are_killed() {
    let _alone = alone();
    let pool = sturdy().retries(1000).build().unwrap();
    await_workers(&pool);
    let (results, _) =
        under_fire(&pool, 7, || pool.map(work, 0..1000).collect::<Result<Vec<_>, _>>());
    assert_eq!(results.unwrap(), (0..1000).map(|n| n * 2).collect::<Vec<_>>());
}

#[test]
fn pools_that_come_and_go_leave_no_descriptor_and_no_thread() {
    let _alone = alone();
    let count = |what: &str| std::fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
    let mut before = None;
    for _ in 0..20 {
        let pool = pool(2);
        let futures: Vec<_> = (0..100).map(|n| pool.submit(work, n).unwrap()).collect();
        kill(pool.worker_pids()[0]);
        pool.shutdown(Pending::Finish);
        drop((futures, pool));
        let now = (count("fd"), count("task"));
        // The first pool starts what stays: the fork server, and its socket.
        assert_eq!(*before.get_or_insert(now), now);
    }
}
