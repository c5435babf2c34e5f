use std::time::Duration;

use crate::memory::{Mapping, create};
use crate::test_processes::{Child, Ended, die};

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

#[test]
fn links_that_another_process_overwrote_are_not_followed() {
    const NOWHERE: *mut () = std::ptr::without_provenance_mut(0x10_0000);
    for overwritten in 0..4 {
        let locks = [lock(), lock(), lock(), lock()];
        let ended = Child::run(|| {
            for lock in locks {
                let _ = lock.lock(soon());
            }
            locks[overwritten].next.store(NOWHERE, Relaxed);
            locks[overwritten].previous.store(NOWHERE, Relaxed);
            for index in [2, 0, 3] {
                locks[index].unlock();
            }
            for index in [2, 0, 3] {
                assert_eq!(locks[index].lock(soon()), Some(Acquired::Clean));
            }
            die();
        })
        .join();
        assert_eq!(ended, Ended::Signal(libc::SIGKILL));
        for lock in locks {
            assert_eq!(lock.lock(soon()), Some(Acquired::OwnerDied));
            lock.unlock();
        }
    }
}

#[test]
fn a_lock_whose_word_was_overwritten_leaves_the_list_with_its_release() {
    let (one, two) = (lock(), lock());
    Child::run(|| {
        let _ = (two.lock(soon()), one.lock(soon()));
        one.word.store(0, Relaxed);
        one.unlock();
        let _ = one.lock(soon());
        die();
    })
    .join();
    assert_eq!(one.lock(Deadline::after(Duration::from_secs(1))), Some(Acquired::OwnerDied));
    assert_eq!(two.lock(Deadline::after(Duration::from_secs(1))), Some(Acquired::OwnerDied));
    one.unlock();
    two.unlock();
}

/// Takes the lock before the deadline: one that nobody wakes finds it free only then.
fn lock_when_woken(lock: &'static RobustLock) {
    let deadline = soon();
    assert!(lock.lock(deadline).is_some());
    assert!(!deadline.is_past(), "nobody woke this one");
}

/// Waits until `child` sleeps or has ended.
fn settle(child: &Child) {
    let state = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.pid())).expect("stat");
        // Behind the name, which is in parentheses.
        stat.rsplit(") ").next().and_then(|rest| rest.chars().next())
    };
    while !matches!(state(), Some('S' | 'Z')) {
        std::thread::yield_now();
    }
}

/// A waiter and the one behind it, both asleep on a lock that this thread holds.
#[cfg(feature = "kill-points")]
fn two_sleepers(lock: &'static RobustLock, step: u32) -> [Child; 2] {
    let waits = |step| {
        let child = Child::run(|| {
            crate::kill_point::arm(step);
            lock_when_woken(lock);
            lock.unlock();
        });
        settle(&child);
        child
    };
    [waits(step), waits(0)]
}

#[cfg(feature = "kill-points")]
#[test]
fn a_waiter_killed_at_any_step_after_its_wake_up_leaves_the_lock_to_the_next() {
    for barging in [false, true] {
        for step in 1.. {
            let lock = lock();
            assert_eq!(lock.lock(soon()), Some(Acquired::Clean));
            let [victim, next] = two_sleepers(lock, step);
            lock.unlock();
            // A third may be quicker than the one who was woken.
            let taken = barging && lock.try_lock().is_some();
            settle(&victim);
            if taken {
                lock.unlock();
            }
            assert_eq!(next.join(), Ended::Code(0), "step {step}, barging {barging}");
            if victim.join() == Ended::Code(0) {
                assert!(step > 3, "a waiter passes more steps than {step}");
                break;
            }
        }
    }
}

#[cfg(feature = "kill-points")]
#[test]
fn a_holder_killed_at_any_step_of_its_release_wakes_the_next() {
    for step in 1.. {
        let lock = lock();
        let holder = Child::run(|| {
            let _ = lock.lock(soon());
            crate::test_processes::stop();
            crate::kill_point::arm(step);
            lock.unlock();
        });
        while !lock.is_held() {
            std::thread::yield_now();
        }
        let waiter = Child::run(|| {
            lock_when_woken(lock);
            lock.unlock();
        });
        settle(&waiter);
        holder.resume();
        assert_eq!(waiter.join(), Ended::Code(0), "step {step}");
        if holder.join() == Ended::Code(0) {
            assert!(step > 2, "a release passes more steps than {step}");
            break;
        }
    }
}

#[test]
fn a_waiter_that_is_killed_with_the_lock_leaves_it_to_the_next() {
    let lock = lock();
    assert_eq!(lock.lock(soon()), Some(Acquired::Clean));
    let waits = |dies: fn()| {
        let child = Child::run(|| {
            lock_when_woken(lock);
            dies();
            lock.unlock();
        });
        settle(&child);
        child
    };
    let [victim, next] = [waits(die), waits(|| ())];
    lock.unlock();
    assert_eq!(next.join(), Ended::Code(0));
    assert_eq!(victim.join(), Ended::Signal(libc::SIGKILL));
}

#[test]
fn waiters_killed_at_random_swallow_no_wake_up() {
    for round in 0..30_u64 {
        let lock = lock();
        let work = |patience| {
            Child::run(move || {
                loop {
                    if lock.lock(Deadline::after(patience)).is_some() {
                        lock.unlock();
                    }
                }
            })
        };
        // The second gives up now and then, just when it is woken.
        let (long, short) = (Duration::from_secs(30), Duration::from_micros(100));
        let victims = [work(long), work(short), work(long)];
        for victim in victims {
            for _ in 0..round * 20 {
                lock_when_woken(lock);
                lock.unlock();
            }
            victim.kill();
        }
        assert!(lock.lock(soon()).is_some());
        lock.unlock();
    }
}

#[test]
fn without_fences_on_other_processors_a_waiter_gets_the_lock_all_the_same() {
    let lock = lock();
    assert_eq!(lock.lock(soon()), Some(Acquired::Clean));
    let waiter = Child::run(|| {
        crate::test_processes::without_calls(&[libc::SYS_membarrier]);
        for _ in 0..3 {
            assert!(lock.lock(soon()).is_some());
            lock.unlock();
        }
    });
    while lock.sleepers.load(Relaxed) == 0 {
        std::thread::yield_now();
    }
    lock.unlock();
    assert_eq!(waiter.join(), Ended::Code(0));
}

#[test]
fn many_locks_can_be_held_at_once() {
    let locks: Vec<_> = (0..40).map(|_| lock()).collect();
    let held = locks.clone();
    Child::run(|| {
        for lock in &held {
            assert_eq!(lock.lock(soon()), Some(Acquired::Clean));
        }
        for lock in held.iter().step_by(3) {
            lock.unlock();
        }
        die();
    })
    .join();
    for (index, lock) in locks.iter().enumerate() {
        let expected = if index % 3 == 0 { Acquired::Clean } else { Acquired::OwnerDied };
        assert_eq!(lock.lock(soon()), Some(expected));
        lock.unlock();
    }
}
