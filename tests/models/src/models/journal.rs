//! The journal: a reader sees a row as it was before a change or after it.

use crate::Model;
use crate::atomic::AtomicU64;
use crate::atomic::Ordering::Relaxed;
use crate::data::journal::{Journal, Locked};
use crate::data::load_row;
use crate::explore::Pace;
use crate::stage::Stage;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "journal/read",
        about: "a reader sees no mixture, also if the writer dies",
        mortals: &["writer"],
        preemptions: 2,
        pace: Pace::Quick,
        build: |stage| read(stage, 1),
    },
    Model {
        name: "journal/two-writes",
        about: "a reader sees no mixture of two changes",
        mortals: &[],
        preemptions: 2,
        pace: Pace::Quick,
        build: |stage| read(stage, 2),
    },
    Model {
        name: "journal/writers",
        about: "a change of a dead writer is there as a whole or not at all for the next one",
        mortals: &["mortal"],
        preemptions: 2,
        pace: Pace::Quick,
        build: writers,
    },
];

/// What the change is for.
const TARGET: u64 = 7;

/// A row of two words, and the note for it.
#[derive(Clone, Copy)]
struct Row {
    journal: &'static Journal,
    note: &'static [AtomicU64; 2],
    row: &'static [AtomicU64; 2],
}

impl Row {
    fn new(stage: &Stage) -> Self {
        Self { journal: stage.place(), note: stage.place(), row: stage.place() }
    }

    fn lock(self) -> Locked {
        self.journal.lock(|target| self.make(target))
    }

    /// Makes the change in the note.
    fn make(self, target: u64) {
        assert_eq!(target, TARGET);
        for (to, from) in self.row.iter().zip(self.note) {
            to.store(from.load(Relaxed), Relaxed);
        }
    }

    /// Adds one to each of the two halves.
    fn add_one(self) {
        let locked = self.lock();
        let [first, second]: [u64; 2] = load_row(self.row);
        assert_eq!(first, second, "the last change is complete");
        for (word, half) in self.note.iter().zip([first, second]) {
            word.store(half + 1, Relaxed);
        }
        locked.commit(TARGET, || self.make(TARGET));
    }

    fn read(self) -> [u64; 2] {
        self.journal.read(|| load_row(self.row), || self.lock())
    }
}

fn read(stage: &mut Stage, changes: u64) {
    let row = Row::new(stage);
    let done = stage.note(0);
    let noted = done.clone();
    stage.actor("writer", move || {
        for number in 1..=changes {
            row.add_one();
            *noted.write() = number;
        }
    });
    stage.actor("reader", move || {
        let least = *done.read();
        let [first, second] = row.read();
        assert_eq!(first, second, "a mixture");
        // The note was made by the order of execution, which the row need not follow.
        assert!(first <= changes && least <= changes);
    });
}

fn writers(stage: &mut Stage) {
    let row = Row::new(stage);
    let done = stage.note(0);
    for name in ["mortal", "other"] {
        let done = done.clone();
        stage.actor(name, move || {
            row.add_one();
            *done.write() += 1;
        });
    }
    stage.finally(move |ending| {
        let done = *done.read();
        let [first, _] = load_row::<[u64; 2]>(row.row);
        let most = done + u64::from(ending.has_died("mortal"));
        assert!(first <= most);
        // A dead writer's change may still lie in the note.
        assert!(first >= done || ending.has_died("mortal"));
    });
}
