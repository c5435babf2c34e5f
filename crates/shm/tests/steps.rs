//! Deaths at every labelled step of the heap: nothing leaks, and what was there works.
#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use brigade_shm::testing::{alone, at_every_step, end_here, start};
use brigade_shm::{Arena, Event, GetError, Lock, Queue, Semaphore};

#[test]
fn a_death_at_any_step_of_making_using_and_dropping_objects_leaks_nothing() {
    let _alone = alone();
    let arena = Arena::program().unwrap();
    let long = vec![7_u8; 3_000];
    let kept = Queue::<Vec<u8>>::with_ring(2, 64).unwrap();
    let used = arena.used().unwrap();
    let died = at_every_step(
        || {
            let queue = Queue::<Vec<u8>>::with_ring(2, 64).unwrap();
            let producer = queue.producer().unwrap();
            producer.put(long.clone()).unwrap();
            producer.put(long.clone()).unwrap();
            assert_eq!(queue.get().unwrap(), long);
            drop(producer);
            kept.put(long.clone()).unwrap();
            assert_eq!(kept.get().unwrap(), long);
            drop((queue, Lock::new(1_u8).unwrap(), Semaphore::new(1).unwrap()));
        },
        |_| {
            arena.bury_the_dead();
            // A message that was put stays; its place is used again.
            kept.put(long.clone()).unwrap();
            while !kept.is_empty() {
                assert_eq!(kept.get().unwrap(), long);
            }
            for _ in 0..kept.capacity() {
                kept.put(vec![1]).unwrap();
                kept.get().unwrap();
            }
            assert_eq!(arena.used().unwrap(), used);
        },
    );
    assert!(died > 50, "only {died} steps");
}

#[test]
fn a_death_at_any_step_of_burying_the_dead_is_made_good_by_the_next() {
    let _alone = alone();
    let arena = Arena::program().unwrap();
    let queue = Queue::<Vec<u8>>::with_ring(2, 64).unwrap();
    let used = arena.used().unwrap();
    at_every_step(
        || {
            start(|| {
                let _producer = queue.producer().unwrap();
                std::mem::forget((Lock::new(1).unwrap(), Event::new().unwrap()));
                end_here();
            })
            .join();
            arena.bury_the_dead();
        },
        |_| {
            arena.bury_the_dead();
            assert_eq!(arena.used().unwrap(), used);
        },
    );
}

#[test]
fn every_end_of_a_stream_wakes_its_consumer() {
    const ENDS: u32 = 100_000;
    let _alone = alone();
    // In two threads, which take turns: the end comes before, while or after the other sleeps.
    let (give, take) = std::sync::mpsc::sync_channel::<Queue<u32>>(1);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for queue in take {
                assert!(matches!(queue.get(), Ok(1)));
                assert!(matches!(queue.get(), Err(GetError::Closed)));
            }
        });
        for number in 0..ENDS {
            let queue = Queue::<u32>::with_ring(2, 64).unwrap();
            let producer = queue.producer().unwrap();
            give.send(queue).unwrap();
            producer.put(1).unwrap();
            for _ in 0..number % 512 {
                std::hint::spin_loop();
            }
            if number % 3 == 0 {
                producer.close();
            }
        }
        drop(give);
    });
}
