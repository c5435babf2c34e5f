//! The read-write lock: a value that many read at a time, or one writes.
//!
//! # Safety
//!
//! A reference to the value exists only inside a guard. A guard that reads has a share, and one that
//! writes has waited, with the gate in its hand, until nobody has a share: see
//! [`shares`](self::shares). The value is [`Plain`], so any bytes a dead writer left are a valid value.
#![allow(unsafe_code)]

mod future;
mod shares;

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::time::Duration;

use brigade_sys::futex;
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Sleep, Waitable};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use self::shares::{Found, Patience, Shared};
use crate::arena::block::Kind;
use crate::arena::census::{self, Tag};
use crate::arena::heap::Plan;
use crate::error::Error;
use crate::handle::Handle;
use crate::plain::{Plain, shape_of};
use crate::sync::owner_died::{Guard, LockTimeoutError, OwnerDied, TryLockError, sealed};

/// How long a process that can have no share waits before it tries again.
const WITHOUT_PLACE: Duration = Duration::from_millis(5);

/// A value that any number may read at a time, or one may write, across processes.
///
/// A writer waits for those who read, and nobody who comes later reads before it: neither is
/// starved. A thread that reads and asks to read again may wait behind a writer that waits for it.
///
/// # Process death
///
/// If a process dies while it reads, its share is as if returned. If the process (or thread) that
/// writes dies, whoever comes next gets the lock at once, to read or to write, as [`OwnerDied`].
///
/// # Examples
///
/// ```
/// use brigade_shm::{OwnerDied, RwLock};
///
/// let limits = RwLock::new([10_u32, 20])?;
/// {
///     let one = limits.read().unwrap_or_else(OwnerDied::recover);
///     let other = limits.read().unwrap_or_else(OwnerDied::recover);
///     assert_eq!(one[0] + other[1], 30);
///     assert!(limits.try_write().is_err());
/// }
/// limits.write().unwrap_or_else(OwnerDied::recover)[0] = 15;
/// assert_eq!(*limits.read().unwrap_or_else(OwnerDied::recover), [15, 20]);
/// # Ok::<(), brigade_shm::Error>(())
/// ```
pub struct RwLock<T: Plain = ()> {
    handle: Handle,
    shared: &'static Shared,
    value: NonNull<T>,
}

// SAFETY: the value is reached only through guards, which see to it that it is shared or exclusive.
unsafe impl<T: Plain> Send for RwLock<T> {}
// SAFETY: as above.
unsafe impl<T: Plain> Sync for RwLock<T> {}

impl<T: Plain> Clone for RwLock<T> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), shared: self.shared, value: self.value }
    }
}

impl<T: Plain> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RwLock").finish_non_exhaustive()
    }
}

impl<T: Plain> RwLock<T> {
    /// Creates a lock around `value` that nobody has.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory for it.
    pub fn new(value: T) -> Result<Self, Error> {
        let length = Self::value_offset() + size_of::<T>();
        let plan = Plan { kind: Kind::RwLock, shape: shape_of::<T>(), length, parts: 0 };
        let lock = Self::from_handle(Handle::create(plan)?)?;
        // SAFETY: nobody else has a handle yet, so nobody else uses the value.
        unsafe { lock.value.write(value) };
        Ok(lock)
    }

    /// Acquires a share to read, blocking while someone writes or waits to.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`] when a writer died in the middle, until someone recovers the value: it may be
    /// half-written. The error holds the guard. Waiting itself cannot fail.
    ///
    /// # Deadlock
    ///
    /// A thread that writes waits for itself. So may one that reads already.
    pub fn read(&self) -> Result<RwLockReadGuard<'_, T>, OwnerDied<RwLockReadGuard<'_, T>>> {
        match self.read_until(Deadline::NEVER) {
            Some(result) => result,
            None => unreachable!("a wait without a deadline does not time out"),
        }
    }

    /// Acquires a share to read if nobody writes or waits to.
    ///
    /// # Errors
    ///
    /// [`TryLockError::Locked`] when someone does, [`TryLockError::OwnerDied`] as for
    /// [`read`](Self::read).
    pub fn try_read(&self) -> Result<RwLockReadGuard<'_, T>, TryLockError<RwLockReadGuard<'_, T>>> {
        let guard = self.read_once(Patience::None).ok_or(TryLockError::Locked)?;
        guard.map_err(TryLockError::OwnerDied)
    }

