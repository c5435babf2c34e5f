//! The data.

#[path = "../../../../crates/shm/src/data/cell.rs"]
pub(crate) mod cell;
#[path = "../../../../crates/shm/src/data/guard.rs"]
pub(crate) mod guard;
#[path = "../../../../crates/shm/src/data/journal.rs"]
pub(crate) mod journal;
#[path = "../../../../crates/shm/src/data/number.rs"]
pub(crate) mod number;
#[path = "../../../../crates/shm/src/data/value.rs"]
pub(crate) mod value;
#[path = "../../../../crates/shm/src/data/words.rs"]
pub(crate) mod words;

/// The value whose bytes the row holds, or a mixture.
pub(crate) fn load_row<T: crate::plain::Plain>(row: &[crate::atomic::AtomicU64]) -> T {
    words::load(row)
}
