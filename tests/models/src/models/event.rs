//! The event: a set is seen by everyone who had begun to wait.

use std::rc::Rc;
use std::time::Duration;

use crate::Model;
use crate::explore::Pace;
use crate::stage::{Stage, has_acted};
use crate::sync::event::Event;
use crate::world::Clock;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "event/set",
        about: "a set wakes all who wait, also if one of them dies",
        mortals: &["waiter"],
        preemptions: 2,
        pace: Pace::Slow,
        build: |stage| set(stage, Then::Nothing),
    },
    Model {
        name: "event/set-clear",
        about: "a set that is cleared at once wakes all who had begun to wait",
        mortals: &["waiter"],
        preemptions: 2,
        pace: Pace::Slow,
        build: |stage| set(stage, Then::Clear),
    },
    Model {
        name: "event/dead-setter",
        about: "the same, and the setter dies: who waits for what was set naps at most",
        mortals: &["setter"],
        preemptions: 2,
        pace: Pace::Slow,
        build: |stage| {
            stage.clock(Clock::LateNaps(Duration::from_millis(500)));
            set(stage, Then::Clear);
        },
    },
];

/// What the setter does after the set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Nothing,
    Clear,
}

fn set(stage: &mut Stage, then: Then) {
    const WAITERS: [&str; 2] = ["waiter", "other"];
    let event = stage.keep(Event::new().expect("there is memory"));
    stage.cast("setter");
    WAITERS.iter().for_each(|name| stage.cast(name));
    // Who had begun to wait before the set, and whether the set was over.
    let early = stage.note(Vec::new());
    let is_done = stage.note(false);
    let setter = stage.send(&event, "setter");
    let (noted, done) = (early.clone(), is_done.clone());
    // Written before the set, and seen by those who have waited.
    let news = stage.bytes();
    stage.acts("setter", move || {
        news.write(1);
        *noted.write() = WAITERS.into_iter().filter(|name| has_acted(name)).collect();
        setter.set();
        *done.write() = true;
        if then == Then::Clear {
            setter.clear();
        }
    });
    for name in WAITERS {
        let event = stage.send(&event, name);
        stage.acts(name, move || {
            event.wait();
            assert_eq!(news.read(), 1);
        });
    }
    let (looked_at, done) = (Rc::clone(&event), is_done.clone());
    stage.finally(move |ending| {
        let is_cleared = then == Then::Clear && *done.read() && !ending.has_died("setter");
        assert!(!is_cleared || !looked_at.is_set(), "it was cleared");
    });
    stage.may_sleep_if(move |ending| {
        let is_missed = || early.read().iter().any(|name| ending.sleeps(name));
        !(event.is_set() || *is_done.read() && is_missed())
    });
}
