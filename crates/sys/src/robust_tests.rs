use std::time::Duration;

use crate::memory::{Mapping, create};
use crate::test_processes::{Child, die};

use super::*;

fn lock() -> &'static RobustLock {
    let file = create("robust-test", 4096).expect("memory");
    Mapping::new(file, 4096).expect("map").get(0).expect("aligned")
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(10))
}

#[test]
fn a_free_lock_is_taken_and_released() {
    let lock = lock();
    assert_eq!(lock.lock(soon()), Some(Acquired::Clean));
    assert!(lock.is_mine());
    assert_eq!(lock.try_lock(), None);
    lock.unlock();
    assert!(!lock.is_held());
    assert_eq!(lock.try_lock(), Some(Acquired::Clean));
    lock.unlock();
}

#[test]
fn a_held_lock_times_out() {
    let lock = lock();
    assert_eq!(lock.lock(soon()), Some(Acquired::Clean));
    std::thread::spawn(move || {
        assert_eq!(lock.lock(Deadline::after(Duration::from_millis(20))), None);
        lock.unlock();
        assert!(lock.is_held(), "only the holder releases");
    })
    .join()
    .expect("no panic");
    lock.unlock();
}

#[test]
fn locks_are_released_in_any_order() {
    let locks: Vec<_> = (0..5).map(|_| lock()).collect();
    for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]] {
        for lock in &locks {
            assert_eq!(lock.lock(soon()), Some(Acquired::Clean));
        }
        for index in order {
            locks[index].unlock();
        }
    }
    // Nothing may be left on the list: a thread that ends now would mark what is.
    for lock in locks {
        assert_eq!(lock.try_lock(), Some(Acquired::Clean));
        lock.unlock();
    }
}

#[test]
fn every_lock_of_a_killed_process_is_found_with_its_owner_dead() {
    for _ in 0..20 {
        let (one, two) = (lock(), lock());
        Child::run(|| {
            let _ = (one.lock(soon()), two.lock(soon()));
            die();
        })
        .join();
        for lock in [one, two] {
            assert_eq!(lock.lock(soon()), Some(Acquired::OwnerDied));
            lock.unlock();
            assert_eq!(lock.lock(soon()), Some(Acquired::Clean));
            lock.unlock();
        }
    }
}

#[test]
fn the_locks_of_a_thread_that_ends_are_found_with_their_owner_dead() {
    let lock = lock();
    std::thread::spawn(move || lock.lock(soon())).join().expect("no panic");
    assert_eq!(lock.lock(soon()), Some(Acquired::OwnerDied));
    lock.unlock();
}

#[test]
fn a_waiter_gets_the_lock_when_the_holder_is_killed() {
    for _ in 0..20 {
        let lock = lock();
        let holder = Child::run(|| {
            let _ = lock.lock(soon());
            loop {
                std::thread::park();
            }
        });
        while !lock.is_held() {
            std::thread::yield_now();
        }
        let waiter = std::thread::spawn(move || {
            let found = lock.lock(soon());
            lock.unlock();
            found
        });
        holder.kill();
        assert_eq!(waiter.join().expect("no panic"), Some(Acquired::OwnerDied));
    }
}

#[test]
fn a_forked_child_does_not_release_its_parents_lock() {
    let lock = lock();
    assert_eq!(lock.lock(soon()), Some(Acquired::Clean));
    Child::run(|| lock.unlock()).join();
    assert!(lock.is_mine());
    lock.unlock();
}

#[test]
fn many_threads_and_processes_exclude_each_other() {
    let file = create("robust-test", 4096).expect("memory");
    let mapping = Mapping::new(file, 4096).expect("map");
    let lock: &RobustLock = mapping.get(0).expect("aligned");
    let count: &AtomicU32 = mapping.get(64).expect("aligned");
    let add = move || {
        for _ in 0..2_000 {
            assert!(lock.lock(soon()).is_some());
            count.store(count.load(Relaxed) + 1, Relaxed);
            lock.unlock();
        }
    };
    let children: Vec<_> = (0..2).map(|_| Child::run(add)).collect();
    let threads: Vec<_> = (0..2).map(|_| std::thread::spawn(add)).collect();
    for thread in threads {
        thread.join().expect("no panic");
    }
    for child in children {
        child.join();
    }
    assert_eq!(count.load(Relaxed), 8_000);
}
