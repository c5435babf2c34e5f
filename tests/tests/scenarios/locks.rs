//! Locks between parties (LCK).

use std::time::{Duration, Instant};

use brigade::sync::{LockTimeoutError, TryLockError};
use brigade::{Event, Lock, OwnerDied, Queue};

use brigade_tests::stage::{LONG, SHORT, here, in_every_mode, join_all, takes, until_asleep};

fn is_refused(lock: Lock<u32>) {
    assert!(lock.is_locked());
    assert!(matches!(lock.try_lock(), Err(TryLockError::Locked)));
}

fn is_had(lock: Lock<u32>) {
    drop(lock.try_lock().unwrap());
    drop(lock.lock().unwrap());
    assert!(!lock.is_locked());
}

/// LCK-01 (a second release cannot be written: the guard is gone), LCK-03
#[test]
fn a_lock_that_one_has_is_refused_to_others_until_it_is_released() {
    in_every_mode(|mode| {
        let lock = Lock::new(0_u32).unwrap();
        mode.start(is_had, lock.clone()).join();
        let guard = lock.lock().unwrap();
        mode.start(is_refused, lock.clone()).join();
        is_refused(lock.clone());
        drop(guard);
        mode.start(is_had, lock.clone()).join();
        is_had(lock);
    });
}

/// LCK-02
#[test]
fn a_scope_that_is_left_by_an_error_or_a_panic_releases_its_lock() {
    in_every_mode(|mode| {
        let lock = Lock::new(0_u32).unwrap();
        let leave_by_error = |lock: Lock<u32>| {
            let inside = || -> Result<(), &'static str> {
                let _guard = lock.lock().unwrap();
                Err("left early")
            };
            inside().unwrap_err();
        };
        mode.start(leave_by_error, lock.clone()).join();
        is_had(lock.clone());
        let leave_by_panic = |lock: Lock<u32>| {
            let _guard = lock.lock().unwrap();
            std::panic::resume_unwind(Box::new("left early"));
        };
        assert!(!mode.start(leave_by_panic, lock.clone()).ended_well());
        is_had(lock);
    });
}

/// LCK-04
#[test]
fn five_that_wait_for_a_lock_pass_one_after_the_other_when_it_is_released() {
    type Posts = (Lock<u32>, Queue<String>);
    in_every_mode(|mode| {
        for _ in 0..mode.rounds() {
            let lock = Lock::new(0_u32).unwrap();
            let waiting = Queue::bounded(5).unwrap();
            let guard = lock.lock().unwrap();
            let pass = |(lock, waiting): Posts| {
                waiting.put(here()).unwrap();
                let mut guard = lock.lock().unwrap();
                let before = *guard;
                std::thread::yield_now();
                *guard = before + 1;
            };
            let waiters = mode.start_many(5, pass, &(lock.clone(), waiting.clone()));
            for _ in 0..5 {
                until_asleep(&waiting.get_timeout(LONG).unwrap());
            }
            assert_eq!(*guard, 0, "nobody has passed");
            drop(guard);
            join_all(waiters);
            assert_eq!(*lock.lock().unwrap(), 5);
        }
    });
}

/// LCK-05 (ours: nobody but the holder releases, so the second attempt can only time out)
#[test]
fn one_who_has_the_lock_does_not_get_it_a_second_time() {
    in_every_mode(|mode| {
        let twice = |lock: Lock<u32>| {
            let guard = lock.lock().unwrap();
            assert!(matches!(lock.try_lock(), Err(TryLockError::Locked)));
            let refused = takes(SHORT, || lock.lock_timeout(SHORT).map(drop));
            assert!(matches!(refused, Err(LockTimeoutError::TimedOut)));
            drop((refused, guard));
            is_had(lock.clone());
        };
        mode.start(twice, Lock::new(0_u32).unwrap()).join();
    });
}

