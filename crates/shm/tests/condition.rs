//! What a killed process leaves in a condition: its notifications are given whole or not at all,
//! and one that it did not follow is another's.
#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::time::{Duration, Instant};

use brigade_shm::sync::TryLockError;
use brigade_shm::testing::{Child, Ended, alone, at_every_step, at_once, run, start};
use brigade_shm::{Condition, Event, Lock, OwnerDied, Queue, RLock, Value, Woken};
use brigade_sys::kill_point::arm;

const SOON: Duration = Duration::from_secs(10);

fn until(what: impl Fn() -> bool) {
    let began = Instant::now();
    while !what() {
        assert!(began.elapsed() < SOON, "it never happens");
        std::thread::yield_now();
    }
}

/// A lock, a condition for it, and where those who were notified report.
struct Stage {
    lock: Lock<u64>,
    condition: Condition,
    woken: Queue<u32>,
}

impl Stage {
    fn new() -> Self {
        Self {
            lock: Lock::new(0).unwrap(),
            condition: Condition::new().unwrap(),
            woken: Queue::bounded(64).unwrap(),
        }
    }

    /// A process that waits once, reports what it was told, and lives on.
    fn waiter(&self, told: u32) -> Child {
        self.waiter_with(&self.lock, told)
    }

    fn waiter_with(&self, lock: &Lock<u64>, told: u32) -> Child {
        let before = self.condition.waiting();
        let waiter = start(|| {
            let guard = lock.lock().unwrap_or_else(OwnerDied::recover);
            drop(self.condition.wait(guard).unwrap_or_else(OwnerDied::recover));
            self.woken.put(told).unwrap();
            Event::new().unwrap().wait();
        });
        until(|| self.condition.waiting() > before && waiter.rests());
        waiter
    }
}

#[test]
fn all_are_notified_or_nobody_at_whatever_step_the_notifier_dies() {
    let _alone = alone();
    let stage = Stage::new();
    let mut waiters = Vec::new();
    let fill = |waiters: &mut Vec<Child>| {
        while stage.condition.waiting() < 3 {
            waiters.push(stage.waiter(1));
        }
    };
    fill(&mut waiters);
    let mut notified = 0;
    let steps = at_every_step(
        || {
            stage.condition.notify(3);
        },
        |came_through| {
            // What a dead notifier began is ended by somebody, before this call at the latest.
            let (guard, _) = stage
                .condition
                .wait_timeout(stage.lock.lock().unwrap_or_else(OwnerDied::recover), Duration::ZERO);
            drop(guard.unwrap_or_else(OwnerDied::recover));
            match stage.condition.waiting() {
                0 => {
                    notified += 1;
                    for _ in 0..3 {
                        stage.woken.get_timeout(SOON).expect("one was notified and not woken");
                    }
                }
                3 => assert!(!came_through),
                other => panic!("{} were notified", 3 - other),
            }
            fill(&mut waiters);
        },
    );
    assert!(steps >= 8, "only {steps} steps were labelled");
    assert!(notified >= 4, "a notifier that dies late has notified");
}

/// Lets one notify three and die at `step`. Returns how it ended, and how long it took from then on
/// until all three were awake.
fn notify_and_die(step: u32) -> (Ended, Duration) {
    let stage = Stage::new();
    let waiters: Vec<_> = (0..3).map(|_| stage.waiter(1)).collect();
    let ended = run(|| {
        arm(step);
        stage.condition.notify_all();
        arm(0);
    });
    let began = Instant::now();
    // Looking changes nothing and wakes nobody.
    match stage.condition.waiting() {
        0 => {
            for _ in 0..3 {
                stage.woken.get_timeout(SOON).expect("one was notified and not woken");
            }
        }
        _ => assert_ne!(ended, Ended::Code(0)),
    }
    let took = began.elapsed();
    waiters.into_iter().for_each(Child::kill);
    (ended, took)
}

#[test]
fn those_who_are_notified_wake_although_nobody_looks_after_the_dead_notifier() {
    let _alone = alone();
    for step in 1.. {
        let mut ended = Ended::Code(0);
        at_once(|| {
            let took;
            (ended, took) = notify_and_die(step);
            took
        });
        if ended == Ended::Code(0) {
            assert!(step > 8, "only {step} steps were labelled");
            break;
        }
    }
}

/// Notifies one of three and lets it die at `step`. Returns whether it did, whether another was woken
/// in its place, and how long that took.
fn be_notified_and_die(step: u32) -> (bool, bool, Duration) {
    let stage = Stage::new();
    let resumed = Value::new(0_u32).unwrap();
    let first = start(|| {
        arm(step);
        let guard = stage.lock.lock().unwrap_or_else(OwnerDied::recover);
        let guard = stage.condition.wait(guard).unwrap_or_else(OwnerDied::recover);
        resumed.set(1);
        drop(guard);
        arm(0);
    });
    until(|| first.rests());
    let others = [stage.waiter(2), stage.waiter(3)];
    assert_eq!(stage.condition.notify(1), 1);
    let ended = first.join();
    let began = Instant::now();
    let resumed = resumed.get() == 1;
    // Killed with its lock: right before or right after it had followed.
    let error = stage.lock.try_lock().err();
    let with_lock = matches!(error, Some(TryLockError::OwnerDied(_)));
    drop(error);
    let patience = match (resumed, with_lock) {
        (true, _) => Duration::from_millis(5),
        (false, true) => Duration::from_millis(50),
        (false, false) => SOON,
    };
    let woken = stage.woken.get_timeout(patience);
    let took = began.elapsed();
    match woken {
        Ok(told) => {
            assert_eq!((told, ended), (2, Ended::Signal(9)), "the longest waiting");
            assert!(!resumed);
            assert_eq!(stage.condition.waiting(), 1, "nobody else was woken");
        }
        Err(_) if with_lock => {}
        Err(_) => {
            assert!(resumed, "step {step}: nobody inherited the notification");
            assert_eq!(stage.condition.waiting(), 2, "nobody else was woken");
        }
    }
    others.into_iter().for_each(Child::kill);
    (ended != Ended::Code(0), woken.is_ok(), took)
}

