//! The event: a set is seen by everyone who had begun to wait.

use std::time::Duration;

use crate::Model;
use crate::stage::Stage;
use crate::sync::event::Event;
use crate::world::Clock;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "event/set",
        about: "a set wakes all who wait, also if one of them dies",
        mortals: &["waiter"],
        preemptions: 2,
        build: |stage| set(stage, Then::Nothing),
    },
    Model {
        name: "event/set-clear",
        about: "a set that is cleared at once wakes all who had begun to wait",
        mortals: &["waiter"],
        preemptions: 2,
        build: |stage| set(stage, Then::Clear),
    },
    Model {
        name: "event/dead-setter",
        about: "the same, and the setter dies: who waits for what was set naps at most",
        mortals: &["setter"],
        preemptions: 2,
        build: |stage| {
            stage.clock(Clock::Naps(Duration::from_millis(500)));
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
    const NAMES: [&str; 3] = ["setter", "waiter", "other"];
    let event = stage.keep(Event::new().expect("there is memory"));
    NAMES.iter().for_each(|name| stage.cast(name));
    let begun = stage.note(0);
    let done = stage.note(0);
    let setter = stage.send(&event, "setter");
    let (set_begun, set_done) = (begun.clone(), done.clone());
    stage.acts("setter", move || {
        *set_begun.write() += 1;
        setter.set();
        *set_done.write() += 1;
        if then == Then::Clear {
            setter.clear();
        }
    });
    // How many sets had begun when the last of them began to wait.
    let seen = stage.note(0);
    for name in ["waiter", "other"] {
        let event = stage.send(&event, name);
        let (begun, seen) = (begun.clone(), seen.clone());
        stage.acts(name, move || {
            let before = *begun.read();
            *seen.write() = before;
            event.wait();
        });
    }
        stage.may_sleep_if(move |_| !event.is_set() && *done.read() <= *seen.read());
}
