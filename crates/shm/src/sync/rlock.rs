//! The re-entrant lock: its holder may take it again, and gives it back as often as it took it.
//!
//! | `depth` | meaning, while the robust lock is held                       |
//! |---------|--------------------------------------------------------------|
//! | n       | the holding thread has n guards; nobody else reads the word  |
//!
//! `state` is as for a [`Lock`](crate::Lock): `CONSISTENT`, or `RECOVERING` after a death.
//!
//! # Why no wake-up is lost
//!
//! The word, its waiters and their wake-ups are those of [`RobustLock`]. Whether a thread is the
//! holder says its own list of locks, which no other process can make it believe.
//!
//! # What a dead process leaves
//!
//! The kernel marks the word and wakes the next waiter. It sets `RECOVERING` and a depth of one;
//! the dead holder's depth means nothing to anyone.
//!
//! # Safety
//!
//! The value is reached only through a guard, and a guard exists only while its thread holds the
//! robust lock. The thread may have several, so a guard gives a [`Cell`]: it can be read and written
//! through many references of one thread, and cannot leave the thread. The value is [`Plain`], so
//! any bytes a dead holder left are a valid value.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;
use std::time::Duration;

use brigade_sys::atomic::Ordering::Relaxed;
use brigade_sys::atomic::{AtomicU32, AtomicU64};
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
    Guard, LockTimeoutError, OwnerDied, TryLockError, WaitGuard, sealed,
};

const CONSISTENT: u32 = 0;
const RECOVERING: u32 = 1;

/// What lies in the block; the value follows it. The robust lock is at the front, where a handle
/// that is dropped looks for it.
#[repr(C, align(64))]
struct Shared {
    raw: RobustLock,
    depth: AtomicU64,
    state: AtomicU32,
}

// SAFETY: shareable parts throughout; all zeros is a free, consistent lock.
unsafe impl Shareable for Shared {}

/// A lock that its holder may take again: a thread of a process, across processes.
///
/// It is free again when the holder has dropped as many guards as it took. Since a thread may have
/// several guards at a time, a guard gives the value as a [`Cell`].
///
/// # Process death
///
/// If the process (or thread) that holds the lock dies, however often it took it, whoever comes next
/// gets it at once, as [`OwnerDied`].
///
/// # Examples
///
/// ```
/// use brigade_shm::{OwnerDied, RLock};
///
/// fn add_two(total: &RLock<u64>) {
///     let guard = total.lock().unwrap_or_else(OwnerDied::recover);
///     guard.set(guard.get() + 2);
/// }
///
/// let total = RLock::new(1)?;
/// let guard = total.lock().unwrap_or_else(OwnerDied::recover);
/// // Takes the lock a second time.
/// add_two(&total);
/// assert_eq!(guard.get(), 3);
/// # Ok::<(), brigade_shm::Error>(())
/// ```
pub struct RLock<T: Plain = ()> {
    handle: Handle,
    shared: &'static Shared,
    value: NonNull<T>,
}

// SAFETY: the value is reached only through a guard, which excludes every other thread.
unsafe impl<T: Plain> Send for RLock<T> {}
// SAFETY: as above.
unsafe impl<T: Plain> Sync for RLock<T> {}

impl<T: Plain> Clone for RLock<T> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), shared: self.shared, value: self.value }
    }
}

impl<T: Plain> fmt::Debug for RLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RLock").field("held", &self.is_locked()).finish_non_exhaustive()
    }
}

impl<T: Plain> RLock<T> {
    /// Creates a free lock around `value`.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory for it.
    pub fn new(value: T) -> Result<Self, Error> {
        let length = Self::value_offset() + size_of::<T>();
        let plan = Plan { kind: Kind::RLock, shape: shape_of::<T>(), length, parts: 0 };
        let lock = Self::from_handle(Handle::create(plan)?)?;
        // SAFETY: nobody else has a handle yet, so nobody else uses the value.
        unsafe { lock.value.write(value) };
        Ok(lock)
    }

