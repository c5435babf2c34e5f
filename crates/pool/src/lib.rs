//! Floor 3: work given to processes.
//!
//! A [`ProcessPool`] runs functions of this program in worker processes and gives a [`Future`] for
//! each result. [`wait_futures`] and [`as_completed`] wait for many.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use brigade_pool::ProcessPool;
//!
//! brigade_process::init(); // first in `main`
//!
//! let pool = ProcessPool::new(3)?;
//! let words = ["bucket", "chain"].map(str::to_owned);
//! let lengths: Result<Vec<_>, _> = pool.map(|word: String| word.len(), words).collect();
//! assert_eq!(lengths?, [6, 5]);
//! # Ok(())
//! # }
//! ```
//!
//! # Process death
//!
//! Every task that was accepted ends exactly once, whichever workers die and when: with its result,
//! or with the one [`TaskError`] that says what happened. A dead worker costs the one task it was
//! running and is replaced. A pool whose workers cannot be started breaks and says why. The workers
//! die with the process that made the pool.
//!
//! The README of this crate draws how tasks and results flow.
#![forbid(unsafe_code)]

mod alarm;
mod builder;
mod cell;
mod clerk;
mod error;
mod future;
mod job;
mod latch;
mod letter;
mod map;
mod office;
mod pool;
mod table;
mod waiting;
mod warden;
mod worker;

pub use builder::ProcessPoolBuilder;
pub use error::{Broken, BuildError, Refusal, SubmitError, TaskError};
pub use future::{Future, ResultTimeoutError, TaskState};
pub use map::{Map, MapPolicy};
pub use pool::{Pending, ProcessPool};
pub use waiting::{AnyFuture, AsCompleted, Unfinished, Until, Waited, as_completed, wait_futures};
