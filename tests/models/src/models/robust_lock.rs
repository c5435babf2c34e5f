//! The robust lock: one at a time, and a dead holder's lock goes to the next.

use std::time::Duration;

use crate::Model;
use crate::explore::Pace;
use crate::robust::{Acquired, RobustLock};
use crate::stage::{Bytes, Note, Stage};
use crate::time::Deadline;
use crate::wait::Sleep;
use crate::world::Clock;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "lock/two",
        about: "two take the lock, of whom one dies: each is alone inside, and who comes after a \
                death inside is told",
        mortals: &["mortal"],
        preemptions: 3,
        pace: Pace::Quick,
        build: |stage| contend(stage, &["mortal", "other"], Taking::Waiting),
    },
    Model {
        name: "lock/try",
        about: "as lock/two, and who dies takes the lock only if it is free",
        mortals: &["mortal"],
        preemptions: 3,
        pace: Pace::Quick,
        build: |stage| contend(stage, &["mortal", "other"], Taking::Trying),
    },
    Model {
        name: "lock/three",
        about: "three take the lock, and nobody naps: every release wakes one who sleeps",
        mortals: &[],
        preemptions: 2,
        pace: Pace::Quick,
        build: |stage| contend(stage, &["one", "two", "three"], Taking::Waiting),
    },
    Model {
        name: "lock/three-with-a-death",
        about: "three take the lock, of whom one dies, and nobody naps",
        mortals: &["mortal"],
        preemptions: 2,
        pace: Pace::Slow,
        build: third_comes_between,
    },
    Model {
        name: "lock/time-out",
        about: "a wait that times out while the lock is released, or while a third waits, loses no \
                wake-up",
        mortals: &["hasty"],
        preemptions: 2,
        pace: Pace::Quick,
        build: time_out,
    },
    Model {
        name: "lock/nested",
        about: "one who holds several locks dies: the kernel finds each, in whatever order they \
                were released",
        mortals: &["mortal"],
        preemptions: 2,
        pace: Pace::Quick,
        build: nested,
    },
    Model {
        name: "lock/watch",
        about: "who watches the holder of a lock learns of its death",
        mortals: &["holder"],
        preemptions: 3,
        pace: Pace::Quick,
        build: watch,
    },
];

/// How an actor takes the lock.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taking {
    Waiting,
    Trying,
}

/// Where the one that may die is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Before,
    Inside,
    Leaving,
    After,
}

#[derive(Clone)]
struct Contest {
    lock: &'static RobustLock,
    count: Bytes,
    phase: Note<Phase>,
    /// What those found who do not die.
    found: Note<Vec<(Phase, Acquired)>>,
}

impl Contest {
    fn new(stage: &Stage) -> Self {
        Self {
            lock: stage.place(),
            count: stage.bytes(),
            phase: stage.note(Phase::Before),
            found: stage.note(Vec::new()),
        }
    }

    fn visit(&self, name: &str, acquired: Acquired) {
        if name == "mortal" {
            *self.phase.write() = Phase::Inside;
        } else {
            self.found.write().push((*self.phase.read(), acquired));
        }
        // An error if somebody else does the same with no order between.
        self.count.write(self.count.read() + 1);
        if name == "mortal" {
            *self.phase.write() = Phase::Leaving;
        }
        self.lock.unlock();
        if name == "mortal" {
            *self.phase.write() = Phase::After;
        }
    }

    fn check(&self, dead: bool) {
        let found = self.found.read();
        let told = found.iter().filter(|(_, found)| *found == Acquired::OwnerDied).count();
        assert!(told <= usize::from(dead), "one death is told once, and no death never: {found:?}");
        let inside = *self.phase.read() == Phase::Inside;
        for (phase, acquired) in found.iter().filter(|(phase, _)| *phase != Phase::Before) {
            let first = told == 0 || *acquired == Acquired::OwnerDied;
            assert!(
                !inside || !first || *acquired == Acquired::OwnerDied,
                "a death inside is told"
            );
            assert!(*phase != Phase::After || *acquired == Acquired::Clean, "nobody died inside");
        }
        assert!(!self.lock.is_held());
    }
}

