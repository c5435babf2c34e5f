//! What a lock's next holder is told when the last one died with it.

use std::fmt;

/// A guard of a [`Lock`](crate::Lock), an [`RLock`](crate::RLock) or an
/// [`RwLock`](crate::RwLock).
pub trait Guard: sealed::Guard {}

/// A guard whose lock can be given up for a while: of a [`Lock`](crate::Lock) or an
/// [`RLock`](crate::RLock). A [`Condition`](crate::Condition) waits with one.
pub trait WaitGuard: Guard + sealed::WaitGuard {}

pub(super) mod sealed {
    use brigade_sys::wait::Waitable;

    use super::OwnerDied;

    pub trait Guard {
        /// Says that the value is what it should be.
        fn declare_whole(&self);
    }

    pub trait WaitGuard: Sized {
        /// What is needed to make the guard again.
        type Released;

        /// Releases the lock, however often this thread has taken it.
        fn release(self) -> Self::Released;

        /// Acquires the lock as often as it was released.
        fn reacquire(released: Self::Released) -> Result<Self, OwnerDied<Self>>;

        /// As [`reacquire`](Self::reacquire), if nobody holds the lock.
        fn try_reacquire(released: &Self::Released) -> Option<Result<Self, OwnerDied<Self>>>;

        /// What is ready when nobody holds the lock.
        fn lock_of(released: &Self::Released) -> impl Waitable + Send + Sync + 'static;
    }
}

/// The last holder of a lock died with it: the value may be half-written.
///
/// Repair it through [`guard_mut`](Self::guard_mut) and call [`recover`](Self::recover). If it is
/// dropped instead, the next holder is told the same.
#[derive(thiserror::Error)]
#[error("the last holder of the lock died with it: its value may be half-written")]
#[must_use = "the lock is released when the error is dropped"]
pub struct OwnerDied<G> {
    guard: G,
}

impl<G> fmt::Debug for OwnerDied<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnerDied")
    }
}

impl<G> OwnerDied<G> {
    pub(super) fn new(guard: G) -> Self {
        Self { guard }
    }

    /// The guard, to look at the value and repair it.
    pub fn guard_mut(&mut self) -> &mut G {
        &mut self.guard
    }
}

impl<G: Guard> OwnerDied<G> {
    /// Declares the value whole and goes on with it.
    pub fn recover(self) -> G {
        self.guard.declare_whole();
        self.guard
    }
}

/// Why a lock was not had at once.
#[derive(Debug, thiserror::Error)]
pub enum TryLockError<G> {
    /// Someone holds the lock.
    #[error("the lock is held")]
    Locked,
    /// The lock is acquired, but its last holder died with it.
    #[error(transparent)]
    OwnerDied(OwnerDied<G>),
}

/// What was had, unless the lock is held.
pub(crate) fn unless_locked<G>(
    tried: Result<G, TryLockError<G>>,
) -> Option<Result<G, OwnerDied<G>>> {
    match tried {
        Ok(guard) => Some(Ok(guard)),
        Err(TryLockError::OwnerDied(died)) => Some(Err(died)),
        Err(TryLockError::Locked) => None,
    }
}

/// Why a lock was not had in time.
#[derive(Debug, thiserror::Error)]
pub enum LockTimeoutError<G> {
    /// The lock was held all the time.
    #[error("timed out waiting for the lock")]
    TimedOut,
    /// The lock is acquired, but its last holder died with it.
    #[error(transparent)]
    OwnerDied(OwnerDied<G>),
}
