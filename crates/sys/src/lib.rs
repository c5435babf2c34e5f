//! Floor 0: Linux, made safe.
//!
//! Every system call that brigade makes beyond the standard library goes through this crate, and
//! nothing here knows what it is used for. Descriptors are owned, waits take a [`time::Deadline`],
//! and an error says which operation failed on which object.
//!
//! `unsafe` is denied here and allowed file by file: a file that needs it opens with a `# Safety`
//! paragraph.
#![deny(unsafe_code)]

pub mod activation;
pub mod affinity;
pub mod atomic;
mod barrier;
pub mod bell;
pub mod descriptor;
pub mod doctor;
pub mod error;
pub mod file;
pub mod fork;
pub mod futex;
mod held;
pub mod identity;
pub mod image;
pub mod kill_point;
pub mod launch;
pub mod lifeline;
pub mod memory;
pub mod pidfd;
pub mod random;
pub mod reactor;
pub mod robust;
pub mod signals;
pub mod socket;
pub mod spin;
#[cfg(feature = "kill-points")]
pub mod stepping;
#[cfg(any(test, feature = "kill-points"))]
pub mod test_processes;
pub mod thread;
pub mod time;
pub mod wait;

pub use error::Error;
