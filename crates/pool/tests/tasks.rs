//! Tasks and their results (POL, EXE).
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod scenario;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::num::NonZero;
use std::process::ExitCode;
use std::time::Duration;

use brigade_pool::{BuildError, MapPolicy, ProcessPool, TaskError};
use brigade_process::{StartMethod, process_cpu_count};
use brigade_shm::{Event, Lock, OwnerDied, Queue};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use scenario::{Gate, LONG, await_end, await_workers, own_pid, pool};

brigade_process::test_binary!();

fn square(n: u64) -> u64 {
    n * n
}

fn chunks(size: usize) -> MapPolicy {
    MapPolicy { chunk: NonZero::new(size).unwrap(), ..MapPolicy::default() }
}

/// A value that can or cannot be written, and read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fragile {
    Sound,
    Unwritable,
    Unreadable,
}

impl Serialize for Fragile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Sound => 0_u8.serialize(serializer),
            Self::Unwritable => Err(S::Error::custom("unwritable")),
            Self::Unreadable => 1_u8.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Fragile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            0 => Ok(Self::Sound),
            _ => panic!("reading it panics"),
        }
    }
}

#[test]
fn pol_01_exe_01_a_task_returns_its_value() {
    let pool = pool(2);
    assert_eq!(pool.submit(square, 7).unwrap().result().unwrap(), 49);
    let text = pool.submit(|(a, b): (String, u8)| format!("{a}{b}"), ("x".to_owned(), 1));
    assert_eq!(text.unwrap().result().unwrap(), "x1");
}

#[test]
fn workers_are_started_by_either_method_and_never_by_fork() {
    for method in [StartMethod::Spawn, StartMethod::ForkServer] {
        let pool = ProcessPool::builder().max_workers(1).method(method).build().unwrap();
        assert_eq!(pool.submit(square, 3).unwrap().result().unwrap(), 9);
    }
    let forked = ProcessPool::builder().method(StartMethod::Fork).build();
    assert!(matches!(forked, Err(BuildError::Fork)));
}

#[test]
fn pol_02_pol_09_exe_02_exe_21_a_map_is_in_order_with_any_chunks() {
    let pool = pool(3);
    let expected: Vec<_> = (0..1000).map(square).collect();
    for size in [1, 6, 20, 40, 100, 1000, 5000] {
        let results: Result<Vec<_>, _> = pool.map_with(chunks(size), square, 0..1000).collect();
        assert_eq!(results.unwrap(), expected, "chunks of {size}");
    }
}

#[test]
fn pol_05_a_map_of_nothing_is_empty() {
    assert_eq!(pool(1).map(square, []).count(), 0);
    assert_eq!(pool(1).map_with(chunks(20), square, []).count(), 0);
}

#[test]
fn pol_04_ppf_01_an_argument_that_cannot_be_written_comes_back_at_once() {
    let pool = pool(2);
    for _ in 0..10 {
        let refused = pool.submit(|_: Fragile| (), Fragile::Unwritable).unwrap_err();
        assert_eq!(refused.argument, Fragile::Unwritable);
        assert!(refused.to_string().contains("unwritable"), "{refused}");
    }
    let results: Vec<_> = pool.map(|_: Fragile| (), [Fragile::Unwritable; 10]).collect();
    assert_eq!(results.len(), 10);
    assert!(results.iter().all(|result| matches!(result, Err(TaskError::Refused(_)))));
    assert_eq!(pool.submit(square, 2).unwrap().result().unwrap(), 4);
}

#[test]
fn pol_20_ppf_03_ppf_08_what_cannot_be_read_or_written_costs_one_task_and_no_worker() {
    let pool = pool(2);
    let before = await_workers(&pool);
    for _ in 0..20 {
        let unwritable = pool.submit(|()| Fragile::Unwritable, ()).unwrap();
        assert!(matches!(unwritable.result(), Err(TaskError::Result { .. })));
        let unreadable = pool.submit(|_: Fragile| (), Fragile::Unreadable).unwrap();
        assert!(matches!(unreadable.result(), Err(TaskError::Panicked { .. })));
        // PPF-10: reading it goes wrong here, and not in the worker.
        let returned = pool.submit(|()| Fragile::Unreadable, ()).unwrap();
        assert!(matches!(returned.result(), Err(TaskError::Result { .. })));
        assert_eq!(
            pool.submit(|it: Fragile| it, Fragile::Sound).unwrap().result().unwrap(),
            Fragile::Sound
        );
    }
    assert_eq!(await_workers(&pool), before);
}

