//! The lock: a value that one thread of one process uses at a time.
//!
//! | state        | meaning                                                              |
//! |--------------|----------------------------------------------------------------------|
//! | `CONSISTENT` | the last holder released the value whole, or recovered it            |
//! | `RECOVERING` | a holder died with the lock; nobody has called the value whole since |
//!
//! # Why no wake-up is lost
//!
//! The word, its waiters and their wake-ups are those of [`RobustLock`].
//!
//! # What a dead process leaves
//!
//! The kernel marks the word and wakes the next waiter, which sets `RECOVERING` before it does
//! anything else. If it dies too, the state is there already. Only
//! [`OwnerDied::recover`] sets `CONSISTENT` again.
//!
//! # Safety
//!
//! A reference to the value exists only inside a guard, and a guard only while its thread holds the
//! robust lock. The value is [`Plain`], so any bytes a dead holder left are a valid value.
#![allow(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::time::Duration;

use brigade_sys::atomic::AtomicU32;
use brigade_sys::atomic::Ordering::Relaxed;
use brigade_sys::kill_point::kill_point;
use brigade_sys::memory::Shareable;
use brigade_sys::robust::{Acquired, RobustLock};
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Sleep, Waitable};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::arena::block::Kind;
use crate::arena::heap::Plan;
use crate::error::Error;
use crate::handle::Handle;
use crate::plain::{Plain, shape_of};
use crate::sync::owner_died::{
    Guard, LockTimeoutError, OwnerDied, TryLockError, WaitGuard, sealed, unless_locked,
};

const CONSISTENT: u32 = 0;
const RECOVERING: u32 = 1;

/// What lies in the block; the value follows it. The robust lock is at the front, where a handle
/// that is dropped looks for it.
#[repr(C, align(64))]
struct Shared {
    raw: RobustLock,
    state: AtomicU32,
}

// SAFETY: shareable parts throughout; all zeros is a free, consistent lock.
unsafe impl Shareable for Shared {}

/// A value that one thread at a time may use, across processes.
///
/// The lock is not recursive: a thread that takes it twice waits for itself.
///
/// # Process death
///
/// If the process (or thread) that holds the lock dies, whoever comes next gets it at once, as
/// [`OwnerDied`]. One that waits is not disturbed by the death of another that waits.
///
/// # Examples
///
/// ```
/// use brigade_shm::{Lock, OwnerDied};
///
/// let total = Lock::new(0_u64)?;
/// *total.lock().unwrap_or_else(OwnerDied::recover) += 1;
/// assert_eq!(*total.lock().unwrap_or_else(OwnerDied::recover), 1);
/// # Ok::<(), brigade_shm::Error>(())
/// ```
pub struct Lock<T: Plain = ()> {
    handle: Handle,
    shared: &'static Shared,
    value: NonNull<T>,
}

// SAFETY: the value is reached only through a guard, which excludes every other thread.
unsafe impl<T: Plain> Send for Lock<T> {}
// SAFETY: as above.
unsafe impl<T: Plain> Sync for Lock<T> {}

impl<T: Plain> Clone for Lock<T> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), shared: self.shared, value: self.value }
    }
}

impl<T: Plain> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").field("held", &self.is_locked()).finish_non_exhaustive()
    }
}

impl<T: Plain> Lock<T> {
    /// Creates a free lock around `value`.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory for it.
    pub fn new(value: T) -> Result<Self, Error> {
        let length = Self::value_offset() + size_of::<T>();
        let plan = Plan { kind: Kind::Lock, shape: shape_of::<T>(), length, parts: 0 };
        let lock = Self::from_handle(Handle::create(plan)?)?;
        // SAFETY: nobody else has a handle yet, so nobody else uses the value.
        unsafe { lock.value.write(value) };
        Ok(lock)
    }

    /// Acquires the lock, blocking until it is free.
    ///
    /// The guard releases the lock when it is dropped. Callers who wait are woken in no particular
    /// order, and a caller who has just come may take the lock before one who has waited.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`] when the last holder died with the lock: the value may be half-written. The
    /// error holds the guard. Waiting itself cannot fail.
    ///
    /// # Deadlock
    ///
    /// A thread that already holds this lock waits for ever.
    #[doc(alias = "acquire")]
    pub fn lock(&self) -> Result<LockGuard<'_, T>, OwnerDied<LockGuard<'_, T>>> {
        match self.acquire(Deadline::NEVER) {
            Some(result) => result,
            None => unreachable!("a wait without a deadline does not time out"),
        }
    }

    /// Acquires the lock if it is free.
    ///
    /// # Errors
    ///
    /// [`TryLockError::Locked`] when it is not, [`TryLockError::OwnerDied`] as for
    /// [`lock`](Self::lock).
    #[doc(alias = "acquire(block=False)")]
    pub fn try_lock(&self) -> Result<LockGuard<'_, T>, TryLockError<LockGuard<'_, T>>> {
        let acquired = self.shared.raw.try_lock().ok_or(TryLockError::Locked)?;
        self.guard(acquired).map_err(TryLockError::OwnerDied)
    }

