//! Handles in arguments and results: whatever becomes of the task, what they keep is let go.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod scenario;

use std::sync::{Mutex, MutexGuard, PoisonError};

use brigade_pool::{Pending, ProcessPool, TaskError};
use brigade_shm::queue::GetTimeoutError;
use brigade_shm::{Arena, Event, GetError, Producer, Queue};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use scenario::{Gate, LONG, pool};

brigade_process::test_binary!();

/// A value that ends the process in which it is read or, with a one, the one that writes it.
struct Poison(u8);

impl Serialize for Poison {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == 1 {
            std::process::abort();
        }
        serializer.serialize_u8(self.0)
    }
}

impl<'de> Deserialize<'de> for Poison {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        std::process::abort()
    }
}

/// A queue that had a producer: it ends when it has none.
fn ending() -> Queue<u32> {
    let queue = Queue::bounded(64).unwrap();
    drop(queue.producer().unwrap());
    queue
}

/// Lets one test run at a time: they look at the memory that all of them share.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn assert_ends(queue: &Queue<u32>) {
    let got = queue.get_timeout(LONG);
    assert!(matches!(got, Err(GetTimeoutError::Closed)), "{got:?}");
}

#[test]
fn a_worker_that_dies_between_taking_and_reading_an_argument_keeps_nothing_of_it() {
    let _alone = alone();
    let pool = pool(2);
    for _ in 0..10 {
        let queue = ending();
        let argument = (Poison(0), queue.producer().unwrap());
        let future = pool.submit(|_: (Poison, Producer<u32>)| (), argument).unwrap();
        assert!(matches!(future.result(), Err(TaskError::WorkerDied { .. })));
        assert_ends(&queue);
    }
}

#[test]
fn a_worker_that_dies_between_writing_and_reporting_a_result_keeps_nothing_of_it() {
    let _alone = alone();
    let pool = pool(2);
    for _ in 0..10 {
        let queue = ending();
        let give = |producer: Producer<u32>| (producer, Poison(1));
        let future = pool.submit(give, queue.producer().unwrap()).unwrap();
        assert!(matches!(future.result(), Err(TaskError::WorkerDied { .. })));
        assert_ends(&queue);
    }
}

fn terminate(pool: &ProcessPool) {
    pool.terminate();
}

fn cancel(pool: &ProcessPool) {
    pool.close(Pending::Cancel);
}

#[test]
fn what_waits_for_a_worker_is_let_go_when_the_pool_ends() {
    let _alone = alone();
    for end in [terminate, cancel] {
        let (pool, gate, queue) = (pool(1), Gate::new(), ending());
        let busy = gate.submit(&pool);
        gate.await_begun(1);
        let futures: Vec<_> = (0..100)
            .map(|_| pool.submit(|_: Producer<u32>| (), queue.producer().unwrap()).unwrap())
            .collect();
        end(&pool);
        assert_ends(&queue);
        gate.open();
        drop((busy.result(), futures));
    }
}

#[test]
fn an_argument_that_is_tried_again_is_whole_each_time_and_goes_with_the_last() {
    let _alone = alone();
    let pool = ProcessPool::builder().max_workers(1).retries(2).build().unwrap();
    let (queue, tried) = (ending(), Queue::<u32>::bounded(8).unwrap());
    let work = |(producer, tried): (Producer<u32>, Queue<u32>)| {
        tried.put(0).unwrap();
        if tried.len() < 3 {
            std::process::abort();
        }
        producer.put(7).unwrap();
    };
    pool.submit(work, (queue.producer().unwrap(), tried.clone())).unwrap().result().unwrap();
    assert_eq!((tried.len(), queue.get().unwrap()), (3, 7));
    assert_ends(&queue);
}

#[test]
fn results_with_handles_leave_nothing_in_the_memory() {
    let _alone = alone();
    let pool = pool(2);
    let arena = Arena::program().unwrap();
    let make = |n: u32| {
        let event = Event::new().unwrap();
        event.set();
        (n, event)
    };
    let used = || {
        let results: Result<Vec<_>, _> = pool.map(make, 0..200).collect();
        assert!(
            results.unwrap().iter().enumerate().all(|(at, (n, it))| at as u32 == *n && it.is_set())
        );
        arena.used().unwrap()
    };
    // A worker lets go of its result a moment after it is here, so the least of some is compared.
    let least = || (0..10).map(|_| used()).min().unwrap();
    let first = least();
    assert!(least() <= first);
    let queue = ending();
    let sends = |producer: Producer<u32>| producer.put(1).map(|()| producer).unwrap();
    drop(pool.submit(sends, queue.producer().unwrap()).unwrap().result());
    assert_eq!(queue.get().unwrap(), 1);
    assert!(matches!(queue.get(), Err(GetError::Closed)));
}
