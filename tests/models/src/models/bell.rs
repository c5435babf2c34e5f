//! The bell: no wake-up is lost, whoever dies.

use std::time::Duration;

use crate::Model;
use crate::atomic::AtomicU32;
use crate::atomic::Ordering::Relaxed;
use crate::bell::Bell;
use crate::explore::Pace;
use crate::stage::Stage;
use crate::time::Deadline;
use crate::wait::{self, Sleep, Waitable};
use crate::world::Clock;

/// How long a sleeper of a bell sleeps at most.
const NAP: Duration = Duration::from_millis(500);

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "bell/one",
        about: "one rings for one: a change that was made is seen by who waits for it",
        mortals: &["waiter"],
        preemptions: 3,
        pace: Pace::Quick,
        build: one,
    },
    Model {
        name: "bell/one-dead-ringer",
        about: "the same, and the ringer dies; a waiter between its look and its sleep naps",
        mortals: &["ringer"],
        preemptions: 3,
        pace: Pace::Quick,
        build: |stage| napping(stage, one),
    },
    Model {
        name: "bell/items",
        about: "two ring once each, two take one each: no ring serves only one of two sleepers",
        mortals: &["taker"],
        preemptions: 1,
        pace: Pace::Slow,
        build: items,
    },
    Model {
        name: "bell/items-dead-ringer",
        about: "the same, and a ringer dies",
        mortals: &["ringer"],
        preemptions: 1,
        pace: Pace::Slow,
        build: |stage| napping(stage, items),
    },
    Model {
        name: "bell/all",
        about: "one rings for all: everyone who waits goes on, also if one of them dies",
        mortals: &["waiter"],
        preemptions: 2,
        pace: Pace::Quick,
        build: all,
    },
    Model {
        name: "bell/all-dead-ringer",
        about: "the same, and the ringer dies",
        mortals: &["ringer"],
        preemptions: 2,
        pace: Pace::Quick,
        build: |stage| napping(stage, all),
    },
    Model {
        name: "bell/baton",
        about: "a change that serves several, rung for one: who is woken passes it on",
        mortals: &["waiter"],
        preemptions: 2,
        pace: Pace::Quick,
        build: once_for_all,
    },
    Model {
        name: "bell/baton-dead-ringer",
        about: "the same, and the ringer dies",
        mortals: &["ringer"],
        preemptions: 2,
        pace: Pace::Quick,
        build: |stage| napping(stage, once_for_all),
    },
    Model {
        name: "bell/time-out",
        about: "a wait that times out swallows no wake-up",
        mortals: &["hasty"],
        preemptions: 1,
        pace: Pace::Quick,
        build: time_out,
    },
    Model {
        name: "bell/wait",
        about: "who waits for one thing by `wait` passes its wake-up on, also if it dies",
        mortals: &["waiter"],
        preemptions: 2,
        pace: Pace::Quick,
        build: single_wait,
    },
    Model {
        name: "bell/several",
        about: "who waits for several things is woken beside one who waits for one",
        mortals: &[],
        preemptions: 2,
        pace: Pace::Quick,
        build: several,
    },
    Model {
        name: "bell/several-with-a-death",
        about: "the same, and the ringer or the one who waits for several dies: the other naps at \
                most",
        mortals: &["ringer", "waiter"],
        preemptions: 2,
        pace: Pace::Quick,
        build: |stage| napping(stage, several),
    },
];

/// The same model where sleepers look for themselves when nobody acts any more.
fn napping(stage: &mut Stage, build: fn(&mut Stage)) {
    stage.clock(Clock::LateNaps(NAP));
    build(stage);
}

/// A counter of items put and one of items taken, with a bell.
#[derive(Clone, Copy)]
struct Items {
    bell: &'static Bell,
    put: &'static AtomicU32,
    taken: &'static AtomicU32,
}

impl Items {
    fn new(stage: &Stage) -> Self {
        Self { bell: stage.place(), put: stage.place(), taken: stage.place() }
    }

    fn there(self) -> Option<()> {
        (self.taken.load(Relaxed) < self.put.load(Relaxed)).then_some(())
    }

    fn put(self) {
        self.bell.ring_after(|| self.put.fetch_add(1, Relaxed));
    }

    fn take(self) -> bool {
        let taken = self.taken.load(Relaxed);
        taken < self.put.load(Relaxed)
            && self.taken.compare_exchange(taken, taken + 1, Relaxed, Relaxed).is_ok()
    }