/// LCK-08 (a negative time-out and one without blocking cannot be written)
#[test]
fn a_time_out_fails_when_it_has_passed_and_a_free_lock_is_had_at_once() {
    in_every_mode(|mode| {
        let lock = Lock::new(0_u32).unwrap();
        let guard = lock.lock().unwrap();
        let in_vain = |lock: Lock<u32>| {
            for timeout in [Duration::ZERO, SHORT, SHORT * 10] {
                let refused = takes(timeout, || lock.lock_timeout(timeout).map(drop));
                assert!(matches!(refused, Err(LockTimeoutError::TimedOut)));
            }
        };
        mode.start(in_vain, lock.clone()).join();
        drop(guard);
        let at_once = |lock: Lock<u32>| {
            for timeout in [Duration::ZERO, LONG, Duration::MAX] {
                let begin = Instant::now();
                drop(lock.lock_timeout(timeout).unwrap());
                assert!(begin.elapsed() < LONG / 2);
            }
        };
        mode.start(at_once, lock.clone()).join();
        // The longest time-out is one: whoever waits with it gets the lock.
        let guard = lock.lock().unwrap();
        let waiting = Queue::bounded(1).unwrap();
        let patient = |(lock, waiting): (Lock<u32>, Queue<String>)| {
            waiting.put(here()).unwrap();
            drop(lock.lock_timeout(Duration::MAX).unwrap());
        };
        let waiter = mode.start(patient, (lock.clone(), waiting.clone()));
        until_asleep(&waiting.get_timeout(LONG).unwrap());
        drop(guard);
        waiter.join();
    });
}

/// LCK-09
#[test]
fn a_lock_may_be_given_up_while_it_is_held_and_harms_nobody() {
    in_every_mode(|mode| {
        let give_up = |kept: Lock<u32>| {
            for n in 0..50_u32 {
                let lock = Lock::new([n; 16]).unwrap();
                std::mem::forget(lock.lock().unwrap());
                drop(lock);
                // What takes the place of the lost lock is not written by those that come after.
                let next = Lock::new([7_u32; 16]).unwrap();
                *kept.lock().unwrap() += 1;
                assert_eq!(*next.lock().unwrap(), [7; 16]);
            }
        };
        let kept = Lock::new(0_u32).unwrap();
        mode.start(give_up, kept.clone()).join();
        assert_eq!(*kept.lock().unwrap(), 50);
    });
}

/// LCK-11
#[test]
fn many_short_threads_use_a_lock_and_leave_nothing() {
    fn threads_of_own() -> usize {
        std::fs::read_dir("/proc/self/task").unwrap().count()
    }
    in_every_mode(|mode| {
        let lock = Lock::new(0_u32).unwrap();
        let crowd = |lock: Lock<u32>| {
            let before = threads_of_own();
            for _ in 0..10 {
                std::thread::scope(|scope| {
                    for _ in 0..15 {
                        scope.spawn(|| *lock.lock().unwrap() += 1);
                    }
                });
            }
            // A scope ends before the last of its threads has quite gone.
            while threads_of_own() > before {
                std::thread::yield_now();
            }
        };
        mode.start(crowd, lock.clone()).join();
        assert_eq!(*lock.lock().unwrap(), 150);
    });
}

/// LCK-01 under load
#[test]
fn parties_that_count_under_a_lock_lose_nothing() {
    in_every_mode(|mode| {
        let lock = Lock::new([0_u64; 4]).unwrap();
        let count = |lock: Lock<[u64; 4]>| {
            for _ in 0..2_000 {
                lock.lock().unwrap().iter_mut().for_each(|number| *number += 1);
            }
        };
        join_all(mode.start_many(4, count, &lock));
        assert_eq!(*lock.lock().unwrap(), [8_000; 4]);
    });
}

/// MGR-11's deviation for the lock itself: the death of the owner is reported, not slept through.
#[test]
fn a_party_that_ends_with_the_lock_is_reported_to_the_next_one() {
    in_every_mode(|mode| {
        for _ in 0..mode.rounds() {
            let (lock, held) = (Lock::new(1_u32).unwrap(), Event::new().unwrap());
            let keep = |(lock, held): (Lock<u32>, Event)| {
                let mut guard = lock.lock().unwrap();
                *guard = 2;
                std::mem::forget(guard);
                held.set();
            };
            let party = mode.start(keep, (lock.clone(), held.clone()));
            assert!(held.wait_timeout(LONG));
            let died = lock.lock().unwrap_err();
            assert_eq!(*OwnerDied::recover(died), 2);
            party.join();
            is_had(lock);
        }
    });
}
