//! What processes, threads, and both agree by: locks, semaphores, conditions, barriers and events.

mod barrier;
mod condition;
mod event;
mod lock;
pub(crate) mod owner_died;
mod rlock;
mod rwlock;
mod semaphore;
mod timer;

pub use barrier::{Barrier, BarrierWait, BrokenBarrier, TryBarrierError};
pub use condition::{Condition, Woken};
pub use event::Event;
pub use lock::{Lock, LockGuard};
pub use owner_died::{Guard, LockTimeoutError, OwnerDied, TryLockError, WaitGuard};
pub use rlock::{RLock, RLockGuard};
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use semaphore::{Permit, ReleaseError, Semaphore};
pub use timer::Timer;
