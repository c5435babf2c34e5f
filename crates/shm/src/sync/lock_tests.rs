#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use brigade_sys::wait::wait;

use super::*;

#[test]
fn a_lock_excludes_and_its_guard_releases() {
    let lock = Lock::new(7_u32).unwrap();
    let guard = lock.lock().unwrap();
    assert!(lock.is_locked());
    assert!(matches!(lock.try_lock(), Err(TryLockError::Locked)));
    drop(guard);
    assert_eq!(*lock.try_lock().unwrap(), 7);
    assert!(!lock.is_locked());
}

#[test]
fn a_held_lock_times_out_for_another_thread() {
    let lock = Lock::new(()).unwrap();
    let _guard = lock.lock().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let result = lock.lock_timeout(Duration::from_millis(10));
            assert!(matches!(result, Err(LockTimeoutError::TimedOut)));
        });
    });
}

#[test]
fn a_clone_is_the_same_lock() {
    let lock = Lock::new([1_u64, 2]).unwrap();
    let clone = lock.clone();
    lock.lock().unwrap()[1] = 9;
    assert_eq!(*clone.lock().unwrap(), [1, 9]);
}

#[test]
fn a_lock_whose_thread_ended_with_it_must_be_recovered() {
    let lock = Lock::new(1_u32).unwrap();
    std::thread::scope(|scope| {
        // Joined, the thread has ended for the kernel too.
        scope.spawn(|| std::mem::forget(lock.lock().unwrap())).join().unwrap();
    });
    for _ in 0..2 {
        // Dropped without recovery, the next one is told again.
        assert!(lock.lock().is_err());
    }
    let mut died = lock.lock().unwrap_err();
    **died.guard_mut() = 2;
    assert_eq!(*died.recover(), 2);
    assert_eq!(*lock.lock().unwrap(), 2);
}

#[test]
fn many_threads_count_right() {
    let lock = Lock::new(0_u32).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5_000 {
                    *lock.lock().unwrap() += 1;
                }
            });
        }
    });
    assert_eq!(*lock.lock().unwrap(), 20_000);
}

#[test]
fn a_lock_that_is_serialized_is_the_same_lock_when_it_arrives() {
    let lock = Lock::new(3_u64).unwrap();
    let bytes = brigade_codec::encode(&lock).unwrap();
    let arrived: Lock<u64> = brigade_codec::decode(&bytes).unwrap();
    *lock.lock().unwrap() += 1;
    assert_eq!(*arrived.lock().unwrap(), 4);
    let bytes = brigade_codec::encode(&lock).unwrap();
    assert!(brigade_codec::decode::<Lock<u32>>(&bytes).is_err(), "another type");
}

#[test]
fn an_abandoned_lock_tells_the_next_holder() {
    let lock = Lock::new(()).unwrap();
    lock.lock().unwrap().abandon();
    let died = lock.try_lock().unwrap_err();
    assert!(matches!(died, TryLockError::OwnerDied(_)), "{died:?}");
    drop(died);
    drop(lock.lock().unwrap_err().recover());
    assert!(lock.try_lock().is_ok());
}

/// LCK-09.
#[test]
fn the_memory_of_a_lock_whose_guard_was_lost_is_given_to_nobody() {
    let lost = Lock::new(()).unwrap();
    let place = lost.handle.place().offset;
    std::mem::forget(lost.lock().unwrap());
    drop(lost);
    let others: Vec<_> = (0..64).map(|_| Lock::new(()).unwrap()).collect();
    assert!(others.iter().all(|lock| lock.handle.place().offset != place));
}

#[test]
fn one_can_wait_until_any_of_several_locks_is_free() {
    let (one, two) = (Lock::new(()).unwrap(), crate::RLock::new(()).unwrap());
    let three = crate::RwLock::new(()).unwrap();
    let objects: [&(dyn Waitable + Sync); 3] = [&one, &two, &three];
    let all = || objects.map(|object| -> &dyn Waitable { object });
    assert_eq!(wait(&all(), Deadline::NEVER), [0, 1, 2]);
    for free in 0..3 {
        let held = (one.lock().unwrap(), two.lock().unwrap(), three.write().unwrap());
        assert_eq!(wait(&all(), Deadline::NEVER), [1], "the holder can take it again");
        std::thread::scope(|scope| {
            let (found_none, goes_on) = std::sync::mpsc::channel();
            let waiter = scope.spawn(move || {
                assert!(wait(&all(), Deadline::after(Duration::from_millis(5))).is_empty());
                found_none.send(()).unwrap();
                wait(&all(), Deadline::NEVER)
            });
            goes_on.recv().unwrap();
            let mut held = (Some(held.0), Some(held.1), Some(held.2));
            match free {
                0 => drop(held.0.take()),
                1 => drop(held.1.take()),
                _ => drop(held.2.take()),
            }
            assert_eq!(waiter.join().unwrap(), [free]);
        });
    }
}