    /// Acquires the lock, blocking until no other thread holds it.
    ///
    /// Callers who wait are woken in no particular order.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`] when the last holder died with the lock, until someone recovers it: the value
    /// may be half-written. The error holds the guard. Waiting itself cannot fail.
    #[doc(alias = "acquire")]
    pub fn lock(&self) -> Result<RLockGuard<'_, T>, OwnerDied<RLockGuard<'_, T>>> {
        match self.acquire(|raw| raw.lock(Deadline::NEVER)) {
            Some(result) => result,
            None => unreachable!("a wait without a deadline does not time out"),
        }
    }

    /// Acquires the lock if no other thread holds it.
    ///
    /// # Errors
    ///
    /// [`TryLockError::Locked`] when another does, [`TryLockError::OwnerDied`] as for
    /// [`lock`](Self::lock).
    #[doc(alias = "acquire(block=False)")]
    pub fn try_lock(&self) -> Result<RLockGuard<'_, T>, TryLockError<RLockGuard<'_, T>>> {
        let acquired = self.acquire(RobustLock::try_lock).ok_or(TryLockError::Locked)?;
        acquired.map_err(TryLockError::OwnerDied)
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
    ) -> Result<RLockGuard<'_, T>, LockTimeoutError<RLockGuard<'_, T>>> {
        let deadline = Deadline::after(timeout);
        let acquired = self.acquire(|raw| raw.lock(deadline)).ok_or(LockTimeoutError::TimedOut)?;
        acquired.map_err(LockTimeoutError::OwnerDied)
    }

    /// Whether someone holds the lock now. By the time the caller knows, it may have changed.
    #[doc(alias = "locked")]
    pub fn is_locked(&self) -> bool {
        self.shared.raw.is_held()
    }

    /// Whether the calling thread holds the lock.
    #[doc(alias = "_is_owned")]
    pub fn is_owned(&self) -> bool {
        self.shared.raw.is_mine()
    }

    /// How many guards the calling thread has: zero when it is not the holder.
    #[doc(alias = "_recursion_count")]
    pub fn recursion_count(&self) -> u64 {
        if self.is_owned() { self.shared.depth.load(Relaxed) } else { 0 }
    }

    fn acquire(
        &self,
        acquire: impl FnOnce(&'static RobustLock) -> Option<Acquired>,
    ) -> Option<Result<RLockGuard<'_, T>, OwnerDied<RLockGuard<'_, T>>>> {
        if self.is_owned() {
            let depth = self.shared.depth.load(Relaxed);
            self.shared.depth.store(depth.saturating_add(1), Relaxed);
            return Some(self.guard());
        }
        acquire(&self.shared.raw).map(|acquired| self.enter(acquired, 1))
    }

    /// Begins to hold the lock, which was `acquired`, as one who has `depth` guards.
    fn enter(
        &self,
        acquired: Acquired,
        depth: u64,
    ) -> Result<RLockGuard<'_, T>, OwnerDied<RLockGuard<'_, T>>> {
        kill_point("rlock.acquired");
        if acquired == Acquired::OwnerDied {
            self.shared.state.store(RECOVERING, Relaxed);
            kill_point("rlock.recovering");
        }
        self.shared.depth.store(depth, Relaxed);
        self.guard()
    }

    fn guard(&self) -> Result<RLockGuard<'_, T>, OwnerDied<RLockGuard<'_, T>>> {
        let guard = RLockGuard { lock: self, not_send: PhantomData };
        if self.shared.state.load(Relaxed) == CONSISTENT {
            Ok(guard)
        } else {
            Err(OwnerDied::new(guard))
        }
    }

    fn leave(&self) {
        kill_point("rlock.release");
        self.shared.raw.unlock();
        kill_point("rlock.released");
    }

    fn from_handle(handle: Handle) -> Result<Self, Error> {
        const OUTSIDE: Error = Error::Corrupt("a re-entrant lock lies outside its arena");
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

/// Ready when no other thread holds the lock.
impl<T: Plain> Waitable for RLock<T> {
    fn is_ready(&self) -> bool {
        !self.is_locked() || self.is_owned()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        sleep.lock(&self.shared.raw);
    }
}

impl<T: Plain> Serialize for RLock<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.handle.serialize(serializer)
    }
}

impl<'de, T: Plain> Deserialize<'de> for RLock<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let handle = Handle::deserialize(deserializer, Kind::RLock, shape_of::<T>())?;
        Self::from_handle(handle).map_err(serde::de::Error::custom)
    }
}

