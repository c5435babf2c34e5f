//! Locks, semaphores and events between processes, threads, and both.

mod event;
mod lock;
mod owner_died;
mod rlock;
mod semaphore;

pub use event::Event;
pub use lock::{Lock, LockGuard};
pub use owner_died::{Guard, LockTimeoutError, OwnerDied, TryLockError};
pub use rlock::{RLock, RLockGuard};
pub use semaphore::{Permit, ReleaseError, Semaphore};
