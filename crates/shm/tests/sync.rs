//! What a killed process leaves in locks, semaphores and events: nothing that anyone waits for.

#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::time::{Duration, Instant};

use brigade_shm::sync::{LockTimeoutError, TryLockError};
use brigade_shm::testing::{alone, at_every_step, run, start};
use brigade_shm::{Arena, Event, Lock, OwnerDied, Queue, Semaphore};

const SOON: Duration = Duration::from_secs(10);

fn park() {
    loop {
        std::thread::park();
    }
}

#[test]
fn a_lock_is_had_by_the_next_at_whatever_step_its_holder_dies() {
    let _alone = alone();
    let lock = Lock::new([0_u64; 2]).unwrap();
    let steps = at_every_step(
        || {
            let mut guard = lock.lock().unwrap_or_else(OwnerDied::recover);
            guard[0] += 1;
            guard[1] += 1;
        },
        |came_through| match lock.lock_timeout(SOON) {
            Ok(guard) => assert_eq!(guard[0], guard[1]),
            Err(LockTimeoutError::OwnerDied(mut died)) => {
                assert!(!came_through, "whoever lives has released");
                **died.guard_mut() = [0; 2];
                drop(died.recover());
            }
            Err(error @ LockTimeoutError::TimedOut) => panic!("{error}"),
        },
    );
    assert!(steps >= 3, "only {steps} steps were labelled");
}

/// LCK-04 over processes, W1.
#[test]
fn waiters_in_other_processes_get_the_lock_of_a_killed_holder_one_after_the_other() {
    let _alone = alone();
    for _ in 0..10 {
        let lock = Lock::new(0_u32).unwrap();
        let (held, passed) = (Queue::<()>::bounded(1).unwrap(), Queue::bounded(8).unwrap());
        let holder = start(|| {
            let _guard = lock.lock().unwrap();
            held.put(()).unwrap();
            park();
        });
        held.get().unwrap();
        let waiters: Vec<_> = (0..4)
            .map(|_| {
                start(|| {
                    *lock.lock().unwrap_or_else(OwnerDied::recover) += 1;
                    passed.put(()).unwrap();
                })
            })
            .collect();
        assert!(matches!(lock.try_lock(), Err(TryLockError::Locked)));
        holder.kill();
        for _ in 0..4 {
            passed.get_timeout(SOON).unwrap();
        }
        for waiter in waiters {
            waiter.join();
        }
        assert_eq!(*lock.lock().unwrap(), 4);
    }
}

#[test]
fn permits_are_neither_lost_nor_doubled_at_whatever_step_their_holder_dies() {
    let _alone = alone();
    let semaphore = Semaphore::new(2).unwrap();
    let steps = at_every_step(
        || {
            let first = semaphore.acquire();
            let second = semaphore.acquire();
            drop(first);
            drop(second);
        },
        |_| {
            let first = semaphore.acquire_timeout(SOON).expect("the dead one's are back");
            let second = semaphore.acquire_timeout(SOON).expect("the dead one's are back");
            assert!(semaphore.try_acquire().is_none(), "there are two permits");
            drop((first, second));
        },
    );
    assert!(steps >= 6, "only {steps} steps were labelled");
}

#[test]
fn a_permit_that_is_handed_over_is_there_or_not_and_never_twice() {
    let _alone = alone();
    let semaphore = Semaphore::new(1).unwrap();
    at_every_step(
        || {
            semaphore.acquire().forget();
            semaphore.release(1).unwrap();
        },
        |came_through| {
            let permit = semaphore.acquire_timeout(Duration::from_millis(50));
            assert!(!came_through || permit.is_some());
            assert!(semaphore.try_acquire().is_none());
            if permit.is_none() {
                // It died with the permit used up and not yet released.
                semaphore.release(1).unwrap();
            }
        },
    );
}

