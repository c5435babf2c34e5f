//! The condition.

use std::time::Duration;

use brigade_shm::{Condition, Lock, OwnerDied, Woken};
use brigade_sys::stepping::through;

use super::{Case, SOON, case};
use crate::steps::Steps;

pub(super) const CASES: &[Case] = &[
    case("condition: notify one", "alone", notify_nobody),
    case("condition: notify all", "two others wait", notify_all),
    case("condition: notify one", "another waits", notify_one),
    case("condition: wait", "another waits too, then all are notified", wait),
    case("condition: wait with a time-out", "nobody notifies", wait_in_vain),
];

type Number = Lock<u64>;

/// Waits once.
fn wait_once(lock: &Number, condition: &Condition) {
    let guard = lock.lock().unwrap_or_else(OwnerDied::recover);
    drop(condition.wait(guard).unwrap_or_else(OwnerDied::recover));
}

/// Nobody waits any more, and one who comes waits in vain until its time is over.
fn check(lock: &Number, condition: &Condition) {
    let guard = lock.lock_timeout(SOON).ok();
    let guard = guard.unwrap_or_else(|| lock.lock().unwrap_or_else(OwnerDied::recover));
    let (guard, woken) = condition.wait_timeout(guard, Duration::ZERO);
    assert_eq!(woken, Woken::TimedOut);
    drop(guard.unwrap_or_else(OwnerDied::recover));
    assert_eq!(condition.notify_all(), 0);
    assert_eq!(condition.waiting(), 0);
}

fn both() -> (Number, Condition) {
    (Lock::new(0).unwrap(), Condition::new().unwrap())
}

fn notify_nobody(steps: &mut Steps) {
    let (lock, condition) = both();
    steps.of(|| assert!(!through(|| condition.notify_one()))).check(|_| check(&lock, &condition));
}

fn notify_all(steps: &mut Steps) {
    let (lock, condition) = both();
    steps
        .of(|| assert_eq!(through(|| condition.notify_all()), 2))
        .awaited_by(|| wait_once(&lock, &condition))
        .awaited_by(|| wait_once(&lock, &condition))
        .unless(|| condition.waiting() == 0, || assert_eq!(condition.notify_all(), 2))
        .check(|_| check(&lock, &condition));
}

fn notify_one(steps: &mut Steps) {
    let (lock, condition) = both();
    steps
        .of(|| assert!(through(|| condition.notify_one())))
        .awaited_by(|| wait_once(&lock, &condition))
        .unless(|| condition.waiting() == 0, || assert!(condition.notify_one()))
        .check(|_| check(&lock, &condition));
}

fn wait(steps: &mut Steps) {
    let (lock, condition) = both();
    steps
        .of(|| {
            let guard = lock.lock().unwrap_or_else(OwnerDied::recover);
            drop(through(|| condition.wait(guard)).unwrap_or_else(OwnerDied::recover));
        })
        .beside(|| wait_once(&lock, &condition))
        .release(|| {
            condition.notify_all();
        })
        .check(|_| check(&lock, &condition));
}

fn wait_in_vain(steps: &mut Steps) {
    let (lock, condition) = both();
    steps
        .of(|| {
            let guard = lock.lock().unwrap_or_else(OwnerDied::recover);
            let (guard, woken) =
                through(|| condition.wait_timeout(guard, Duration::from_millis(2)));
            assert_eq!(woken, Woken::TimedOut);
            drop(guard.unwrap_or_else(OwnerDied::recover));
        })
        .check(|_| check(&lock, &condition));
}