#[test]
fn pol_06_the_panic_of_an_input_is_the_callers_and_the_pool_goes_on() {
    let pool = pool(2);
    for fails_at in [0, 3, 30] {
        for _ in 0..2 {
            let input = (0..100).inspect(move |n| assert_ne!(*n, fails_at, "input"));
            let collect = || pool.map(square, input).collect::<Vec<_>>();
            let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(collect));
            assert!(panic.is_err());
        }
    }
    assert_eq!(pool.submit(square, 5).unwrap().result().unwrap(), 25);
}

#[test]
fn pol_16_exe_22_ppf_06_a_panic_is_the_tasks_error_with_its_text() {
    let pool = pool(1);
    let before = await_workers(&pool);
    let future = pool.submit(|n: u8| assert_eq!(n, 1, "n is wrong"), 2).unwrap();
    let Err(TaskError::Panicked { message }) = future.result() else { panic!("no panic") };
    assert!(message.contains("n is wrong"), "{message}");
    assert_eq!(await_workers(&pool), before);
}

#[test]
fn exe_03_values_before_and_after_the_failing_one_are_delivered() {
    let pool = pool(2);
    for size in [1, 3, 10] {
        let divide = |n: i32| 100 / (n - 4);
        let results: Vec<_> = pool.map_with(chunks(size), divide, 0..10).collect();
        for (n, result) in (0..10).zip(&results) {
            match result {
                Ok(value) => assert_eq!(*value, divide(n)),
                Err(TaskError::Panicked { .. }) => assert_eq!(n, 4),
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
    }
}

#[test]
fn exe_04_a_map_ends_with_its_time() {
    let pool = pool(2);
    let gate = Event::new().unwrap();
    let policy = MapPolicy { timeout: Some(Duration::from_millis(200)), ..MapPolicy::default() };
    let arguments = [(0, gate.clone()), (1, gate.clone()), (2, gate.clone()), (3, gate.clone())];
    let wait = |(n, gate): (u8, Event)| {
        if n == 2 {
            gate.wait();
        }
        n
    };
    let results: Vec<_> = pool.map_with(policy, wait, arguments).collect();
    assert_eq!(results.len(), 3);
    assert!(matches!(results[..], [Ok(0), Ok(1), Err(TaskError::TimedOut)]), "{results:?}");
    gate.set();
}

#[test]
fn exe_08_a_map_begins_before_it_is_asked() {
    let pool = pool(1);
    let begun = Queue::bounded(10).unwrap();
    let results = pool.map(|begun: Queue<u8>| begun.put(1).unwrap(), [begun.clone()]);
    assert_eq!(begun.get_timeout(LONG).unwrap(), 1);
    drop(results);
}

#[test]
fn pol_29_an_endless_input_is_never_ahead_by_more_than_the_window() {
    let pool = pool(2);
    let taken = Cell::new(0);
    let input = (0..).inspect(|_| taken.set(taken.get() + 1));
    let policy = MapPolicy { window: NonZero::new(5), ..MapPolicy::default() };
    let mut results = pool.map_with(policy, square, input);
    for n in 0..100 {
        assert!(taken.get() <= n + 5, "{} taken before result {n}", taken.get());
        assert_eq!(results.next().unwrap().unwrap(), n * n);
    }
}

#[test]
fn a_dropped_map_cancels_what_has_not_begun() {
    let pool = pool(1);
    let gate = Gate::new();
    let blocker = gate.submit(&pool);
    gate.await_begun(1);
    let ran = Queue::bounded(100).unwrap();
    drop(pool.map(|ran: Queue<u8>| ran.put(1).unwrap(), vec![ran.clone(); 50]));
    gate.open();
    blocker.result().unwrap();
    pool.submit(own_pid, ()).unwrap().result().unwrap();
    assert_eq!(ran.len(), 0);
}

#[test]
fn pol_13_pol_23_exe_07_exe_09_the_number_of_workers_is_what_was_asked_for() {
    let zero = ProcessPool::new(0).unwrap_err();
    assert_eq!(zero.to_string(), "cannot build a pool: max_workers must be at least 1");
    let zero = ProcessPool::builder().max_tasks_per_worker(0).build().unwrap_err();
    assert!(matches!(zero, BuildError::Zero("max_tasks_per_worker")));
    assert_eq!(pool(3).worker_pids().len(), 3);
    let default = ProcessPool::builder().build().unwrap();
    assert_eq!(default.max_workers(), process_cpu_count().get());
}

#[test]
fn exe_10_many_blocked_tasks_run_on_exactly_the_workers() {
    let pool = pool(3);
    let gate = Gate::new();
    let futures: Vec<_> = (0..45).map(|_| gate.submit(&pool)).collect();
    let begun: BTreeSet<_> = gate.await_begun(3).into_iter().collect();
    assert_eq!(begun, pool.worker_pids().into_iter().collect());
    gate.open();
    for future in futures {
        assert!(begun.contains(&future.result().unwrap()));
    }
}

#[test]
fn exe_11_one_worker_serves_tasks_that_follow_each_other() {
    let pool = pool(3);
    await_workers(&pool);
    let pids: BTreeSet<_> =
        (0..20).map(|_| pool.submit(own_pid, ()).unwrap().result().unwrap()).collect();
    assert_eq!(pids.len(), 1);
}

#[test]
fn pol_21_exe_16_workers_are_replaced_after_their_share() {
    let pool = ProcessPool::builder().max_workers(1).max_tasks_per_worker(3).build().unwrap();
    let pids: Vec<_> = pool.map(own_pid, [(); 8]).map(Result::unwrap).collect();
    for share in pids.chunks(3) {
        assert!(share.iter().all(|pid| *pid == share[0]), "{pids:?}");
    }
    let different: BTreeSet<_> = pids.iter().collect();
    assert_eq!(different.len(), 3, "{pids:?}");

    let pool = ProcessPool::builder().max_workers(3).max_tasks_per_worker(10).build().unwrap();
    let before = pool.worker_pids();
    let results: Result<Vec<_>, _> = pool.map(square, 0..100).collect();
    assert_eq!(results.unwrap(), (0..100).map(square).collect::<Vec<_>>());
    before.iter().for_each(|pid| await_end(*pid));
}

#[test]
fn pol_25_exe_14_the_initializer_runs_once_in_each_worker_before_its_tasks() {
    let ran = Queue::bounded(100).unwrap();
    let initialize = |ran: Queue<i32>| {
        ran.put(own_pid(())).unwrap();
        ExitCode::SUCCESS
    };
    let pool = ProcessPool::builder().max_workers(3).initializer(initialize, ran.clone());
    let pool = pool.max_tasks_per_worker(4).build().unwrap();
    let pids: BTreeSet<_> = pool.map(own_pid, vec![(); 40]).map(Result::unwrap).collect();
    drop(pool);
    let mut initialized: Vec<_> = (0..ran.len()).map(|_| ran.get().unwrap()).collect();
    initialized.sort_unstable();
    assert!(initialized.windows(2).all(|pair| pair[0] != pair[1]), "twice in one worker");
    assert!(pids.iter().all(|pid| initialized.contains(pid)));
}

#[test]
fn pol_27_many_workers_and_more_tasks() {
    let pool = pool(100);
    let sum: u64 = pool.map(square, 0..1000).map(Result::unwrap).sum();
    assert_eq!(sum, (0..1000).map(square).sum());
}

#[test]
fn handles_of_shared_objects_are_arguments_and_results() {
    let pool = pool(2);
    let total = Lock::new(0_u64).unwrap();
    let add = |(n, total): (u64, Lock<u64>)| {
        *total.lock().unwrap_or_else(OwnerDied::recover) += n;
    };
    let arguments = (0..100).map(|n| (n, total.clone()));
    pool.map(add, arguments).for_each(Result::unwrap);
    assert_eq!(*total.lock().unwrap_or_else(OwnerDied::recover), 4950);

    let make = |text: String| {
        let queue = Queue::bounded(1).unwrap();
        queue.put(text).unwrap();
        queue
    };
    let queue = pool.submit(make, "inside".to_owned()).unwrap().result().unwrap();
    assert_eq!(queue.get().unwrap(), "inside");
}

#[test]
fn large_arguments_and_results_arrive_whole() {
    let pool = pool(2);
    for size in [0, 1000, 100_000, 10_000_000] {
        let bytes = vec![7_u8; size];
        let reversed = pool
            .submit(
                |mut it: Vec<u8>| {
                    it.push(8);
                    it
                },
                bytes,
            )
            .unwrap();
        let reversed = reversed.result().unwrap();
        assert_eq!((reversed.len(), reversed[size]), (size + 1, 8));
    }
}

#[test]
fn work_behind_a_long_task_goes_to_an_idle_worker() {
    let pool = pool(2);
    await_workers(&pool);
    let gate = Gate::new();
    // Both workers hold many tasks; one of them is blocked by its first.
    let blocked = gate.submit(&pool);
    let others: Vec<_> = (0..50).map(|n| pool.submit(square, n).unwrap()).collect();
    for other in others {
        assert!(other.wait_timeout(LONG), "it waits behind the blocked task");
        other.result().unwrap();
    }
    gate.open();
    blocked.result().unwrap();
}