    /// Acquires a share to read, blocking at most for `timeout`.
    ///
    /// # Errors
    ///
    /// [`LockTimeoutError::TimedOut`] when the time has passed, [`LockTimeoutError::OwnerDied`] as
    /// for [`read`](Self::read).
    pub fn read_timeout(
        &self,
        timeout: Duration,
    ) -> Result<RwLockReadGuard<'_, T>, LockTimeoutError<RwLockReadGuard<'_, T>>> {
        let guard = self.read_until(Deadline::after(timeout)).ok_or(LockTimeoutError::TimedOut)?;
        guard.map_err(LockTimeoutError::OwnerDied)
    }

    /// Acquires the lock to write, blocking until nobody reads or writes.
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    ///
    /// # Deadlock
    ///
    /// A thread that reads or writes waits for itself.
    pub fn write(&self) -> Result<RwLockWriteGuard<'_, T>, OwnerDied<RwLockWriteGuard<'_, T>>> {
        match self.write_with(Patience::Until(Deadline::NEVER)) {
            Some(result) => result,
            None => unreachable!("a wait without a deadline does not time out"),
        }
    }

    /// Acquires the lock to write if nobody reads or writes.
    ///
    /// # Errors
    ///
    /// [`TryLockError::Locked`] when someone does, or is just on the way in;
    /// [`TryLockError::OwnerDied`] as for [`read`](Self::read).
    pub fn try_write(
        &self,
    ) -> Result<RwLockWriteGuard<'_, T>, TryLockError<RwLockWriteGuard<'_, T>>> {
        let guard = self.write_with(Patience::None).ok_or(TryLockError::Locked)?;
        guard.map_err(TryLockError::OwnerDied)
    }

    /// Acquires the lock to write, blocking at most for `timeout`.
    ///
    /// # Errors
    ///
    /// [`LockTimeoutError::TimedOut`] when the time has passed, [`LockTimeoutError::OwnerDied`] as
    /// for [`read`](Self::read).
    pub fn write_timeout(
        &self,
        timeout: Duration,
    ) -> Result<RwLockWriteGuard<'_, T>, LockTimeoutError<RwLockWriteGuard<'_, T>>> {
        let patience = Patience::Until(Deadline::after(timeout));
        let guard = self.write_with(patience).ok_or(LockTimeoutError::TimedOut)?;
        guard.map_err(LockTimeoutError::OwnerDied)
    }

    fn read_until(&self, deadline: Deadline) -> Option<ReadResult<'_, T>> {
        loop {
            if let Some(guard) = self.read_once(Patience::Until(deadline)) {
                return Some(guard);
            }
            if deadline.is_past() {
                return None;
            }
            // The process has no place in the arena, or has taken more shares than it may.
            let nap = Deadline::after(WITHOUT_PLACE).min(deadline);
            futex::wait(&brigade_sys::atomic::AtomicU32::new(0), 0, nap);
        }
    }

    fn read_once(&self, patience: Patience) -> Option<ReadResult<'_, T>> {
        let tag = self.handle.arena().tag().ok()?;
        // So that a writer that waits for this process hears of its death at once.
        census::hold_life(self.handle.arena(), tag);
        let found = self.shared.read(tag, patience)?;
        let guard = RwLockReadGuard { lock: self, tag };
        Some(match found {
            Found::Whole => Ok(guard),
            Found::Suspect => Err(OwnerDied::new(guard)),
        })
    }

    fn write_with(&self, patience: Patience) -> Option<WriteResult<'_, T>> {
        let found = self.shared.write(&self.handle, patience)?;
        let guard = RwLockWriteGuard { lock: self, not_send: PhantomData };
        Some(match found {
            Found::Whole => Ok(guard),
            Found::Suspect => Err(OwnerDied::new(guard)),
        })
    }

    fn from_handle(handle: Handle) -> Result<Self, Error> {
        const OUTSIDE: Error = Error::Corrupt("a read-write lock lies outside its arena");
        let mapping = handle.arena().mapping();
        let shared = mapping.get(handle.body()).ok_or(OUTSIDE)?;
        let value = handle.body() + Self::value_offset();
        let value = mapping.bytes(value, size_of::<T>()).ok_or(OUTSIDE)?;
        let value = NonNull::new(value.cast()).ok_or(OUTSIDE)?;
        Ok(Self { handle, shared, value })
    }

    /// Where the value lies behind the lock: blocks are aligned to 64 bytes.
    const fn value_offset() -> usize {
        const { assert!(align_of::<T>() <= 64, "blocks are aligned to 64 bytes") };
        size_of::<Shared>()
    }
}

