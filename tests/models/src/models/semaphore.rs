//! The semaphore: no more holders than permits, and the permits of the dead come back.

use std::time::Duration;

use crate::Model;
use crate::explore::Pace;
use crate::stage::{Note, Stage};
use crate::sync::semaphore::Semaphore;
use crate::world::Clock;

/// How long a watcher sleeps when it watches a process whose death it may not be told of.
const NAP: Duration = Duration::from_millis(5);

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "semaphore/one",
        about: "two acquire the only permit: one after the other",
        mortals: &[],
        preemptions: 2,
        pace: Pace::Slow,
        build: |stage| acquire(stage, &["one", "two"]),
    },
    Model {
        name: "semaphore/one-with-a-death",
        about: "the same, and one of them dies: its permit comes back. Between the mark that the \
                kernel sets and the end of the process, the other naps",
        mortals: &["mortal"],
        preemptions: 1,
        pace: Pace::Slow,
        build: |stage| {
            stage.clock(Clock::Naps(NAP));
            acquire(stage, &["mortal", "other"]);
        },
    },
    Model {
        name: "semaphore/release",
        about: "a release wakes who waits for a permit, and the wake-up is passed on",
        mortals: &[],
        preemptions: 1,
        pace: Pace::Drawn,
        build: release,
    },
];

fn acquire(stage: &mut Stage, names: &[&'static str]) {
    let semaphore = stage.keep(Semaphore::new(1).expect("there is memory"));
    names.iter().for_each(|name| stage.cast(name));
    let inside: Note<Option<&str>> = stage.note(None);
    for &name in names {
        let semaphore = stage.send(&semaphore, name);
        let inside = inside.clone();
        stage.acts(name, move || {
            let permit = semaphore.acquire();
            let other = inside.write().replace(name);
            assert!(other.is_none_or(|other| other == "mortal"), "{other:?} is inside");
            *inside.write() = None;
            drop(permit);
        });
    }
    stage.finally(move |ending| {
        let available = semaphore.available();
        assert!(available == 1 || ending.has_died("mortal"), "{available} permits are left");
    });
}

fn release(stage: &mut Stage) {
    let semaphore = stage.keep(Semaphore::new(0).expect("there is memory"));
    for name in ["releaser", "one", "two"] {
        stage.cast(name);
    }
    let releaser = stage.send(&semaphore, "releaser");
    stage.acts("releaser", move || releaser.release(2).expect("there is no bound"));
    for name in ["one", "two"] {
        let semaphore = stage.send(&semaphore, name);
        stage.acts(name, move || semaphore.acquire().forget());
    }
    stage.finally(move |_| assert_eq!(semaphore.available(), 0));
}
