//! The arena of the code under test, over the model's memory.

#[path = "../../../../crates/shm/src/arena/block.rs"]
pub(crate) mod block;
#[path = "../../../../crates/shm/src/arena/census.rs"]
pub(crate) mod census;
#[path = "../../../../crates/shm/src/arena/heap/mod.rs"]
pub(crate) mod heap;
#[path = "../../../../crates/shm/src/arena/layout.rs"]
pub(crate) mod layout;
pub(crate) mod program;

pub(crate) use layout::MAX_PROCESSES;
pub use program::Arena;
pub(crate) use program::{attach, find};