    /// Acquires the lock, blocking at most for `timeout`.
    ///
    /// # Errors
    ///
    /// [`LockTimeoutError::TimedOut`] when the time has passed, [`LockTimeoutError::OwnerDied`] as
    /// for [`lock`](Self::lock).
    #[doc(alias = "acquire(timeout)")]
    pub fn lock_timeout(
        &self,
        timeout: Duration,
    ) -> Result<LockGuard<'_, T>, LockTimeoutError<LockGuard<'_, T>>> {
        let acquired = self.acquire(Deadline::after(timeout)).ok_or(LockTimeoutError::TimedOut)?;
        acquired.map_err(LockTimeoutError::OwnerDied)
    }

    /// Whether someone holds the lock now. By the time the caller knows, it may have changed.
    #[doc(alias = "locked")]
    pub fn is_locked(&self) -> bool {
        self.shared.raw.is_held()
    }

    fn acquire(
        &self,
        deadline: Deadline,
    ) -> Option<Result<LockGuard<'_, T>, OwnerDied<LockGuard<'_, T>>>> {
        self.shared.raw.lock(deadline).map(|acquired| self.guard(acquired))
    }

    fn guard(&self, acquired: Acquired) -> Result<LockGuard<'_, T>, OwnerDied<LockGuard<'_, T>>> {
        kill_point("lock.acquired");
        if acquired == Acquired::OwnerDied {
            self.shared.state.store(RECOVERING, Relaxed);
            kill_point("lock.recovering");
        }
        let guard = LockGuard { lock: self, not_send: PhantomData };
        if self.shared.state.load(Relaxed) == CONSISTENT {
            Ok(guard)
        } else {
            Err(OwnerDied::new(guard))
        }
    }

    fn from_handle(handle: Handle) -> Result<Self, Error> {
        const OUTSIDE: Error = Error::Corrupt("a lock lies outside its arena");
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

/// Ready when nobody holds the lock.
impl<T: Plain> Waitable for Lock<T> {
    fn is_ready(&self) -> bool {
        !self.is_locked()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        sleep.lock(&self.shared.raw);
    }
}

impl<T: Plain> Serialize for Lock<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.handle.serialize(serializer)
    }
}

impl<'de, T: Plain> Deserialize<'de> for Lock<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let handle = Handle::deserialize(deserializer, Kind::Lock, shape_of::<T>())?;
        Self::from_handle(handle).map_err(serde::de::Error::custom)
    }
}

/// The right to use the value of a [`Lock`]. Releases the lock when dropped.
///
/// A guard stays in its thread, since the lock is the thread's:
///
/// ```compile_fail
/// let lock = brigade_shm::Lock::new(0_u32).unwrap();
/// let guard = lock.lock().unwrap();
/// std::thread::scope(|scope| {
///     scope.spawn(move || drop(guard));
/// });
/// ```
#[must_use = "the lock is released when the guard is dropped"]
pub struct LockGuard<'a, T: Plain> {
    lock: &'a Lock<T>,
    not_send: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives only shared access to the value, which is `Sync`.
unsafe impl<T: Plain> Sync for LockGuard<'_, T> {}

impl<T: Plain> LockGuard<'_, T> {
    /// Releases the lock as if this thread had died with it: the next holder gets [`OwnerDied`].
    ///
    /// For whoever holds the lock on behalf of a process that cannot, when that process dies.
    pub fn abandon(self) {
        self.lock.shared.state.store(RECOVERING, Relaxed);
    }
}

impl<T: Plain> Deref for LockGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this thread holds the lock, so nobody writes the value; it is aligned, inside
        // the mapping, and valid for every bit pattern.
        unsafe { self.lock.value.as_ref() }
    }
}

impl<T: Plain> DerefMut for LockGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        let mut value = self.lock.value;
        // SAFETY: as above; and the guard is borrowed mutably, so this is the only reference.
        unsafe { value.as_mut() }
    }
}

impl<T: Plain> Drop for LockGuard<'_, T> {
    fn drop(&mut self) {
        kill_point("lock.release");
        self.lock.shared.raw.unlock();
        kill_point("lock.released");
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for LockGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: Plain> sealed::Guard for LockGuard<'_, T> {
    fn declare_whole(&self) {
        self.lock.shared.state.store(CONSISTENT, Relaxed);
        kill_point("lock.recovered");
    }
}

impl<T: Plain> Guard for LockGuard<'_, T> {}

impl<'a, T: Plain> sealed::WaitGuard for LockGuard<'a, T> {
    type Released = &'a Lock<T>;

    fn release(self) -> &'a Lock<T> {
        self.lock
    }

    fn reacquire(lock: &'a Lock<T>) -> Result<Self, OwnerDied<Self>> {
        lock.lock()
    }

    fn try_reacquire(lock: &&'a Lock<T>) -> Option<Result<Self, OwnerDied<Self>>> {
        unless_locked(lock.try_lock())
    }

    fn lock_of(lock: &&'a Lock<T>) -> impl Waitable + Send + Sync + 'static {
        (*lock).clone()
    }
}

impl<T: Plain> WaitGuard for LockGuard<'_, T> {}

#[cfg(test)]
#[path = "lock_tests.rs"]
mod tests;
