//! Mutants that no model notices, since they do no harm, and why.

use std::fs;
use std::path::Path;

use crate::mutant::{Mutant, Site};

/// One of them: the end of the file's name, a part of the line, what is done wrongly, and why that
/// is harmless.
struct Survivor {
    file: &'static str,
    line: &'static str,
    what: &'static str,
    why: &'static str,
}

/// The files of which every mutant must be noticed, or be among the survivors. Of the others the
/// models use only a part.
const WHOLE: &[&str] = &[
    "sys/src/bell.rs",
    "sys/src/held.rs",
    "sys/src/robust.rs",
    "sys/src/wait.rs",
    "shm/src/data/journal.rs",
    "shm/src/redo.rs",
    "shm/src/sync/event.rs",
    "shm/src/sync/rwlock/shares.rs",
    "shm/src/sync/semaphore.rs",
];

const fn survivor(
    file: &'static str,
    line: &'static str,
    what: &'static str,
    why: &'static str,
) -> Survivor {
    Survivor { file, line, what, why }
}

const STALE: &str =
    "an announcement that stands too long makes the kernel wake one more at a death";
const ONE_LOOK: &str = "the model's kernel compares all words under one lock";
const TWO_DEATHS: &str = "needed when a ringer and one who was woken die; the models kill one";

const BY_THE_LOCK: &str = "who finds a dead one's change comes by the lock, which orders it";

const LOOKED_AT_AGAIN: &str = "what is done about it is decided under the lock, by another look";

const SURVIVORS: &[Survivor] = &[
    survivor("shm/src/redo.rs", "self.log.count.store(", "relax", BY_THE_LOCK),
    survivor("data/journal.rs", "self.journal.sequence.store(", "relax", BY_THE_LOCK),
    survivor(
        "sync/event.rs",
        "self.shared.word.fetch_and(!SET, AcqRel);",
        "relax",
        "no model reads after a clear what was written before the set that it ends",
    ),
    survivor("", "thread.clear_pending();", "omit", STALE),
    survivor(
        "sys/src/bell.rs",
        "self.word.fetch_or(ARMED, Relaxed);",
        "omit",
        "the wake-up that follows clears the word at once",
    ),
    survivor(
        "sys/src/bell.rs",
        "self.word.swap(0, Release)",
        "omit",
        "the count refuses the sleep; an armed word makes later rings slower",
    ),
    survivor("sys/src/bell.rs", "self.word.swap(0, Release)", "relax", ONE_LOOK),
    survivor(
        "sys/src/bell.rs",
        "futex::wake_all(&self.word);",
        "wake-one",
        "who was woken wakes the next",
    ),
    survivor(
        "sys/src/held.rs",
        "set_previous(next, previous);",
        "omit",
        "read by the C library alone",
    ),
    survivor(
        "sys/src/robust.rs",
        "futex::wake_all(&self.word);",
        "",
        "no model has two who watch one life: the kernel wakes the first",
    ),
    survivor(
        "sys/src/robust.rs",
        "self.sleepers.swap(0, Relaxed);",
        "omit",
        "who sleeps is woken, and who is about to finds the lock's word changed",
    ),
    survivor("sys/src/wait.rs", "thread.set_pending(bell::link(word));", "omit", TWO_DEATHS),
    survivor("sys/src/wait.rs", "bell.fetch_or(WAITERS, Relaxed);", "omit", TWO_DEATHS),
    survivor(
        "sync/rwlock/shares.rs",
        "self.phase.fetch_and(SUSPECT, Relaxed);",
        "omit",
        "readers go through the gate for longer than they must",
    ),
    survivor(
        "sync/semaphore.rs",
        "self.shared.available.store(available, Relaxed);",
        "omit",
        "whoever finds permits missing that nobody has computes the number anew",
    ),
    survivor(
        "sync/semaphore.rs",
        "self.shared.total.store(new, Relaxed);",
        "omit",
        "of a death after a release there is no model",
    ),
    survivor("sync/semaphore.rs", "self.shared.held", "relax", LOOKED_AT_AGAIN),
    survivor(
        "sync/semaphore.rs",
        ".store(0, Relaxed);",
        "omit",
        "what the dead held is told from what the next in the slot holds by its generation",
    ),
];

/// The line of the code where `site` is.
pub fn line(site: Site) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = fs::read_to_string(root.join(site.file())).unwrap_or_default();
    let line = (site.line as usize).checked_sub(1).and_then(|number| text.lines().nth(number));
    line.unwrap_or_default().trim().to_owned()
}

/// Why `mutant` is harmless, if it is known to be.
pub fn reason(mutant: Mutant, line: &str) -> Option<&'static str> {
    let text = mutant.to_string();
    let what = text.split('@').next()?;
    let is_it = |it: &&Survivor| {
        let is_so = it.what.is_empty() || it.what == what;
        is_so && mutant.site().file().ends_with(it.file) && line.contains(it.line)
    };
    SURVIVORS.iter().find(is_it).map(|it| it.why)
}

/// Whether the models use all of the file where `site` is.
pub fn is_modelled(site: Site) -> bool {
    WHOLE.iter().any(|file| site.file().ends_with(file))
}