/// GAP-08.
#[test]
fn a_waiter_gets_the_permit_of_a_killed_holder_at_once() {
    let _alone = alone();
    for _ in 0..10 {
        let semaphore = Semaphore::new(2).unwrap();
        let held = Queue::<()>::bounded(2).unwrap();
        let holders: Vec<_> = (0..2)
            .map(|_| {
                start(|| {
                    let _permit = semaphore.acquire();
                    held.put(()).unwrap();
                    park();
                })
            })
            .collect();
        held.get().unwrap();
        held.get().unwrap();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| semaphore.acquire_timeout(SOON));
            for holder in holders {
                holder.kill();
            }
            assert!(waiter.join().unwrap().is_some());
        });
        let both = (semaphore.acquire_timeout(SOON), semaphore.acquire_timeout(SOON));
        assert!(both.0.is_some() && both.1.is_some());
    }
}

#[test]
fn a_waiter_whom_a_newcomer_overtook_gets_the_permit_when_that_is_killed() {
    let _alone = alone();
    for _ in 0..10 {
        let semaphore = Semaphore::new(1).unwrap();
        let first = semaphore.acquire();
        let (taken, got) = (Queue::bounded(1).unwrap(), Queue::bounded(1).unwrap());
        let waiter = start(|| {
            let permit = semaphore.acquire_timeout(SOON);
            got.put(permit.is_some()).unwrap();
        });
        while !waiter.rests() {
            std::thread::yield_now();
        }
        waiter.halt();
        drop(first);
        let newcomer = start(|| {
            let _permit = semaphore.acquire();
            taken.put(()).unwrap();
            park();
        });
        taken.get().unwrap();
        waiter.go_on();
        // Woken for nothing, it sleeps again, and knows only now whom it waits for.
        while !waiter.rests() {
            std::thread::yield_now();
        }
        newcomer.kill();
        assert!(got.get_timeout(SOON).unwrap(), "nobody told the waiter");
        waiter.join();
    }
}

/// EVT-01 over processes, W7.
#[test]
fn an_event_is_set_or_not_at_whatever_step_its_setter_dies_and_whoever_waited_is_woken() {
    let _alone = alone();
    let event = Event::new().unwrap();
    at_every_step(
        || event.set(),
        |came_through| {
            if event.is_set() {
                assert!(event.wait_timeout(SOON));
            } else {
                assert!(!came_through);
                event.set();
            }
            event.clear();
        },
    );
}

#[test]
fn a_setter_killed_right_after_its_store_wakes_every_waiter() {
    let _alone = alone();
    for _ in 0..10 {
        let event = Event::new().unwrap();
        let woken = Queue::bounded(4).unwrap();
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                start(|| {
                    if event.wait_timeout(SOON) {
                        woken.put(()).unwrap();
                    }
                })
            })
            .collect();
        run(|| {
            // The second labelled step comes right after the store.
            brigade_sys::kill_point::arm(2);
            event.set();
        });
        for _ in 0..3 {
            woken.get_timeout(SOON).expect("a waiter was not woken");
        }
        for waiter in waiters {
            waiter.join();
        }
    }
}

#[test]
fn what_killed_creators_made_is_freed() {
    let _alone = alone();
    let arena = Arena::program().unwrap();
    let rest = || {
        arena.bury_the_dead();
        arena.used().unwrap()
    };
    let before = rest();
    for _ in 0..20 {
        run(|| {
            let _made: Vec<_> = (0..100).map(|n| Lock::new(n).unwrap()).collect();
            let _more = (Queue::<u32>::bounded(100).unwrap(), Semaphore::new(1).unwrap());
            brigade_shm::testing::end_here();
        });
    }
    assert_eq!(rest(), before);
}

#[test]
fn a_process_that_ends_is_replaced_in_its_slot() {
    let _alone = alone();
    let lock = Lock::new(0_u32).unwrap();
    let began = Instant::now();
    // More processes than there are slots.
    for _ in 0..600 {
        run(|| *lock.lock().unwrap() += 1);
    }
    assert_eq!(*lock.lock().unwrap(), 600);
    assert!(began.elapsed() < Duration::from_secs(60));
}
