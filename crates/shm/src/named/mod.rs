//! Memory by name, for programs that are not relatives.
//!
//! A segment is a file in `/dev/shm` that the [`shared_memory`] package makes and maps. Unlike an
//! object in an arena it has a name, so that any program of the same user can open it, and it can
//! outlive the processes that use it. What follows from that is dealt with here:
//!
//! * A segment appears under its name only when it is complete: it is made under a temporary name
//!   and linked. Nobody opens half a segment.
//! * Everyone who uses a segment shares a lock on its file, which the kernel takes back when the
//!   process dies. A file that nobody shares belongs to nobody: see [`janitor`].
//! * The memory is there from the start, so that a full disk is an error and no signal.
//!
//! [`shared_memory`]: https://docs.rs/shared_memory

mod draft;
mod error;
mod janitor;
pub(crate) mod memory;
mod name;
mod segment;

pub use error::SharedMemoryError;
pub use segment::SharedMemory;
