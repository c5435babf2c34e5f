//! Floor 2: processes. Start one with a function and its argument, wait for it, end it.
//!
//! A [`Process`] runs a function of this program in a process of its own. The argument travels as
//! bytes, with the descriptors and shared objects that belong to it; how the function ended comes
//! back as an [`ExitStatus`].
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use brigade_process::{ExitStatus, Process};
//! use std::process::ExitCode;
//!
//! brigade_process::init(); // first in `main`; in a started process it does not return
//!
//! let process = Process::start(|n: u8| ExitCode::from(n * 2), 21)?;
//! assert_eq!(process.join(), ExitStatus::Code(42));
//! # Ok(())
//! # }
//! ```
//!
//! # Three ways to start
//!
//! | [`StartMethod`] | the child is | costs | asks for |
//! |---|---|---|---|
//! | [`Spawn`](StartMethod::Spawn) | this program, started afresh | an exec | [`init`] |
//! | [`ForkServer`](StartMethod::ForkServer) | a copy of a small process that does nothing else | a fork of that | [`init`] |
//! | [`Fork`](StartMethod::Fork) | a copy of this process | a fork of this process | one thread |
//!
//! With the first two a child has the descriptors it was given and no others, no signal blocked or
//! handled, and `/dev/null` as its standard input. A copy of this process has its descriptors as
//! well.
//!
//! # The entry point
//!
//! Each child runs `main` (or, after a fork, not even that). [`init`], or `#[brigade::main]`, finds
//! out there that the process is a child, runs its function and exits. A program that has not
//! called it cannot start children that way: it is told so at the first try
//! ([`StartError::NotClaimed`]), because its children would run `main` again and start children of
//! their own. Test binaries have no `main` of their own: see [`test_binary!`].
//!
//! # Process death
//!
//! A child outlives its parent unless it was started with
//! [`dies_with_parent`](ProcessBuilder::dies_with_parent). A dropped handle neither ends nor waits
//! for the child; it is reaped when the next one is started. How a child ended is read from the
//! kernel exactly once and is the same for all who ask; if somebody else took it away, the answer
//! is [`ExitStatus::Unknown`] and never a guess.
#![deny(unsafe_code)]

mod builder;
pub mod call;
mod child;
mod current;
mod entry;
mod error;
mod fork;
pub mod fork_server;
mod inheritance;
mod letter;
mod method;
mod process;
mod record;
mod registry;
mod spawn;
mod status;
mod template;

pub use brigade_sys::affinity::{cpu_count, process_cpu_count};
pub use builder::ProcessBuilder;
pub use current::{CurrentProcess, ParentProcess, current_process, parent_process};
#[doc(hidden)]
pub use entry::claim_test_binary;
pub use entry::init;
pub use error::StartError;
pub use method::StartMethod;
pub use process::{Process, StillRunning};
pub use registry::active_children;
pub use status::ExitStatus;
