#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use super::*;

/// RLK-01, RLK-02, RLK-03: a release too many cannot be written, since the guard is gone.
#[test]
fn a_thread_takes_the_lock_again_and_others_have_it_when_the_last_guard_goes() {
    let lock = RLock::new(7_u32).unwrap();
    let others_have_it =
        || std::thread::scope(|scope| scope.spawn(|| lock.try_lock().is_ok()).join().unwrap());
    for _ in 0..2 {
        let first = lock.lock().unwrap();
        let second = lock.try_lock().unwrap();
        let third = lock.lock_timeout(Duration::ZERO).unwrap();
        // In another order than they were taken.
        drop(first);
        drop(third);
        assert!(!others_have_it());
        let fourth = lock.lock().unwrap();
        drop(second);
        assert!(!others_have_it());
        drop(fourth);
        assert!(others_have_it());
    }
}

/// RLK-05, RLK-06.
#[test]
fn only_the_holder_owns_the_lock_and_counts_its_guards() {
    let lock = RLock::new(()).unwrap();
    let sees = |owned: bool, count: u64| {
        assert_eq!((lock.is_owned(), lock.recursion_count()), (owned, count));
        std::thread::scope(|scope| {
            scope.spawn(|| assert_eq!((lock.is_owned(), lock.recursion_count()), (false, 0)));
        });
    };
    sees(false, 0);
    let first = lock.lock().unwrap();
    sees(true, 1);
    let more = (lock.lock().unwrap(), lock.lock().unwrap());
    sees(true, 3);
    drop(more.0);
    sees(true, 2);
    drop((more.1, first));
    sees(false, 0);
}

#[test]
fn all_guards_of_a_thread_show_the_same_value() {
    let lock = RLock::new([1_u64, 2]).unwrap();
    let outer = lock.lock().unwrap();
    let inner = lock.lock().unwrap();
    let cells: &Cell<[u64]> = &*inner;
    cells.as_slice_of_cells()[1].set(9);
    assert_eq!(outer.get(), [1, 9]);
    assert_eq!(format!("{outer:?}"), "[1, 9]");
}

#[test]
fn a_held_lock_times_out_for_another_thread() {
    let lock = RLock::new(()).unwrap();
    let _guard = lock.lock().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let result = lock.lock_timeout(Duration::from_millis(10));
            assert!(matches!(result, Err(LockTimeoutError::TimedOut)));
            assert!(matches!(lock.try_lock(), Err(TryLockError::Locked)));
        });
    });
}

#[test]
fn a_lock_whose_thread_ended_with_it_must_be_recovered_whatever_its_depth() {
    let lock = RLock::new(1_u32).unwrap();
    std::thread::scope(|scope| {
        let lose = || std::mem::forget((lock.lock().unwrap(), lock.lock().unwrap()));
        // Joined, the thread has ended for the kernel too.
        scope.spawn(lose).join().unwrap();
    });
    for _ in 0..2 {
        // Dropped without recovery, the next one is told again.
        assert!(lock.lock().is_err());
        assert!(!lock.is_locked());
    }
    let mut died = lock.lock().unwrap_err();
    died.guard_mut().set(2);
    // Also one who has it already.
    assert!(lock.lock().is_err());
    let guard = died.recover();
    assert_eq!((guard.get(), lock.recursion_count()), (2, 1));
    drop(guard);
    assert_eq!(lock.lock().unwrap().get(), 2);
}

#[test]
fn many_threads_count_right() {
    let lock = RLock::new(0_u32).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    let _outer = lock.lock().unwrap();
                    let inner = lock.lock().unwrap();
                    inner.set(inner.get() + 1);
                }
            });
        }
    });
    assert_eq!(lock.lock().unwrap().get(), 8_000);
}

#[test]
fn a_lock_that_is_serialized_is_the_same_lock_when_it_arrives() {
    let lock = RLock::new(3_u64).unwrap();
    let bytes = brigade_codec::encode(&lock).unwrap();
    let arrived: RLock<u64> = brigade_codec::decode(&bytes).unwrap();
    let guard = lock.lock().unwrap();
    arrived.lock().unwrap().set(4);
    assert_eq!(guard.get(), 4);
    let bytes = brigade_codec::encode(&lock).unwrap();
    assert!(brigade_codec::decode::<crate::Lock<u64>>(&bytes).is_err(), "another type");
}

/// LCK-09.
#[test]
fn the_memory_of_a_lock_whose_guard_was_lost_is_given_to_nobody() {
    let lost = RLock::new(()).unwrap();
    let place = lost.handle.place().offset;
    std::mem::forget(lost.lock().unwrap());
    drop(lost);
    let others: Vec<_> = (0..64).map(|_| RLock::new(()).unwrap()).collect();
    assert!(others.iter().all(|lock| lock.handle.place().offset != place));
}
