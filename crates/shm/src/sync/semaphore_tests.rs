#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use super::*;

/// SEM-01, SEM-07.
#[test]
fn permits_are_taken_and_returned() {
    let semaphore = Semaphore::new(2).unwrap();
    let first = semaphore.acquire();
    let second = semaphore.try_acquire().unwrap();
    assert_eq!(semaphore.available(), 0);
    assert!(semaphore.try_acquire().is_none());
    assert!(semaphore.acquire_timeout(Duration::from_millis(5)).is_none());
    drop(first);
    assert_eq!(semaphore.available(), 1);
    drop(second);
    semaphore.release(2).unwrap();
    assert_eq!(semaphore.available(), 4);
}

/// SEM-02.
#[test]
fn a_bounded_semaphore_never_has_more_than_its_bound() {
    let semaphore = Semaphore::bounded(2).unwrap();
    assert_eq!(semaphore.release(1), Err(ReleaseError { bound: 2 }));
    assert_eq!(semaphore.available(), 2);
    semaphore.acquire().forget();
    assert_eq!(semaphore.available(), 1);
    semaphore.release(1).unwrap();
    assert_eq!(semaphore.available(), 2);
    assert!(Semaphore::bounded(0).is_err());
    assert!(Semaphore::new(u32::MAX).is_err());
}

#[test]
fn a_forgotten_permit_does_not_come_back() {
    let semaphore = Semaphore::new(2).unwrap();
    semaphore.acquire().forget();
    let permit = semaphore.acquire();
    assert_eq!(semaphore.available(), 0);
    drop(permit);
    assert_eq!(semaphore.available(), 1);
}

/// SEM-08.
#[test]
fn as_many_threads_get_a_permit_as_there_are() {
    let semaphore = Semaphore::new(3).unwrap();
    let got = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| {
                for _ in 0..2 {
                    if let Some(permit) = semaphore.try_acquire() {
                        got.fetch_add(1, Relaxed);
                        std::mem::forget(permit);
                    }
                }
            });
        }
    });
    assert_eq!(got.load(Relaxed), 3);
}

#[test]
fn waiters_proceed_one_by_one_and_never_more_than_the_permits() {
    let semaphore = Semaphore::new(2).unwrap();
    let (inside, most) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let _permit = semaphore.acquire();
                    most.fetch_max(inside.fetch_add(1, Relaxed) + 1, Relaxed);
                    std::thread::yield_now();
                    inside.fetch_sub(1, Relaxed);
                }
            });
        }
    });
    assert!(most.load(Relaxed) <= 2);
    assert_eq!(semaphore.available(), 2);
}

#[test]
fn releasing_many_wakes_many() {
    for _ in 0..50 {
        let semaphore = Semaphore::new(0).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| semaphore.acquire().forget());
            }
            semaphore.release(4).unwrap();
        });
        assert_eq!(semaphore.available(), 0);
    }
}
