#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::sync::Barrier;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Instant;

use super::*;
use crate::{Lock, RLock};

const SHORT: Duration = Duration::from_millis(10);

fn until(what: impl Fn() -> bool) {
    let began = Instant::now();
    while !what() {
        assert!(began.elapsed() < Duration::from_secs(10), "it never happens");
        thread::yield_now();
    }
}

/// CND-10.
#[test]
fn as_many_are_woken_as_were_notified_and_none_by_itself() {
    let (lock, condition) = (Lock::new(()).unwrap(), Condition::new().unwrap());
    for _ in 0..20 {
        let woken = AtomicU32::new(0);
        let waiting = |number| until(|| condition.waiting() == number);
        let woke = |number| {
            until(|| woken.load(Relaxed) == number);
            // Nobody else wakes.
            drop(lock.lock().unwrap());
            assert_eq!(woken.load(Relaxed), number);
        };
        thread::scope(|scope| {
            for _ in 0..5 {
                scope.spawn(|| {
                    for _ in 0..2 {
                        let _guard = condition.wait(lock.lock().unwrap()).unwrap();
                        woken.fetch_add(1, Relaxed);
                    }
                });
            }
            waiting(5);
            assert_eq!(condition.notify(3), 3);
            woke(3);
            waiting(5);
            assert_eq!(condition.notify(5), 5);
            woke(8);
            waiting(2);
            assert_eq!(condition.notify_all(), 2);
            woke(10);
        });
        assert_eq!((condition.waiting(), condition.notify_all()), (0, 0));
    }
}

/// CND-04.
#[test]
fn a_wait_that_nobody_ends_times_out_and_has_its_lock_again() {
    let (lock, condition) = (Lock::new(7_u32).unwrap(), Condition::new().unwrap());
    // Before the wait, and for nobody.
    assert!(!condition.notify_one());
    let began = Instant::now();
    let (guard, woken) = condition.wait_timeout(lock.lock().unwrap(), SHORT);
    assert_eq!((*guard.unwrap(), woken), (7, Woken::TimedOut));
    assert!(began.elapsed() >= SHORT);
    let never = |_: &mut _| true;
    let (guard, woken) = condition.wait_while_timeout(lock.lock().unwrap(), SHORT, never);
    assert!(lock.is_locked());
    assert_eq!((*guard.unwrap(), woken), (7, Woken::TimedOut));
    let (_, woken) =
        condition.wait_while_timeout(lock.lock().unwrap(), Duration::ZERO, |value| **value != 7);
    assert_eq!((woken, condition.waiting()), (Woken::Notified, 0));
}