#[test]
fn a_notification_whose_receiver_dies_before_it_has_its_lock_goes_to_another() {
    let _alone = alone();
    let mut inherited = 0;
    for step in 1.. {
        let (mut died, mut woken) = (false, false);
        at_once(|| {
            let took;
            (died, woken, took) = be_notified_and_die(step);
            took
        });
        inherited += u32::from(woken);
        if !died {
            break;
        }
    }
    assert!(inherited >= 8, "only {inherited} inherited");
}

#[test]
fn a_notification_is_inherited_by_nobody_who_came_later() {
    let _alone = alone();
    let stage = Stage::new();
    let first = stage.waiter(1);
    let guard = stage.lock.lock().unwrap();
    assert!(stage.condition.notify_one());
    // It cannot have the lock; meanwhile others begin to wait, with a lock of their own.
    let other = Lock::new(0).unwrap();
    let late = [stage.waiter_with(&other, 2), stage.waiter_with(&other, 3)];
    first.kill();
    assert_eq!(stage.condition.notify(1), 1);
    assert_eq!(stage.woken.get_timeout(SOON).unwrap(), 2);
    assert_eq!(stage.condition.waiting(), 1, "the notification of the dead woke nobody");
    assert!(stage.woken.get_timeout(Duration::from_millis(5)).is_err());
    late.into_iter().for_each(Child::kill);
    drop(guard);
    assert_eq!(stage.condition.waiting(), 0);
}

#[test]
fn a_waiter_that_dies_at_any_step_of_a_time_out_is_not_waited_for() {
    let _alone = alone();
    let stage = Stage::new();
    at_every_step(
        || {
            let guard = stage.lock.lock().unwrap_or_else(OwnerDied::recover);
            let _ = stage.condition.wait_timeout(guard, Duration::from_millis(1));
        },
        |_| {
            let waiter = stage.waiter(1);
            assert_eq!(stage.condition.notify_all(), 1);
            stage.woken.get_timeout(SOON).unwrap();
            waiter.kill();
            assert_eq!(stage.condition.waiting(), 0);
        },
    );
}

#[test]
fn all_guards_of_a_waiter_that_dies_are_gone_at_whatever_step() {
    let _alone = alone();
    let (lock, condition) = (RLock::new(0_u32).unwrap(), Condition::new().unwrap());
    at_every_step(
        || {
            let outer = lock.lock().unwrap_or_else(OwnerDied::recover);
            let inner = lock.lock().unwrap_or_else(OwnerDied::recover);
            let (inner, _) = condition.wait_timeout(inner, Duration::from_millis(1));
            assert_eq!(lock.recursion_count(), 2);
            drop((inner, outer));
        },
        |_| {
            let guard = lock.lock().unwrap_or_else(OwnerDied::recover);
            assert_eq!(lock.recursion_count(), 1);
            drop(guard);
            assert!(!lock.is_locked());
        },
    );
}

#[test]
fn items_pass_on_while_processes_are_killed_at_random() {
    let _alone = alone();
    let (items, more) = (Lock::new(0_u64).unwrap(), Condition::new().unwrap());
    let produce = || {
        loop {
            *items.lock().unwrap_or_else(OwnerDied::recover) += 1;
            more.notify_one();
        }
    };
    let consume = || {
        let guard = items.lock().unwrap_or_else(OwnerDied::recover);
        let (guard, woken) = more.wait_while_timeout(guard, SOON, |items| **items == 0);
        let mut guard = guard.unwrap_or_else(OwnerDied::recover);
        assert_eq!(woken, Woken::Notified, "there are producers, and no item came");
        *guard = guard.saturating_sub(1);
    };
    let began = Instant::now();
    for round in 0_u64.. {
        let producer = start(produce);
        let children: Vec<_> = (0..3)
            .map(|number| {
                start(move || {
                    if number == 0 {
                        produce();
                    }
                    loop {
                        consume();
                    }
                })
            })
            .collect();
        let instant = Instant::now() + Duration::from_micros(round * 7919 % 5_000);
        while Instant::now() < instant {
            consume();
        }
        children.into_iter().for_each(Child::kill);
        (0..20).for_each(|_| consume());
        producer.kill();
        *items.lock().unwrap_or_else(OwnerDied::recover) = 0;
        if began.elapsed() > Duration::from_secs(3) {
            break;
        }
    }
    assert_eq!((more.notify_all(), more.waiting()), (0, 0));
}