    fn take_or_wait(self, deadline: Deadline) -> bool {
        loop {
            if self.bell.wait(deadline, || self.there(), |_| ()).is_none() {
                return false;
            }
            if self.take() {
                return true;
            }
        }
    }
}

/// A ringer that dies may have put nothing: then there is nothing to wake up for.
fn one(stage: &mut Stage) {
    let items = Items::new(stage);
    stage.may_sleep_if(move |_| items.there().is_none());
    stage.actor("ringer", move || items.put());
    stage.actor("waiter", move || assert!(items.take_or_wait(Deadline::NEVER)));
    stage.finally(move |ending| {
        let all = !ending.has_died("waiter") && !ending.has_died("ringer");
        assert!(!all || items.taken.load(Relaxed) == 1);
    });
}

fn items(stage: &mut Stage) {
    let items = Items::new(stage);
    stage.may_sleep_if(move |_| items.there().is_none());
    for name in ["ringer", "second"] {
        stage.actor(name, move || items.put());
    }
    for name in ["taker", "other"] {
        stage.actor(name, move || assert!(items.take_or_wait(Deadline::NEVER)));
    }
}

/// Waits until `flag` is set.
fn wait_for(bell: &'static Bell, flag: &'static AtomicU32, deadline: Deadline) -> bool {
    bell.wait(deadline, || (flag.load(Relaxed) != 0).then_some(()), |_| ()).is_some()
}

fn all(stage: &mut Stage) {
    let bell: &'static Bell = stage.place();
    let flag: &'static AtomicU32 = stage.place();
    stage.may_sleep_if(move |_| flag.load(Relaxed) == 0);
    stage.actor("ringer", move || bell.ring_all_after(|| flag.store(1, Relaxed)));
    for name in ["waiter", "other"] {
        stage.actor(name, move || assert!(wait_for(bell, flag, Deadline::NEVER)));
    }
}

fn once_for_all(stage: &mut Stage) {
    let bell: &'static Bell = stage.place();
    let flag: &'static AtomicU32 = stage.place();
    stage.may_sleep_if(move |_| flag.load(Relaxed) == 0);
    stage.actor("ringer", move || bell.ring_after(|| flag.store(1, Relaxed)));
    for name in ["waiter", "other"] {
        stage.actor(name, move || assert!(wait_for(bell, flag, Deadline::NEVER)));
    }
}

fn time_out(stage: &mut Stage) {
    const SOON: Duration = Duration::from_millis(10);
    stage.clock(Clock::Hasty(SOON));
    let items = Items::new(stage);
    stage.may_sleep_if(move |_| items.there().is_none());
    stage.actor("ringer", move || {
        items.put();
        items.put();
    });
    stage.actor("hasty", move || {
        items.take_or_wait(Deadline::after(SOON));
    });
    stage.actor("patient", move || assert!(items.take_or_wait(Deadline::NEVER)));
}

/// Something to wait for: a flag and its bell.
#[derive(Clone, Copy)]
struct Flag {
    bell: &'static Bell,
    word: &'static AtomicU32,
}

impl Flag {
    fn new(stage: &Stage) -> Self {
        Self { bell: stage.place(), word: stage.place() }
    }

    fn set(self) {
        self.bell.ring_after(|| self.word.store(1, Relaxed));
    }
}

impl Waitable for Flag {
    fn is_ready(&self) -> bool {
        self.word.load(Relaxed) != 0
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.bell.prepare(sleep);
    }
}

fn single_wait(stage: &mut Stage) {
    let flag = Flag::new(stage);
    stage.may_sleep_if(move |_| flag.word.load(Relaxed) == 0);
    stage.actor("ringer", move || flag.set());
    for name in ["waiter", "other"] {
        stage.actor(name, move || assert_eq!(wait::wait(&[&flag], Deadline::NEVER), [0]));
    }
}

fn several(stage: &mut Stage) {
    let (flag, never) = (Flag::new(stage), Flag::new(stage));
    stage.may_sleep_if(move |_| flag.word.load(Relaxed) == 0);
    stage.actor("ringer", move || flag.set());
    let both = (flag, never);
    stage.actor("waiter", move || {
        assert_eq!(wait::wait(&[&both.0, &both.1], Deadline::NEVER), [0]);
    });
    stage.actor("other", move || assert!(wait_for(flag.bell, flag.word, Deadline::NEVER)));
}
