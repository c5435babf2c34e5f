//! One memory for many small objects, shared by a program's processes.
//!
//! ```text
//! +---------+----------------------+-------+-------+---------+----- - - -
//! | header  | census: 512 entries  | block | block | block   |  room to grow
//! +---------+----------------------+-------+-------+---------+----- - - -
//! 0         4096                   heap start               top        64 GiB
//! ```
//!
//! The memory is an anonymous file that children inherit and messages carry: the kernel frees it
//! when the last process is gone, however it went. The first object creates it; nobody has to.
//!
//! * `census`: which processes are attached, and which of them are dead.
//! * `heap`: the blocks that objects live in, and who holds them.
//! * [`Fork`]: how a bare fork hands the parent's objects to the child.
//! * [`Birth`]: how a child that starts afresh is given objects.

mod birth;
pub(crate) mod block;
pub(crate) mod census;
mod fork;
pub(crate) mod heap;
pub(crate) mod layout;
mod program;

pub use birth::{Birth, Seat, expect_child, inherit, take_seats};
pub use fork::{Fork, fork_begin};
pub(crate) use layout::MAX_PROCESSES;
#[cfg(test)]
pub(crate) use program::new_for_test;
pub use program::{Arena, adopt};
pub(crate) use program::{attach, find};
