#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use super::*;

const SHORT: Duration = Duration::from_millis(10);

#[test]
fn many_read_at_a_time_and_one_writes_alone() {
    let lock = RwLock::new([1_u64, 2]).unwrap();
    {
        let guards = (lock.read().unwrap(), lock.try_read().unwrap(), lock.read_timeout(SHORT));
        assert_eq!((*guards.0, *guards.1, *guards.2.unwrap()), ([1, 2], [1, 2], [1, 2]));
        assert!(matches!(lock.try_write(), Err(TryLockError::Locked)));
        assert!(matches!(lock.write_timeout(SHORT), Err(LockTimeoutError::TimedOut)));
        // Nobody waits to write any more.
        assert!(lock.try_read().is_ok());
    }
    let mut guard = lock.write().unwrap();
    guard[1] = 9;
    thread::scope(|scope| {
        scope.spawn(|| {
            assert!(matches!(lock.try_read(), Err(TryLockError::Locked)));
            assert!(matches!(lock.read_timeout(SHORT), Err(LockTimeoutError::TimedOut)));
            assert!(matches!(lock.try_write(), Err(TryLockError::Locked)));
        });
    });
    drop(guard);
    assert_eq!(*lock.read().unwrap(), [1, 9]);
    assert!(lock.try_write().is_ok());
}

#[test]
fn nobody_sees_half_a_write_and_no_write_is_lost() {
    let lock = RwLock::new([0_u64; 4]).unwrap();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    let guard = lock.read().unwrap();
                    assert!(guard.iter().all(|number| *number == guard[0]));
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    lock.write().unwrap().iter_mut().for_each(|number| *number += 1);
                }
            });
        }
    });
    assert_eq!(*lock.read().unwrap(), [2_000; 4]);
}

#[test]
fn one_who_waits_to_write_is_not_starved_by_those_who_keep_reading() {
    let lock = RwLock::new(0_u32).unwrap();
    let written = AtomicU32::new(0);
    thread::scope(|scope| {
        // There is always one of the two who reads.
        for _ in 0..2 {
            scope.spawn(|| {
                let mut guard = lock.read().unwrap();
                while written.load(Relaxed) < 20 {
                    thread::yield_now();
                    drop(guard);
                    guard = lock.read().unwrap();
                }
            });
        }
        for number in 1..=20 {
            *lock.write().unwrap() = number;
            written.store(number, Relaxed);
        }
    });
}

#[test]
fn a_reader_that_comes_while_one_waits_to_write_reads_after_it() {
    let lock = RwLock::new(0_u32).unwrap();
    let first = lock.read().unwrap();
    thread::scope(|scope| {
        let writer = scope.spawn(|| *lock.write().unwrap() = 1);
        while lock.try_read().is_ok() {
            thread::yield_now();
        }
        let reader = scope.spawn(|| *lock.read().unwrap());
        assert_eq!(*first, 0);
        drop(first);
        writer.join().unwrap();
        assert_eq!(reader.join().unwrap(), 1);
    });
}

#[test]
fn a_value_whose_writer_ended_with_it_must_be_recovered_by_a_reader_or_a_writer() {
    let lock = RwLock::new(1_u32).unwrap();
    let lose = || {
        thread::scope(|scope| {
            // Joined, the thread has ended for the kernel too.
            scope.spawn(|| std::mem::forget(lock.write().unwrap())).join().unwrap();
        });
    };
    lose();
    for _ in 0..2 {
        // Dropped without recovery, the next one is told again.
        assert!(matches!(lock.try_read(), Err(TryLockError::OwnerDied(_))));
        assert!(matches!(lock.try_write(), Err(TryLockError::OwnerDied(_))));
    }
    let mut died = lock.write().unwrap_err();
    **died.guard_mut() = 2;
    assert_eq!(*died.recover(), 2);
    assert_eq!(*lock.read().unwrap(), 2);
    lose();
    let several = (lock.read().unwrap_err(), lock.read().unwrap_err());
    assert_eq!(*several.0.recover(), 2);
    assert!(lock.read().is_ok());
    drop(several.1);
    assert!(lock.try_write().is_ok());
}

#[test]
fn a_reader_that_calls_the_value_whole_lets_no_reader_pass_a_writer_that_waits() {
    let lock = RwLock::new(0_u32).unwrap();
    thread::scope(|scope| {
        // Joined, the thread has ended for the kernel too.
        scope.spawn(|| std::mem::forget(lock.write().unwrap())).join().unwrap();
    });
    let died = lock.read().unwrap_err();
    thread::scope(|scope| {
        let writer = scope.spawn(|| lock.write().map(|mut guard| *guard = 1).is_ok());
        while lock.is_ready() {
            thread::yield_now();
        }
        let guard = died.recover();
        assert!(matches!(lock.try_read(), Err(TryLockError::Locked)));
        assert_eq!(*guard, 0);
        drop(guard);
        assert!(writer.join().unwrap());
    });
    assert_eq!(*lock.read().unwrap(), 1);
}

#[test]
fn a_share_may_be_returned_by_another_thread() {
    let lock = RwLock::new(0_u32).unwrap();
    let guard = lock.read().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || drop(guard));
    });
    assert!(lock.try_write().is_ok());
}

#[test]
fn a_lock_that_is_serialized_is_the_same_lock_when_it_arrives() {
    let lock = RwLock::new(3_u64).unwrap();
    let bytes = brigade_codec::encode(&lock).unwrap();
    let arrived: RwLock<u64> = brigade_codec::decode(&bytes).unwrap();
    *lock.write().unwrap() += 1;
    let guard = arrived.read().unwrap();
    assert_eq!(*guard, 4);
    assert!(lock.try_write().is_err());
    let bytes = brigade_codec::encode(&lock).unwrap();
    assert!(brigade_codec::decode::<RwLock<u32>>(&bytes).is_err(), "another type");
}
