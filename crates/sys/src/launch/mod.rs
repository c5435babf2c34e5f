//! Starting a program in a new process, with nothing inherited but what was named.
//!
//! One careful fork and exec. Everything that needs memory, a lock or a name is prepared before
//! the fork; the child makes system calls on what was prepared, and nothing else, so it does not
//! matter what other threads of this process were doing. The child shares this process's memory
//! until it becomes the new program (as with `posix_spawn`), so the cost does not grow with the
//! size of this process. This thread sleeps meanwhile, and learns from a shared word how far the
//! child came.
//!
//! What the new program finds: no signal blocked, every signal with its default effect, only the
//! standard streams and the named descriptors open.
//!
//! ```
//! use brigade_sys::launch::{Launch, Program};
//! use brigade_sys::{pidfd, time::Deadline};
//! use std::os::fd::AsFd;
//!
//! let child = Launch::new(Program::Path("/bin/sh".into())).args(["-c", "exit 3"]).start()?;
//! let exit = pidfd::wait_exit(child.pidfd.as_fd(), Deadline::NEVER)?;
//! assert_eq!(exit, Some(pidfd::Exit::Code(3)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod builder;
mod child;
mod error;
mod plan;
#[cfg(test)]
mod tests;

pub use builder::{Child, Identity, Launch, Limit, Program, Resource, Stream};
pub use error::{LaunchError, Stage};
