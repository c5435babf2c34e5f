#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use brigade_sys::wait::wait;

use super::*;

#[test]
fn set_and_clear_are_idempotent() {
    let event = Event::new().unwrap();
    for _ in 0..2 {
        event.set();
        assert!(event.is_set());
    }
    for _ in 0..2 {
        event.clear();
        assert!(!event.is_set());
    }
    assert!(!event.wait_timeout(Duration::from_millis(5)));
}

#[test]
fn one_set_lets_everyone_pass_now_and_later() {
    for _ in 0..20 {
        let event = Event::new().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..5 {
                scope.spawn(|| {
                    event.wait();
                    event.wait();
                });
            }
            event.set();
        });
    }
}

/// GAP-23.
#[test]
fn a_waiter_returns_true_although_the_event_is_cleared_at_once() {
    let event = Event::new().unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Relaxed) {
                event.set();
                event.clear();
            }
        });
        for _ in 0..2_000 {
            assert!(event.wait_timeout(Duration::from_secs(10)));
        }
        done.store(true, Relaxed);
    });
}

#[test]
fn events_can_be_waited_for_together() {
    let (one, two) = (Event::new().unwrap(), Event::new().unwrap());
    assert!(wait(&[&one, &two], Deadline::after(Duration::from_millis(5))).is_empty());
    std::thread::scope(|scope| {
        scope.spawn(|| two.set());
        assert_eq!(wait(&[&one, &two], Deadline::NEVER), [1]);
    });
}
