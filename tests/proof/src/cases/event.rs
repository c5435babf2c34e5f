//! The event.

use std::time::Duration;

use brigade_shm::Event;
use brigade_sys::stepping::through;

use super::{Case, case};
use crate::steps::{Fate, Steps};

pub(super) const CASES: &[Case] = &[
    case("event: set", "alone", set),
    case("event: set", "three others wait", set_awaited),
    case("event: set and clear", "two others wait", set_and_clear_awaited),
    case("event: clear", "alone", clear),
    case("event: wait", "it is set", wait),
    case("event: wait", "another waits, then it is set", wait_asleep),
    case("event: wait with a time-out", "nobody sets it", wait_in_vain),
];

/// Sets, waits and clears.
fn check(event: &Event) {
    event.set();
    event.wait();
    event.clear();
    assert!(!event.is_set());
    assert!(!event.wait_timeout(Duration::ZERO));
}

fn set(steps: &mut Steps) {
    let event = Event::new().unwrap();
    steps.of(|| through(|| event.set())).check(|fate| {
        assert!(event.is_set() || fate == Fate::Killed);
        check(&event);
    });
}

fn set_awaited(steps: &mut Steps) {
    let event = Event::new().unwrap();
    steps
        .of(|| through(|| event.set()))
        .after(|| event.clear())
        .awaited_by(|| event.wait())
        .awaited_by(|| event.wait())
        .awaited_by(|| event.wait())
        .unless(|| event.is_set(), || event.set())
        .check(|_| check(&event));
}

fn set_and_clear_awaited(steps: &mut Steps) {
    let event = Event::new().unwrap();
    steps
        .of(|| {
            through(|| {
                event.set();
                event.clear();
            });
        })
        .awaited_by(|| event.wait())
        .awaited_by(|| event.wait())
        .unless(|| event.is_set(), || event.set())
        .check(|_| check(&event));
}

fn clear(steps: &mut Steps) {
    let event = Event::new().unwrap();
    steps.of(|| through(|| event.clear())).after(|| event.set()).check(|fate| {
        assert!(!event.is_set() || fate == Fate::Killed);
        check(&event);
    });
}

fn wait(steps: &mut Steps) {
    let event = Event::new().unwrap();
    steps.of(|| through(|| event.wait())).after(|| event.set()).check(|_| {
        assert!(event.is_set());
        check(&event);
    });
}

fn wait_asleep(steps: &mut Steps) {
    let event = Event::new().unwrap();
    steps
        .of(|| through(|| event.wait()))
        .after(|| event.clear())
        .awaited_by(|| event.wait())
        .release(|| event.set())
        .check(|_| check(&event));
}

fn wait_in_vain(steps: &mut Steps) {
    let event = Event::new().unwrap();
    steps
        .of(|| assert!(!through(|| event.wait_timeout(Duration::from_millis(2)))))
        .check(|_| check(&event));
}
