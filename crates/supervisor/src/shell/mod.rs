//! The thin shell around the machine: one event loop on the main thread.
//!
//! Signals, ends of processes, timers, reports, output and clients are all descriptors of one
//! poller; the shell turns what they say into events, and performs the actions that the machine
//! answers with. It sleeps until something happens: an idle supervisor does not wake up at all.
//!
//! Nothing in the loop waits for anybody. Logs are written by a thread of their own, clients and
//! pipes are read and written without blocking, and a start of a process takes as long as a fork
//! and an exec.

mod catalog;
mod ends;
mod launch;
mod looping;
mod orders;
mod processes;
mod reload;
mod report;
mod signals;
mod start;
mod sweep;
mod timers;

pub use signals::SIGNAL_TABLE;
pub use start::{Source, StartError, Supervisor};
