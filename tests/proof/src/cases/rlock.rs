//! The re-entrant lock.

use brigade_shm::sync::LockTimeoutError;
use brigade_shm::{OwnerDied, RLock};
use brigade_sys::stepping::through;

use super::{Case, SOON, case};
use crate::steps::{Fate, Steps};

pub(super) const CASES: &[Case] = &[
    case("re-entrant lock: take", "alone", take),
    case("re-entrant lock: take", "for the second time", take_again),
    case("re-entrant lock: release", "of the second time", release_inner),
    case("re-entrant lock: release", "another waits", release_awaited),
    case("re-entrant lock: release", "of both times, another waits", release_both_awaited),
];

type Number = RLock<u64>;

/// Takes the lock twice, whole or not, and gives it back.
fn check(lock: &Number, fate: Fate) {
    match lock.lock_timeout(SOON) {
        Ok(_guard) => drop(lock.try_lock().unwrap()),
        Err(LockTimeoutError::OwnerDied(died)) => {
            assert_eq!(fate, Fate::Killed, "whoever comes through has released the lock");
            drop(died.recover());
        }
        Err(error @ LockTimeoutError::TimedOut) => panic!("{error}"),
    }
    assert!(!lock.is_locked());
    assert_eq!(lock.recursion_count(), 0);
}

fn pass(lock: &Number) {
    drop(lock.lock().unwrap_or_else(OwnerDied::recover));
}

fn take(steps: &mut Steps) {
    let lock = Number::new(0).unwrap();
    steps
        .of(|| drop(through(|| lock.lock().unwrap_or_else(OwnerDied::recover))))
        .check(|fate| check(&lock, fate));
}

fn take_again(steps: &mut Steps) {
    let lock = Number::new(0).unwrap();
    steps
        .of(|| {
            let _first = lock.lock().unwrap();
            drop(through(|| lock.lock().unwrap()));
        })
        .check(|fate| check(&lock, fate));
}

fn release_inner(steps: &mut Steps) {
    let lock = Number::new(0).unwrap();
    steps
        .of(|| {
            let _first = lock.lock().unwrap();
            let second = lock.lock().unwrap();
            through(|| drop(second));
            assert!(lock.is_owned());
        })
        .check(|fate| check(&lock, fate));
}

fn release_awaited(steps: &mut Steps) {
    let lock = Number::new(0).unwrap();
    steps
        .of(|| {
            let guard = lock.lock().unwrap();
            through(|| drop(guard));
        })
        .awaited_by(|| pass(&lock))
        .check(|fate| check(&lock, fate));
}

fn release_both_awaited(steps: &mut Steps) {
    let lock = Number::new(0).unwrap();
    steps
        .of(|| {
            let both = (lock.lock().unwrap(), lock.lock().unwrap());
            through(|| drop(both));
        })
        .awaited_by(|| pass(&lock))
        .check(|fate| check(&lock, fate));
}
