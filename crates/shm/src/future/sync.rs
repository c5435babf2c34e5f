//! Asynchronous forms of the operations of locks, semaphores and events.

use brigade_sys::reactor;

use super::until;
use crate::plain::Plain;
use crate::sync::owner_died::{OwnerDied, unless_locked};
use crate::sync::{Event, Lock, LockGuard, Permit, RLock, RLockGuard, Semaphore};

impl<T: Plain> Lock<T> {
    /// Acquires the lock, waiting until nobody holds it.
    ///
    /// The lock is then the thread's that polled, and the guard stays there: a runtime keeps a task
    /// that holds it in one thread.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`] as for [`lock`](Self::lock).
    ///
    /// # Cancellation
    ///
    /// Dropped before it is done, it has acquired nothing.
    ///
    /// # Process death
    ///
    /// As for [`lock`](Self::lock).
    ///
    /// # Examples
    ///
    /// ```
    /// use brigade_shm::{Lock, OwnerDied};
    /// use brigade_sys::reactor::block_on;
    ///
    /// let count = Lock::new(0_u32)?;
    /// block_on(async {
    ///     *count.lock_async().await.unwrap_or_else(OwnerDied::recover) += 1;
    /// });
    /// assert!(!count.is_locked());
    /// # Ok::<(), brigade_shm::Error>(())
    /// ```
    pub async fn lock_async(&self) -> Result<LockGuard<'_, T>, OwnerDied<LockGuard<'_, T>>> {
        until(|| self.clone(), || unless_locked(self.try_lock())).await
    }
}

impl<T: Plain> RLock<T> {
    /// Acquires the lock, waiting until no other thread holds it.
    ///
    /// Tasks of one thread are one owner: each of them can take the lock while another has it.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`] as for [`lock`](Self::lock).
    ///
    /// # Cancellation
    ///
    /// Dropped before it is done, it has acquired nothing.
    ///
    /// # Process death
    ///
    /// As for [`lock`](Self::lock).
    pub async fn lock_async(&self) -> Result<RLockGuard<'_, T>, OwnerDied<RLockGuard<'_, T>>> {
        until(|| self.clone(), || unless_locked(self.try_lock())).await
    }
}

impl Semaphore {
    /// Acquires a permit, waiting until there is one.
    ///
    /// # Cancellation
    ///
    /// Dropped before it is done, it has acquired nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use brigade_shm::Semaphore;
    /// use brigade_sys::reactor::block_on;
    ///
    /// let slots = Semaphore::new(1)?;
    /// let permit = block_on(slots.acquire_async());
    /// assert_eq!(slots.available(), 0);
    /// # drop(permit);
    /// # Ok::<(), brigade_shm::Error>(())
    /// ```
    pub async fn acquire_async(&self) -> Permit {
        until(|| self.clone(), || self.try_acquire()).await
    }
}

impl Event {
    /// Waits until the event is set, or was set since the future was first polled.
    ///
    /// # Cancellation
    ///
    /// Dropping it changes nothing.
    pub async fn wait_async(&self) {
        reactor::ready(self.since_now()).await;
    }
}
