//! The asynchronous forms of a read-write lock's operations.

use std::marker::PhantomData;

use brigade_sys::reactor;
use brigade_sys::wait::{Sleep, Waitable};

use super::shares::{Found, Patience};
use super::{ReadResult, RwLock, RwLockReadGuard, RwLockWriteGuard, WriteResult};
use crate::future::until;
use crate::plain::Plain;
use crate::sync::owner_died::{OwnerDied, unless_locked};

impl<T: Plain> RwLock<T> {
    /// Acquires a share to read, waiting while someone writes or waits to.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`] as for [`read`](Self::read).
    ///
    /// # Cancellation
    ///
    /// Dropped before it is done, it has acquired nothing.
    ///
    /// # Process death
    ///
    /// As for [`read`](Self::read).
    pub async fn read_async(
        &self,
    ) -> Result<RwLockReadGuard<'_, T>, OwnerDied<RwLockReadGuard<'_, T>>> {
        until(|| self.clone(), || -> Option<ReadResult<'_, T>> { unless_locked(self.try_read()) })
            .await
    }

    /// Acquires the lock to write, waiting until nobody reads or writes.
    ///
    /// The lock is a thread's, so the future stays in the thread that polled it first, and so does
    /// the guard.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`] as for [`write`](Self::write).
    ///
    /// # Cancellation
    ///
    /// Dropped before it is done, it has acquired nothing, and lets those in who waited for it.
    ///
    /// # Process death
    ///
    /// As for [`write`](Self::write).
    ///
    /// # Examples
    ///
    /// ```
    /// use brigade_shm::{OwnerDied, RwLock};
    /// use brigade_sys::reactor::block_on;
    ///
    /// let limit = RwLock::new(10_u32)?;
    /// block_on(async {
    ///     *limit.write_async().await.unwrap_or_else(OwnerDied::recover) += 5;
    ///     assert_eq!(*limit.read_async().await.unwrap_or_else(OwnerDied::recover), 15);
    /// });
    /// # Ok::<(), brigade_shm::Error>(())
    /// ```
    pub async fn write_async(
        &self,
    ) -> Result<RwLockWriteGuard<'_, T>, OwnerDied<RwLockWriteGuard<'_, T>>> {
        until(|| Gate(self.clone()), || self.shared.want_to_write(Patience::None)).await;
        // From here on readers wait. Dropped, it lets them in.
        let guard = RwLockWriteGuard { lock: self, not_send: PhantomData };
        while !self.shared.is_drained(&self.handle) {
            reactor::ready(Drained(self.clone())).await;
        }
        self.shared.bury_readers(&self.handle);
        let result: WriteResult<'_, T> = match self.shared.begin_to_write() {
            Found::Whole => Ok(guard),
            Found::Suspect => Err(OwnerDied::new(guard)),
        };
        result
    }
}

/// The gate of a lock, to wait for.
struct Gate<T: Plain>(RwLock<T>);

impl<T: Plain> Waitable for Gate<T> {
    fn is_ready(&self) -> bool {
        !self.0.shared.gate().is_held()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        sleep.lock(self.0.shared.gate());
    }
}

/// The moment when nobody reads, to wait for.
struct Drained<T: Plain>(RwLock<T>);

impl<T: Plain> Waitable for Drained<T> {
    fn is_ready(&self) -> bool {
        self.0.shared.is_drained(&self.0.handle)
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.0.handle.before_sleep();
        self.0.shared.prepare_drained(&self.0.handle, sleep);
    }
}
