//! Locks, semaphores and events between processes, threads, and both.

mod barrier;
mod condition;
mod event;
mod lock;
mod owner_died;
mod rlock;
mod semaphore;

pub use barrier::{Barrier, BarrierWait, BrokenBarrier, TryBarrierError};
pub use condition::{Condition, Woken};
pub use event::Event;
pub use lock::{Lock, LockGuard};
pub use owner_died::{Guard, LockTimeoutError, OwnerDied, TryLockError, WaitGuard};
pub use rlock::{RLock, RLockGuard};
pub use semaphore::{Permit, ReleaseError, Semaphore};
