//! What processes write, line by line.
//!
//! - An [`Output`] is one process's pipe: it takes what is there and cuts it into lines.
//! - A [`Tail`] keeps the last lines of a program in memory.
//! - A [`Sink`] is the files and streams where lines end up. A thread of its own writes to them,
//!   because a disk or a terminal can stand still, and nothing else may then. What it cannot take
//!   in time is dropped and counted; the process that wrote it never waits.

mod output;
mod sink;
mod tail;

pub(crate) use output::{Output, Progress};
pub(crate) use sink::{Sink, Target};
pub(crate) use tail::Tail;