type ReadResult<'a, T> = Result<RwLockReadGuard<'a, T>, OwnerDied<RwLockReadGuard<'a, T>>>;
type WriteResult<'a, T> = Result<RwLockWriteGuard<'a, T>, OwnerDied<RwLockWriteGuard<'a, T>>>;

/// Ready when nobody writes or waits to: for a reader.
impl<T: Plain> Waitable for RwLock<T> {
    fn is_ready(&self) -> bool {
        self.shared.is_readable()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        sleep.lock(self.shared.gate());
    }
}

impl<T: Plain> Serialize for RwLock<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.handle.serialize(serializer)
    }
}

impl<'de, T: Plain> Deserialize<'de> for RwLock<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let handle = Handle::deserialize(deserializer, Kind::RwLock, shape_of::<T>())?;
        Self::from_handle(handle).map_err(serde::de::Error::custom)
    }
}

/// The right to read the value of an [`RwLock`]. Returns the share when dropped, by whichever thread
/// of the process.
#[must_use = "the share is returned when the guard is dropped"]
pub struct RwLockReadGuard<'a, T: Plain> {
    lock: &'a RwLock<T>,
    /// Whose share it is: a forked child has a copy of its parent's guard, and no share.
    tag: Tag,
}

impl<T: Plain> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this process has a share, so nobody writes the value; it is aligned, inside the
        // mapping, and valid for every bit pattern.
        unsafe { self.lock.value.as_ref() }
    }
}

impl<T: Plain> Drop for RwLockReadGuard<'_, T> {
    fn drop(&mut self) {
        if self.lock.handle.arena().cached_tag() == Some(self.tag) {
            self.lock.shared.end_read(self.tag);
        }
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: Plain> sealed::Guard for RwLockReadGuard<'_, T> {
    fn declare_whole(&self) {
        self.lock.shared.recover_reading();
    }
}

impl<T: Plain> Guard for RwLockReadGuard<'_, T> {}

/// The right to read and write the value of an [`RwLock`]. Releases the lock when dropped.
///
/// A guard stays in its thread, since the lock is the thread's:
///
/// ```compile_fail
/// let lock = brigade_shm::RwLock::new(0_u32).unwrap();
/// let guard = lock.write().unwrap();
/// std::thread::scope(|scope| {
///     scope.spawn(move || drop(guard));
/// });
/// ```
#[must_use = "the lock is released when the guard is dropped"]
pub struct RwLockWriteGuard<'a, T: Plain> {
    lock: &'a RwLock<T>,
    not_send: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives only shared access to the value, which is `Sync`.
unsafe impl<T: Plain> Sync for RwLockWriteGuard<'_, T> {}

impl<T: Plain> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this thread alone has the value; it is aligned, inside the mapping, and valid
        // for every bit pattern.
        unsafe { self.lock.value.as_ref() }
    }
}

impl<T: Plain> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        let mut value = self.lock.value;
        // SAFETY: as above; and the guard is borrowed mutably, so this is the only reference.
        unsafe { value.as_mut() }
    }
}

impl<T: Plain> Drop for RwLockWriteGuard<'_, T> {
    fn drop(&mut self) {
        // A forked child has a copy of its parent's guard, and does not hold the gate.
        if self.lock.shared.gate().is_mine() {
            self.lock.shared.end_write();
        }
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: Plain> sealed::Guard for RwLockWriteGuard<'_, T> {
    fn declare_whole(&self) {
        self.lock.shared.recover_writing();
    }
}

impl<T: Plain> Guard for RwLockWriteGuard<'_, T> {}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