/// The right to use the value of an [`RLock`]. Releases the lock when dropped, unless the thread has
/// another guard of it.
///
/// An array in a cell is a slice of cells: [`Cell::as_slice_of_cells`].
///
/// A guard stays in its thread, since the lock is the thread's:
///
/// ```compile_fail
/// let lock = brigade_shm::RLock::new(0_u32).unwrap();
/// let guard = lock.lock().unwrap();
/// std::thread::scope(|scope| {
///     scope.spawn(move || drop(guard));
/// });
/// ```
#[must_use = "the lock is released when the guard is dropped"]
pub struct RLockGuard<'a, T: Plain> {
    lock: &'a RLock<T>,
    /// Neither sent nor shared.
    not_send: PhantomData<*const ()>,
}

impl<T: Plain> Deref for RLockGuard<'_, T> {
    type Target = Cell<T>;

    fn deref(&self) -> &Cell<T> {
        let cell = self.lock.value.cast::<Cell<T>>();
        // SAFETY: this thread holds the lock as long as the guard lives, so nobody else uses the
        // value; it is aligned, inside the mapping, and valid for every bit pattern. All
        // references to it in this thread are to the cell.
        unsafe { cell.as_ref() }
    }
}

impl<T: Plain> Drop for RLockGuard<'_, T> {
    fn drop(&mut self) {
        // A forked child has a copy of its parent's guard, and does not hold the lock.
        if !self.lock.is_owned() {
            return;
        }
        match self.lock.shared.depth.load(Relaxed) {
            0 | 1 => self.lock.leave(),
            depth => self.lock.shared.depth.store(depth - 1, Relaxed),
        }
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for RLockGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.get(), f)
    }
}

impl<T: Plain> sealed::Guard for RLockGuard<'_, T> {
    fn declare_whole(&self) {
        self.lock.shared.state.store(CONSISTENT, Relaxed);
        kill_point("rlock.recovered");
    }
}

impl<T: Plain> Guard for RLockGuard<'_, T> {}

impl<'a, T: Plain> sealed::WaitGuard for RLockGuard<'a, T> {
    type Released = (&'a RLock<T>, u64);

    fn release(self) -> (&'a RLock<T>, u64) {
        let lock = self.lock;
        let depth = lock.shared.depth.load(Relaxed);
        // All guards of the thread release the lock with this one, and are guards again later.
        std::mem::forget(self);
        lock.leave();
        (lock, depth)
    }

    fn reacquire((lock, depth): (&'a RLock<T>, u64)) -> Result<Self, OwnerDied<Self>> {
        match lock.shared.raw.lock(Deadline::NEVER) {
            Some(acquired) => lock.enter(acquired, depth),
            None => unreachable!("a wait without a deadline does not time out"),
        }
    }

    fn try_reacquire(
        &(lock, depth): &(&'a RLock<T>, u64),
    ) -> Option<Result<Self, OwnerDied<Self>>> {
        Some(lock.enter(lock.shared.raw.try_lock()?, depth))
    }

    fn lock_of(&(lock, _): &(&'a RLock<T>, u64)) -> impl Waitable + Send + Sync + 'static {
        lock.clone()
    }
}

impl<T: Plain> WaitGuard for RLockGuard<'_, T> {}

#[cfg(test)]
#[path = "rlock_tests.rs"]
mod tests;