#[test]
fn those_who_have_waited_longest_are_woken_first() {
    let (order, condition) = (Lock::new([0_u32; 8]).unwrap(), Condition::new().unwrap());
    thread::scope(|scope| {
        for number in 0..8 {
            let (order, condition) = (&order, &condition);
            scope.spawn(move || {
                let mut guard = condition.wait(order.lock().unwrap()).unwrap();
                let place = guard.iter().position(|&place| place == 0).unwrap();
                guard[place] = number + 1;
            });
            until(|| condition.waiting() == number as usize + 1);
        }
        for number in 0..8 {
            assert!(condition.notify_one());
            until(|| order.lock().unwrap()[number] > 0);
        }
    });
    assert_eq!(*order.lock().unwrap(), [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn a_waiter_gives_up_all_its_guards_and_has_them_again() {
    let (lock, condition) = (RLock::new(1_u32).unwrap(), Condition::new().unwrap());
    thread::scope(|scope| {
        scope.spawn(|| {
            let outer = lock.lock().unwrap();
            let inner = condition.wait_while(lock.lock().unwrap(), |value| value.get() == 1);
            let inner = inner.unwrap();
            assert_eq!((outer.get(), inner.get(), lock.recursion_count()), (2, 2, 2));
            drop(inner);
            assert!(lock.is_owned());
        });
        until(|| condition.waiting() == 1);
        lock.lock().unwrap().set(2);
        assert_eq!(condition.notify(7), 1);
    });
    assert!(!lock.is_locked());
    let guards = (lock.lock().unwrap(), lock.lock().unwrap());
    let (guard, woken) = condition.wait_timeout(guards.1, SHORT);
    assert_eq!((woken, lock.recursion_count()), (Woken::TimedOut, 2));
    drop((guard, guards.0));
    assert!(!lock.is_locked());
}

#[test]
fn one_whose_lock_was_left_by_a_dead_holder_is_told_when_it_has_it_again() {
    let (lock, condition) = (Lock::new(0_u32).unwrap(), Condition::new().unwrap());
    thread::scope(|scope| {
        scope.spawn(|| {
            let died = condition.wait_while(lock.lock().unwrap(), |_| true).unwrap_err();
            assert_eq!(*OwnerDied::recover(died), 1);
        });
        until(|| condition.waiting() == 1);
        scope.spawn(|| {
            let mut guard = lock.lock().unwrap();
            *guard = 1;
            condition.notify_one();
            std::mem::forget(guard);
        });
    });
    assert!(lock.lock().is_ok());
}

/// CND-05.
#[test]
fn a_thousand_items_pass_through_one_place_without_a_wake_up_lost() {
    let (place, condition) = (Lock::new([0_u32; 2]).unwrap(), Condition::new().unwrap());
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1..=1_000 {
                let guard = place.lock().unwrap();
                let mut guard = condition.wait_while(guard, |place| place[0] != 0).unwrap();
                guard[0] = number;
                drop(guard);
                condition.notify_one();
            }
        });
        for _ in 0..1_000 {
            let guard = place.lock().unwrap();
            let mut guard = condition.wait_while(guard, |place| place[0] == 0).unwrap();
            guard[1] += guard[0];
            guard[0] = 0;
            condition.notify_one();
        }
    });
    assert_eq!(place.lock().unwrap()[1], 500_500);
}

#[test]
fn of_those_who_time_out_and_are_notified_at_once_each_knows_which_it_was() {
    let (lock, condition) = (Lock::new(()).unwrap(), Condition::new().unwrap());
    for round in 0..300_u64 {
        let (begin, notified) = (Barrier::new(4), AtomicU32::new(0));
        let timeout = Duration::from_micros(20 + round % 100);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    begin.wait();
                    let guard = lock.lock().unwrap();
                    if condition.wait_timeout(guard, timeout).1 == Woken::Notified {
                        notified.fetch_add(1, Relaxed);
                    }
                });
            }
            begin.wait();
            let mut called = 0;
            for _ in 0..20 {
                called += u32::from(condition.notify_one());
                thread::yield_now();
            }
            until(|| condition.waiting() == 0 && notified.load(Relaxed) == called);
        });
    }
}

#[test]
fn more_than_there_are_seats_for_wait_too_and_none_for_ever() {
    let (lock, condition) = (Lock::new(0_u32).unwrap(), Condition::new().unwrap());
    thread::scope(|scope| {
        for _ in 0..SEATS + 8 {
            thread::Builder::new()
                .stack_size(1 << 16)
                .spawn_scoped(scope, || {
                    let guard = lock.lock().unwrap();
                    drop(condition.wait_while(guard, |value| **value == 0).unwrap());
                })
                .unwrap();
        }
        until(|| condition.waiting() == SEATS);
        *lock.lock().unwrap() = 1;
        assert_eq!(condition.notify_all(), SEATS);
    });
    assert_eq!(condition.waiting(), 0);
}

#[test]
fn a_condition_that_is_serialized_is_the_same_when_it_arrives() {
    let condition = Condition::new().unwrap();
    let bytes = brigade_codec::encode(&condition).unwrap();
    let arrived: Condition = brigade_codec::decode(&bytes).unwrap();
    let lock = Lock::new(()).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| drop(condition.wait(lock.lock().unwrap()).unwrap()));
        until(|| arrived.waiting() == 1);
        assert!(arrived.notify_one());
    });
}
