//! The asynchronous forms: they wait without a thread, and a future that is dropped takes nothing.
#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Waker};

use brigade_shm::testing::{Ended, alone, start};
use brigade_shm::{Event, GetError, PutError, Queue, Semaphore, pipe};
use brigade_sys::reactor::block_on;

const ROUNDS: u32 = 50;

/// Polls a future that must not be done yet, once.
fn begin<F: Future>(future: Pin<&mut F>) {
    assert!(future.poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[test]
fn a_get_waits_for_a_put_and_a_put_for_a_get() {
    let _alone = alone();
    let queue = Queue::bounded(1).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            block_on(async {
                for n in 0..ROUNDS {
                    queue.put_async(n).await.unwrap();
                }
            });
        });
        block_on(async {
            for n in 0..ROUNDS {
                assert_eq!(queue.get_async().await.unwrap(), n);
            }
        });
    });
}

#[test]
fn a_get_hears_of_the_end_and_a_put_of_the_last_consumer() {
    let _alone = alone();
    for _ in 0..ROUNDS {
        let queue = Queue::<u32>::bounded(1).unwrap();
        let (producer, consumer) = (queue.producer().unwrap(), queue.consumer().unwrap());
        std::thread::scope(|scope| {
            let end = scope.spawn(|| block_on(queue.get_async()));
            drop(producer);
            assert!(matches!(end.join().unwrap(), Err(GetError::Closed)));
            queue.try_put(1).unwrap();
            let refused = scope.spawn(|| block_on(queue.put_async(2)));
            drop(consumer);
            assert!(matches!(refused.join().unwrap(), Err(PutError::Closed(2))));
        });
    }
}

#[test]
fn a_get_hears_of_the_death_of_the_last_producer() {
    let _alone = alone();
    for _ in 0..5 {
        let queue = Queue::bounded(1).unwrap();
        let producer = start(|| {
            let producer = queue.producer().unwrap();
            producer.put(1).unwrap();
            loop {
                std::thread::park();
            }
        });
        block_on(async {
            assert_eq!(queue.get_async().await.unwrap(), 1);
        });
        std::thread::scope(|scope| {
            let end = scope.spawn(|| block_on(queue.get_async()));
            producer.kill();
            assert!(matches!(end.join().unwrap(), Err(GetError::Closed)));
        });
    }
}

#[test]
fn a_future_that_is_dropped_has_put_and_taken_nothing() {
    let _alone = alone();
    let queue = Queue::bounded(1).unwrap();
    {
        let mut get = pin!(queue.get_async());
        begin(get.as_mut());
        queue.put(1).unwrap();
        // It has been woken, and is dropped before it is polled again.
    }
    assert_eq!(queue.len(), 1);
    {
        let mut put = pin!(queue.put_async(2));
        begin(put.as_mut());
        assert_eq!(queue.get().unwrap(), 1);
    }
    assert!(queue.is_empty());
}

/// The first of two that wait is woken and dropped: the second gets what there is.
#[test]
fn a_wake_up_that_comes_to_a_dropped_future_is_not_lost() {
    let _alone = alone();
    for _ in 0..ROUNDS {
        let semaphore = Semaphore::new(0).unwrap();
        let mut first = Box::pin(semaphore.acquire_async());
        begin(first.as_mut());
        std::thread::scope(|scope| {
            let second = scope.spawn(|| block_on(semaphore.acquire_async()));
            semaphore.release(1).unwrap();
            drop(first);
            drop(second.join().unwrap());
        });
    }
}

#[test]
fn a_set_that_is_cleared_at_once_ends_a_wait() {
    let _alone = alone();
    for _ in 0..ROUNDS {
        let event = Event::new().unwrap();
        let mut wait = Box::pin(event.wait_async());
        begin(wait.as_mut());
        event.set();
        event.clear();
        block_on(wait);
    }
}

#[test]
fn messages_go_there_and_back_between_processes() {
    let _alone = alone();
    let (here, there) = pipe::<u32>().unwrap();
    let other = start(|| {
        block_on(async {
            for _ in 0..ROUNDS {
                let n = there.recv_async().await.unwrap();
                there.send_async(n + 1).await.unwrap();
            }
        });
    });
    block_on(async {
        for n in 0..ROUNDS {
            here.send_async(n).await.unwrap();
            assert_eq!(here.recv_async().await.unwrap(), n + 1);
        }
    });
    assert_eq!(other.join(), Ended::Code(0));
}

#[test]
fn a_hundred_tasks_wait_in_one_thread() {
    let _alone = alone();
    const TASKS: u32 = 300;
    let queue = Queue::bounded(8).unwrap();
    let mut tasks: Vec<_> = (0..TASKS).map(|_| Box::pin(queue.get_async())).collect();
    tasks.iter_mut().for_each(|task| begin(task.as_mut()));
    std::thread::scope(|scope| {
        scope.spawn(|| (0..TASKS).for_each(|n| queue.put(n).unwrap()));
        let mut got: Vec<u32> = tasks.into_iter().map(|task| block_on(task).unwrap()).collect();
        got.sort_unstable();
        assert!(got.into_iter().eq(0..TASKS));
    });
}