fn contend(stage: &mut Stage, names: &[&'static str], taking: Taking) {
    let contest = Contest::new(stage);
    for &name in names {
        let contest = contest.clone();
        stage.actor(name, move || {
            let tries = taking == Taking::Trying && name == "mortal";
            let lock = contest.lock;
            let acquired = if tries { lock.try_lock() } else { lock.lock(Deadline::NEVER) };
            if let Some(acquired) = acquired {
                contest.visit(name, acquired);
            }
        });
    }
    let all = names.len();
    stage.finally(move |ending| {
        let dead = ending.has_died("mortal");
        contest.check(dead);
        if !dead && taking == Taking::Waiting {
            assert_eq!(contest.count.read(), all as u64);
        }
    });
}

/// One has the lock at first and takes it again, so that the second time it may come between a
/// release and a sleeper that the release woke.
fn third_comes_between(stage: &mut Stage) {
    let contest = Contest::new(stage);
    stage.cast("twice");
    let lock = contest.lock;
    let acquired = stage.as_actor("twice", || lock.lock(Deadline::NEVER));
    assert_eq!(acquired, Some(Acquired::Clean));
    let again = contest.clone();
    stage.acts("twice", move || {
        lock.unlock();
        let acquired = lock.lock(Deadline::NEVER).expect("no deadline");
        again.visit("twice", acquired);
    });
    for name in ["mortal", "other"] {
        let contest = contest.clone();
        stage.actor(name, move || {
            let acquired = contest.lock.lock(Deadline::NEVER).expect("no deadline");
            contest.visit(name, acquired);
        });
    }
    stage.finally(move |ending| contest.check(ending.has_died("mortal")));
}

fn time_out(stage: &mut Stage) {
    const SOON: Duration = Duration::from_millis(10);
    stage.clock(Clock::Hasty(SOON));
    let lock: &'static RobustLock = stage.place();
    stage.actor("hasty", move || {
        if lock.lock(Deadline::after(SOON)).is_some() {
            lock.unlock();
        }
    });
    for name in ["patient", "other"] {
        stage.actor(name, move || {
            assert!(lock.lock(Deadline::NEVER).is_some());
            lock.unlock();
        });
    }
    stage.finally(move |_| assert!(!lock.is_held()));
}

fn nested(stage: &mut Stage) {
    let locks: [&'static RobustLock; 3] = [stage.place(), stage.place(), stage.place()];
    let done = stage.note(0);
    let mortal_done = done.clone();
    stage.actor("mortal", move || {
        for lock in locks {
            assert!(lock.lock(Deadline::NEVER).is_some());
        }
        locks[1].unlock();
        // Taken again, it is the first on the list and no longer in the middle.
        assert!(locks[1].lock(Deadline::NEVER).is_some());
        for (number, index) in [0, 1, 2].into_iter().enumerate() {
            locks[index].unlock();
            *mortal_done.write() = number + 1;
        }
    });
    stage.actor("other", move || {
        for lock in locks {
            assert!(lock.lock(Deadline::NEVER).is_some());
            lock.unlock();
        }
    });
    stage.finally(move |ending| {
        assert!(locks.iter().all(|lock| !lock.is_held()));
        assert!(ending.has_died("mortal") || *done.read() == 3);
    });
}

/// Who holds the lock for its life does not release it, and a release would wake nobody who watches.
fn watch(stage: &mut Stage) {
    let lock: &'static RobustLock = stage.place();
    stage.may_sleep_if(|ending| !ending.has_died("holder"));
    stage.actor("holder", move || assert!(lock.lock(Deadline::NEVER).is_some()));
    stage.actor("watcher", move || {
        while let Some((word, expected)) = lock.watch() {
            let mut sleep = Sleep::default();
            sleep.word(word, expected);
            sleep.sleep_on_words(Deadline::NEVER);
        }
    });
}
