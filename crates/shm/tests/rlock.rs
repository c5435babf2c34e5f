//! What a killed process leaves in a re-entrant lock: nothing that anyone waits for.
#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::time::{Duration, Instant};

use brigade_shm::sync::{LockTimeoutError, OwnerDied};
use brigade_shm::testing::{Ended, alone, at_every_step, start};
use brigade_shm::{Queue, RLock};

const SOON: Duration = Duration::from_secs(10);

/// Changes the value in two steps, with a guard for each.
fn change(lock: &RLock<[u64; 2]>) {
    let outer = lock.lock().unwrap_or_else(OwnerDied::recover);
    let [first, second] = outer.get();
    outer.set([first + 1, second]);
    let inner = lock.lock().unwrap_or_else(OwnerDied::recover);
    inner.set([first + 1, second + 1]);
}

#[test]
fn a_lock_is_had_by_the_next_at_whatever_step_its_holder_dies() {
    let _alone = alone();
    let lock = RLock::new([0_u64; 2]).unwrap();
    let steps = at_every_step(
        || change(&lock),
        |came_through| {
            match lock.lock_timeout(SOON) {
                Ok(guard) => assert_eq!(guard.get()[0], guard.get()[1]),
                Err(LockTimeoutError::OwnerDied(mut died)) => {
                    assert!(!came_through, "whoever lives has released");
                    died.guard_mut().set([0; 2]);
                    drop(died.recover());
                }
                Err(error @ LockTimeoutError::TimedOut) => panic!("{error}"),
            }
            assert!(!lock.is_locked());
        },
    );
    assert!(steps >= 3, "only {steps} steps were labelled");
}

#[test]
fn a_process_that_waits_gets_the_lock_at_whatever_step_its_holder_dies() {
    let _alone = alone();
    let lock = RLock::new([0_u64; 2]).unwrap();
    let passed = Queue::bounded(1).unwrap();
    let waiter = start(|| {
        loop {
            drop(lock.lock().unwrap_or_else(OwnerDied::recover));
            passed.put(()).unwrap();
        }
    });
    at_every_step(|| change(&lock), |_| passed.get_timeout(SOON).unwrap());
    waiter.kill();
    drop(lock.lock_timeout(SOON).unwrap_or_else(|error| match error {
        LockTimeoutError::OwnerDied(died) => died.recover(),
        error @ LockTimeoutError::TimedOut => panic!("{error}"),
    }));
}

#[test]
fn holders_killed_at_random_keep_nobody_waiting() {
    let _alone = alone();
    let lock = RLock::new([0_u64; 2]).unwrap();
    let began = Instant::now();
    for round in 0_u64.. {
        let children: Vec<_> = (0..3)
            .map(|_| {
                start(|| {
                    loop {
                        change(&lock);
                    }
                })
            })
            .collect();
        let instant = Instant::now() + Duration::from_micros(round * 7919 % 3_000);
        while Instant::now() < instant {
            std::hint::spin_loop();
        }
        children.into_iter().for_each(|child| child.kill());
        match lock.lock_timeout(SOON) {
            Ok(guard) => assert!(guard.get()[0] >= guard.get()[1]),
            Err(LockTimeoutError::OwnerDied(died)) => drop(died.recover()),
            Err(error @ LockTimeoutError::TimedOut) => panic!("{error}"),
        }
        if began.elapsed() > Duration::from_secs(2) {
            break;
        }
    }
}

#[test]
fn a_forked_child_does_not_hold_what_its_parent_holds() {
    let _alone = alone();
    let lock = RLock::new([0_u64; 2]).unwrap();
    let outer = lock.lock().unwrap();
    let inner = lock.lock().unwrap();
    let child = start(|| {
        assert!(!lock.is_owned() && lock.is_locked() && lock.try_lock().is_err());
    });
    assert_eq!(child.join(), Ended::Code(0));
    assert_eq!(lock.recursion_count(), 2);
    drop((outer, inner));
    assert!(!lock.is_locked());
}
