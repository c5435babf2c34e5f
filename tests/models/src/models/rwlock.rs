//! The read-write lock: nobody writes while another reads or writes, and the lock of the dead goes
//! to the next.

use std::time::Duration;

use crate::Model;
use crate::explore::Pace;
use crate::stage::{Bytes, Ending, Note, Stage, has_died};
use crate::sync::owner_died::OwnerDied;
use crate::sync::rwlock::RwLock;
use crate::world::Clock;

/// How long a watcher sleeps when it watches a process whose death it may not be told of.
const NAP: Duration = Duration::from_millis(5);

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "rwlock/reader-writer",
        about: "one reads and one writes: never both at once, and neither waits for ever",
        mortals: &[],
        preemptions: 3,
        pace: Pace::Quick,
        build: |stage| visit(stage, &["writer"], &["reader"]),
    },
    Model {
        name: "rwlock/dead-writer",
        about: "the same, and the writer dies: a reader that comes after a death amid the writing \
                is told",
        mortals: &["writer"],
        preemptions: 3,
        pace: Pace::Quick,
        build: |stage| {
            stage.clock(Clock::Naps(NAP));
            visit(stage, &["writer"], &["reader"]);
        },
    },
    Model {
        name: "rwlock/dead-reader",
        about: "the same, and the reader dies: the writer goes on. Between the mark that the kernel \
                sets and the end of the process, it naps",
        mortals: &["reader"],
        preemptions: 3,
        pace: Pace::Quick,
        build: |stage| {
            stage.clock(Clock::Naps(NAP));
            visit(stage, &["writer"], &["reader"]);
        },
    },
    Model {
        name: "rwlock/two-writers",
        about: "two write, one after the other",
        mortals: &[],
        preemptions: 3,
        pace: Pace::Quick,
        build: |stage| visit(stage, &["writer", "other"], &[]),
    },
];

/// What the actors have in common.
#[derive(Clone)]
struct Book {
    text: Bytes,
    /// Whether a writer is between its first and its last change.
    is_open: Note<bool>,
    written: Note<u64>,
}

fn visit(stage: &mut Stage, writers: &[&'static str], readers: &[&'static str]) {
    let lock = stage.keep(RwLock::new(0_u64).expect("there is memory"));
    let book = Book { text: stage.bytes(), is_open: stage.note(false), written: stage.note(0) };
    writers.iter().chain(readers).for_each(|name| stage.cast(name));
    for &name in writers {
        let (lock, book) = (stage.send(&lock, name), book.clone());
        stage.acts(name, move || {
            let guard = lock.write().unwrap_or_else(OwnerDied::recover);
            *book.is_open.write() = true;
            // An error if somebody else uses it with no order between.
            book.text.write(book.text.read() + 1);
            *book.is_open.write() = false;
            drop(guard);
            *book.written.write() += 1;
        });
    }
    for &name in readers {
        let (lock, book) = (stage.send(&lock, name), book.clone());
        stage.acts(name, move || {
            let result = lock.read();
            assert!(result.is_err() || !*book.is_open.read(), "a death amid the writing is told");
            assert!(result.is_ok() || has_died("writer"), "nobody has died");
            book.text.read();
        });
    }
    let all = writers.len() as u64;
    stage.finally(move |ending: &Ending| {
        let written = *book.written.read();
        assert!(written == all || ending.has_died("writer"), "{written} have written");
    });
}
