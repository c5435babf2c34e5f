//! Semaphores between parties (SEM).

use std::time::Duration;

use brigade::sync::ReleaseError;
use brigade::{Error, Event, Queue, Semaphore};

use brigade_tests::stage::{LONG, SHORT, here, in_every_mode, join_all, takes, until_asleep};

/// SEM-01, SEM-07, SEM-12
#[test]
fn permits_that_one_takes_are_missing_for_all_until_they_come_back() {
    in_every_mode(|mode| {
        let semaphore = Semaphore::new(2).unwrap();
        let sees = |(semaphore, permits): (Semaphore, u32)| {
            assert_eq!(semaphore.available(), permits);
            assert_eq!(semaphore.try_acquire().is_some(), permits > 0);
        };
        let all_see = |permits: u32| {
            sees((semaphore.clone(), permits));
            mode.start(sees, (semaphore.clone(), permits)).join();
        };
        all_see(2);
        let first = semaphore.acquire();
        all_see(1);
        let second = semaphore.try_acquire().unwrap();
        all_see(0);
        drop(first);
        all_see(1);
        drop(second);
        all_see(2);
        mode.start(|semaphore: Semaphore| semaphore.release(1).unwrap(), semaphore.clone()).join();
        semaphore.release(1).unwrap();
        all_see(4);
    });
}

/// SEM-02, SEM-04 (a negative number cannot be written; one that is too large is refused)
#[test]
fn a_bounded_semaphore_takes_no_more_permits_from_anyone() {
    in_every_mode(|mode| {
        let semaphore = Semaphore::bounded(2).unwrap();
        let release = |semaphore: Semaphore| {
            assert_eq!(semaphore.release(1), Err(ReleaseError { bound: 2 }));
            assert_eq!(semaphore.available(), 2);
            semaphore.acquire().forget();
        };
        mode.start(release, semaphore.clone()).join();
        assert_eq!(semaphore.available(), 1);
        assert_eq!(semaphore.release(2), Err(ReleaseError { bound: 2 }));
        semaphore.release(1).unwrap();
        assert_eq!(semaphore.available(), 2);
        assert!(matches!(Semaphore::new(u32::MAX), Err(Error::Invalid { .. })));
        assert!(matches!(Semaphore::bounded(0), Err(Error::Invalid { .. })));
    });
}

/// SEM-03, SEM-09
#[test]
fn one_who_waits_for_a_permit_waits_as_long_as_it_said() {
    in_every_mode(|mode| {
        let semaphore = Semaphore::new(1).unwrap();
        let permit = semaphore.acquire();
        let in_vain = |semaphore: Semaphore| {
            assert!(semaphore.try_acquire().is_none());
            for timeout in [Duration::ZERO, SHORT, SHORT * 10] {
                assert!(takes(timeout, || semaphore.acquire_timeout(timeout)).is_none());
            }
        };
        mode.start(in_vain, semaphore.clone()).join();
        drop(permit);
        let at_once = |semaphore: Semaphore| drop(semaphore.acquire_timeout(LONG).unwrap());
        mode.start(at_once, semaphore.clone()).join();
        assert_eq!(semaphore.available(), 1);
    });
}

type Posts = (Semaphore, Queue<String>);

/// SEM-06
#[test]
fn a_release_of_four_lets_four_pass_and_not_the_fifth() {
    in_every_mode(|mode| {
        for _ in 0..mode.rounds() {
            let (semaphore, waiting) = (Semaphore::new(0).unwrap(), Queue::bounded(5).unwrap());
            let passed = Queue::<()>::bounded(5).unwrap();
            let pass = |((semaphore, waiting), passed): (Posts, Queue<()>)| {
                waiting.put(here()).unwrap();
                semaphore.acquire().forget();
                passed.put(()).unwrap();
            };
            let posts: Posts = (semaphore.clone(), waiting.clone());
            let parties = mode.start_many(5, pass, &(posts, passed.clone()));
            for _ in 0..5 {
                until_asleep(&waiting.get_timeout(LONG).unwrap());
            }
            assert!(passed.is_empty());
            semaphore.release(4).unwrap();
            for _ in 0..4 {
                passed.get_timeout(LONG).unwrap();
            }
            assert!(passed.is_empty());
            assert_eq!(semaphore.available(), 0);
            semaphore.release(1).unwrap();
            join_all(parties);
        }
    });
}

/// SEM-08
#[test]
fn five_that_try_twice_get_the_three_permits_there_are() {
    type Try = (Semaphore, Queue<u32>, Event);
    in_every_mode(|mode| {
        for _ in 0..mode.rounds() {
            let semaphore = Semaphore::new(3).unwrap();
            let (got, counted) = (Queue::bounded(5).unwrap(), Event::new().unwrap());
            let try_twice = |(semaphore, got, counted): Try| {
                let permits = [semaphore.try_acquire(), semaphore.try_acquire()];
                got.put(permits.iter().flatten().count() as u32).unwrap();
                // They come back when their holder ends.
                counted.wait();
            };
            let argument = (semaphore.clone(), got.clone(), counted.clone());
            let parties = mode.start_many(5, try_twice, &argument);
            let all: u32 = (0..5).map(|_| got.get_timeout(LONG).unwrap()).sum();
            assert_eq!(all, 3);
            assert_eq!(semaphore.available(), 0);
            counted.set();
            join_all(parties);
            assert_eq!(semaphore.available(), 3);
        }
    });
}

/// SEM-11
#[test]
fn permits_of_nested_scopes_come_back_also_after_an_error_or_a_panic() {
    in_every_mode(|mode| {
        let semaphore = Semaphore::new(2).unwrap();
        let leave_by_error = |semaphore: Semaphore| {
            let inside = || -> Result<(), &'static str> {
                let _first = semaphore.acquire();
                let _second = semaphore.acquire();
                Err("left early")
            };
            inside().unwrap_err();
            assert_eq!(semaphore.available(), 2);
        };
        mode.start(leave_by_error, semaphore.clone()).join();
        assert_eq!(semaphore.available(), 2);
        let leave_by_panic = |semaphore: Semaphore| {
            let _first = semaphore.acquire();
            let _second = semaphore.acquire();
            std::panic::resume_unwind(Box::new("left early"));
        };
        assert!(!mode.start(leave_by_panic, semaphore.clone()).ended_well());
        assert_eq!(semaphore.available(), 2);
    });
}

/// SEM-01 under load
#[test]
fn there_are_never_more_inside_than_there_are_permits() {
    in_every_mode(|mode| {
        let semaphore = Semaphore::new(2).unwrap();
        let inside = Semaphore::new(0).unwrap();
        let enter = |(semaphore, inside): (Semaphore, Semaphore)| {
            for _ in 0..300 {
                let _permit = semaphore.acquire();
                inside.release(1).unwrap();
                assert!(inside.available() <= 2);
                std::thread::yield_now();
                inside.try_acquire().unwrap().forget();
            }
        };
        join_all(mode.start_many(5, enter, &(semaphore.clone(), inside.clone())));
        assert_eq!((semaphore.available(), inside.available()), (2, 0));
    });
}
