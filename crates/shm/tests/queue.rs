//! What a killed process leaves in a queue: everything it had put, and nobody waiting for it.

#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::time::Duration;

use brigade_shm::Queue;
use brigade_shm::queue::GetTimeoutError;
use brigade_shm::testing::{Ended, alone, at_every_step, end_here, run, start};

const SOON: Duration = Duration::from_secs(10);

/// GAP-25.
#[test]
fn what_was_put_stays_when_the_producer_is_killed() {
    let _alone = alone();
    let queue = Queue::bounded(1_000).unwrap();
    let end = run(|| {
        for n in 0..1_000 {
            queue.put(n).unwrap();
        }
        end_here();
    });
    assert_eq!(end, Ended::Signal(9));
    for n in 0..1_000 {
        assert_eq!(queue.try_get().unwrap(), n);
    }
}

/// GAP-12.
#[test]
fn a_consumer_learns_that_the_last_producer_was_killed() {
    let _alone = alone();
    for _ in 0..20 {
        let queue = Queue::<u32>::bounded(4).unwrap();
        let producer = queue.producer().unwrap();
        let child = start(|| {
            producer.put(1).unwrap();
            loop {
                std::thread::park();
            }
        });
        drop(producer);
        assert_eq!(queue.get().unwrap(), 1);
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| queue.get_timeout(SOON));
            child.kill();
            assert!(matches!(waiter.join().unwrap(), Err(GetTimeoutError::Closed)));
        });
    }
}

#[test]
fn a_producer_killed_at_any_step_leaves_all_or_nothing() {
    let _alone = alone();
    for length in [10, 5_000] {
        let queue = Queue::with_ring(4, 1024).unwrap();
        let message = |n: u8| vec![n; length];
        let steps = at_every_step(
            || queue.put(message(7)).unwrap(),
            |came_through| {
                let mut got = Vec::new();
                queue.put_timeout(message(8), SOON).unwrap();
                while let Ok(message) = queue.try_get() {
                    got.push(message);
                }
                assert_eq!(got.pop().unwrap(), message(8));
                assert!(got.is_empty() || got == [message(7)], "a torn or doubled message");
                assert!(!came_through || got.len() == 1, "a finished put is there");
            },
        );
        assert!(steps >= 4, "only {steps} steps were labelled");
    }
}

#[test]
fn a_consumer_killed_at_any_step_takes_all_or_nothing() {
    let _alone = alone();
    for length in [10, 5_000] {
        let queue = Queue::<Vec<u8>>::with_ring(4, 1024).unwrap();
        let message = |n: u8| vec![n; length];
        queue.put(message(0)).unwrap();
        let steps = at_every_step(
            || assert_eq!(queue.get().unwrap().len(), length),
            |_| {
                // One message for the next child, and one behind it.
                let mut left = queue.len();
                assert!(left <= 2);
                while left > 0 {
                    assert_eq!(queue.get_timeout(SOON).unwrap().len(), length);
                    left -= 1;
                }
                queue.put_timeout(message(1), SOON).unwrap();
                queue.put_timeout(message(2), SOON).unwrap();
            },
        );
        assert!(steps >= 4, "only {steps} steps were labelled");
    }
}

#[test]
fn nothing_is_left_of_killed_producers_and_consumers() {
    let _alone = alone();
    let queue = Queue::with_ring(4, 1024).unwrap();
    let arena = brigade_shm::Arena::program().unwrap();
    let settle = || {
        while queue.try_get().is_ok() {}
        // A block that was left in a slot goes when the slot is used again.
        for _ in 0..4 {
            queue.put(vec![0_u8; 10]).unwrap();
            queue.get().unwrap();
        }
        arena.bury_the_dead();
        arena.used().unwrap()
    };
    let before = settle();
    for _ in 0..3 {
        at_every_step(
            || queue.put(vec![7_u8; 5_000]).unwrap(),
            |_| while queue.try_get().is_ok() {},
        );
        queue.put(vec![7_u8; 5_000]).unwrap();
        at_every_step(
            || {
                queue.get().unwrap();
            },
            |_| {
                while queue.try_get().is_ok() {}
                queue.put(vec![7_u8; 5_000]).unwrap();
            },
        );
    }
    assert_eq!(settle(), before);
}

#[test]
fn waiters_killed_at_random_swallow_no_message() {
    let _alone = alone();
    for round in 0..30_u32 {
        let queue = Queue::<u32>::bounded(4).unwrap();
        let victims: Vec<_> =
            (0..2).map(|_| start(|| while queue.get_timeout(SOON).is_ok() {})).collect();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for victim in victims {
                    for n in 0..10 {
                        queue.put_timeout(n, SOON).unwrap();
                        for _ in 0..round * 31 {
                            std::hint::spin_loop();
                        }
                    }
                    victim.kill();
                }
                queue.put_timeout(99, SOON).unwrap();
            });
            while queue.get_timeout(SOON).expect("nobody was woken") != 99 {}
        });
    }
}
