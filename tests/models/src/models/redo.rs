//! The redo log: words that change together do so at whatever step their changer dies.

use crate::Model;
use crate::arena::Arena;
use crate::atomic::AtomicU64;
use crate::atomic::Ordering::{Acquire, Relaxed};
use crate::explore::Pace;
use crate::redo::RedoLog;
use crate::stage::Stage;
use crate::time::Deadline;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "redo/two",
        about: "two change two words together, and one of them dies: the words are always equal \
                under the lock, and no change that was committed is lost",
        mortals: &["mortal"],
        preemptions: 2,
        pace: Pace::Quick,
        build: |stage| change(stage, &["mortal", "other"]),
    },
    Model {
        name: "redo/reader",
        about: "who reads a word without the lock sees what was written before the change",
        mortals: &["writer"],
        preemptions: 2,
        pace: Pace::Quick,
        build: read,
    },
];

/// Adds one to both words, and says what they were.
fn add_one(log: &'static RedoLog, words: &'static [AtomicU64; 2]) -> u64 {
    let arena = Arena::program().expect("it is there");
    let mut transaction = log.begin(arena, Deadline::NEVER).expect("no deadline");
    let [first, second] = [0, 1].map(|index| words[index].load(Relaxed));
    assert_eq!(first, second, "the words change together");
    transaction.set(&words[0], first + 1);
    transaction.set(&words[1], second + 1);
    transaction.commit();
    first
}

fn change(stage: &mut Stage, names: &[&'static str]) {
    let log: &'static RedoLog = stage.place();
    let words: &'static [AtomicU64; 2] = stage.place();
    let done = stage.note(0);
    for &name in names {
        let done = done.clone();
        stage.actor(name, move || {
            add_one(log, words);
            *done.write() += 1;
        });
    }
    stage.finally(move |ending| {
        let [first, second] = [0, 1].map(|index| words[index].load(Relaxed));
        let done = *done.read();
        let most = done + u64::from(ending.has_died("mortal"));
        // A change that a dead one committed is complete when the next one has come.
        assert!((done..=most).contains(&first), "{done} changes were made, and {first} are there");
        assert!(first == second || ending.has_died("mortal"));
        // Whoever comes next finds them equal.
        add_one(log, words);
    });
}

fn read(stage: &mut Stage) {
    let log: &'static RedoLog = stage.place();
    let words: &'static [AtomicU64; 2] = stage.place();
    let bytes = stage.bytes();
    stage.actor("writer", move || {
        bytes.write(7);
        add_one(log, words);
    });
    stage.actor("reader", move || {
        if words[1].load(Acquire) == 1 {
            assert_eq!(bytes.read(), 7);
        }
    });
    // Makes the change in place that the writer left.
    stage.actor("other", move || {
        let arena = Arena::program().expect("it is there");
        drop(log.begin(arena, Deadline::NEVER).expect("no deadline"));
    });
}
