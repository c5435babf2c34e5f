//! Locks, semaphores and events between processes, threads, and both.

mod event;
mod lock;
mod semaphore;

pub use event::Event;
pub use lock::{Lock, LockGuard, LockTimeoutError, OwnerDied, TryLockError};
pub use semaphore::{Permit, ReleaseError, Semaphore};
