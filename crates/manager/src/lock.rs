//! The lock: what one thread at a time may hold, in any process.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use brigade_shm as shm;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::client::{Client, Line};
use crate::error::CallError;
use crate::memory::Memory;
use crate::protocol::{Acquired, Kind, LockRequest, ObjectId, Reply, Request};
use crate::reference::Reference;

/// How long a server may take to grant or take back a lock, beyond the wait for the lock itself.
const ANSWER: Duration = Duration::from_secs(60);

/// What one thread at a time may hold, in any process: a proxy of an object of a
/// [`Manager`](crate::Manager).
///
/// At home it is a lock in shared memory, and without contention it costs no system call. Elsewhere
/// the manager holds it on the caller's behalf. Both kinds of holders exclude each other. The lock
/// is not recursive: a thread that takes it twice waits for itself.
///
/// # Process death
///
/// If the holder's thread or process dies, or its connection to the manager ends, whoever comes
/// next gets the lock as [`OwnerDied`]: what it protects may be half-done.
///
/// # Examples
///
/// ```
/// # brigade_process::init();
/// use brigade_manager::{LockError, Manager};
///
/// let manager = Manager::start()?;
/// let (mutex, total) = (manager.lock()?, manager.value(&40)?);
/// {
///     let _guard = mutex.lock().or_else(LockError::recover)?;
///     total.set(&(total.get()? + 2))?;
/// }
/// assert_eq!(total.get()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Lock {
    reference: Reference,
}

impl Lock {
    pub(crate) fn new(reference: Reference) -> Self {
        Self { reference }
    }

    /// Acquires the lock, and waits until it is free. The guard releases it when it is dropped.
    ///
    /// # Errors
    ///
    /// [`LockError::OwnerDied`] when the last holder died with the lock; the error holds the guard.
    /// [`LockError::Call`] when the manager has gone.
    ///
    /// # Deadlock
    ///
    /// A thread that already holds this lock waits for ever.
    #[doc(alias = "acquire")]
    pub fn lock(&self) -> Result<LockGuard<'_>, LockError<'_>> {
        match self.acquire(None)? {
            Outcome::Clean(guard) => Ok(guard),
            Outcome::OwnerDied(died) => Err(LockError::OwnerDied(died)),
            Outcome::TimedOut => Err(LockError::Call(CallError::misfit())),
        }
    }

    /// Acquires the lock if it is free.
    ///
    /// # Errors
    ///
    /// [`TryLockError::Locked`] when it is not; the others as for [`lock`](Self::lock).
    #[doc(alias = "acquire(block=False)")]
    pub fn try_lock(&self) -> Result<LockGuard<'_>, TryLockError<'_>> {
        match self.acquire(Some(Duration::ZERO))? {
            Outcome::Clean(guard) => Ok(guard),
            Outcome::OwnerDied(died) => Err(TryLockError::OwnerDied(died)),
            Outcome::TimedOut => Err(TryLockError::Locked),
        }
    }

    /// Acquires the lock, and waits at most `timeout` until it is free.
    ///
    /// # Errors
    ///
    /// [`LockTimeoutError::TimedOut`] when the time has passed; the others as for
    /// [`lock`](Self::lock).
    #[doc(alias = "acquire(timeout)")]
    pub fn lock_timeout(&self, timeout: Duration) -> Result<LockGuard<'_>, LockTimeoutError<'_>> {
        match self.acquire(Some(timeout))? {
            Outcome::Clean(guard) => Ok(guard),
            Outcome::OwnerDied(died) => Err(LockTimeoutError::OwnerDied(died)),
            Outcome::TimedOut => Err(LockTimeoutError::TimedOut),
        }
    }

    fn acquire(&self, timeout: Option<Duration>) -> Result<Outcome<'_>, CallError> {
        match self.reference.memory()? {
            Some(Memory::Lock(lock)) => Ok(acquire_here(lock, timeout)),
            _ => self.acquire_there(timeout),
        }
    }

    fn acquire_there(&self, timeout: Option<Duration>) -> Result<Outcome<'_>, CallError> {
        let (object, client) = (self.reference.object(), self.reference.client()?);
        let line = client.line()?;
        let request = Request::Lock { object, request: LockRequest::Acquire { timeout } };
        // The server counts the time. If it dies the connection ends; the rest is for one that
        // hangs.
        let patience = timeout.map(|timeout| timeout.saturating_add(ANSWER));
        let acquired = match client.ask(&line, &request, patience)? {
            Reply::Acquired(acquired) => acquired,
            Reply::Refused(refusal) => {
                client.put_back(line);
                return Err(refusal.into());
            }
            _ => return Err(CallError::misfit()),
        };
        if acquired == Acquired::TimedOut {
            client.put_back(line);
            return Ok(Outcome::TimedOut);
        }
        let held = Box::new(HeldThere { client, object, line: Some(line), lock: PhantomData });
        Ok(match acquired {
            Acquired::OwnerDied => Outcome::OwnerDied(OwnerDied { held: Died::There(held) }),
            _ => Outcome::Clean(LockGuard { held: Held::There(held) }),
        })
    }
}

fn acquire_here(lock: &shm::Lock, timeout: Option<Duration>) -> Outcome<'_> {
    use shm::sync::LockTimeoutError::{OwnerDied as Dead, TimedOut};

    let acquired = match timeout {
        Some(timeout) => lock.lock_timeout(timeout),
        None => lock.lock().map_err(Dead),
    };
    match acquired {
        Ok(guard) => Outcome::Clean(LockGuard { held: Held::Here(guard) }),
        Err(Dead(died)) => Outcome::OwnerDied(OwnerDied { held: Died::Here(died) }),
        Err(TimedOut) => Outcome::TimedOut,
    }
}

/// What came of an attempt to acquire the lock.
enum Outcome<'a> {
    Clean(LockGuard<'a>),
    OwnerDied(OwnerDied<'a>),
    TimedOut,
}

/// The right to do what a [`Lock`] protects. Releases the lock when dropped.
///
/// A guard stays in its thread.
#[must_use = "the lock is released when the guard is dropped"]
pub struct LockGuard<'a> {
    held: Held<'a>,
}

enum Held<'a> {
    // Kept for its drop.
    Here(#[allow(dead_code, reason = "dropping it releases the lock")] shm::LockGuard<'a, ()>),
    There(Box<HeldThere<'a>>),
}

/// A lock that the server holds for this connection.
struct HeldThere<'a> {
    client: Arc<Client>,
    object: ObjectId,
    /// The connection that stands for the holder; taken when the lock is released.
    line: Option<Line>,
    lock: PhantomData<(&'a Lock, *const ())>,
}

impl HeldThere<'_> {
    fn tell(&self, line: &Line, request: LockRequest) -> bool {
        let request = Request::Lock { object: self.object, request };
        matches!(self.client.ask(line, &request, Some(ANSWER)), Ok(Reply::Done))
    }
}

impl Drop for HeldThere<'_> {
    fn drop(&mut self) {
        let Some(line) = self.line.take() else { return };
        // If the server cannot be told, the end of the connection tells it.
        if self.client.is_own() && self.tell(&line, LockRequest::Release) {
            self.client.put_back(line);
        }
    }
}

impl fmt::Debug for LockGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.held {
            Held::Here(_) => f.write_str("LockGuard(in memory)"),
            Held::There(held) => write!(f, "LockGuard(at {})", held.client.address()),
        }
    }
}

/// The last holder of a lock died with it: what it protects may be half-done.
///
/// Repair that and call [`recover`](Self::recover). If the error is dropped instead, the next
/// holder is told the same.
#[derive(Error)]
#[error("the last holder of the lock died with it: what it protects may be half-done")]
#[must_use = "the lock is released when the error is dropped"]
pub struct OwnerDied<'a> {
    held: Died<'a>,
}

enum Died<'a> {
    Here(shm::OwnerDied<shm::LockGuard<'a, ()>>),
    There(Box<HeldThere<'a>>),
}

impl<'a> OwnerDied<'a> {
    /// Declares whole what the lock protects, and goes on as its holder.
    pub fn recover(self) -> LockGuard<'a> {
        let held = match self.held {
            Died::Here(died) => Held::Here(died.recover()),
            Died::There(mut held) => {
                // A server that does not answer has gone, and the lock with it.
                if let Some(line) =
                    held.line.take().filter(|it| held.tell(it, LockRequest::Recover))
                {
                    held.line = Some(line);
                }
                Held::There(held)
            }
        };
        LockGuard { held }
    }
}

impl fmt::Debug for OwnerDied<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnerDied")
    }
}

/// Why [`Lock::lock`] did not return a guard.
#[derive(Debug, Error)]
pub enum LockError<'a> {
    /// The lock is acquired, but its last holder died with it.
    #[error("{0}")]
    OwnerDied(OwnerDied<'a>),
    /// The manager could not be asked.
    #[error("{0}")]
    Call(CallError),
}

impl<'a> LockError<'a> {
    /// Goes on as the holder if the last one died, for locks that protect nothing that can be
    /// half-done.
    ///
    /// # Errors
    ///
    /// [`CallError`] if the manager could not be asked.
    pub fn recover(self) -> Result<LockGuard<'a>, CallError> {
        match self {
            Self::OwnerDied(died) => Ok(died.recover()),
            Self::Call(error) => Err(error),
        }
    }
}

/// Why [`Lock::try_lock`] did not return a guard.
#[derive(Debug, Error)]
pub enum TryLockError<'a> {
    /// Someone holds the lock.
    #[error("the lock is held")]
    Locked,
    /// The lock is acquired, but its last holder died with it.
    #[error("{0}")]
    OwnerDied(OwnerDied<'a>),
    /// The manager could not be asked.
    #[error("{0}")]
    Call(CallError),
}

/// Why [`Lock::lock_timeout`] did not return a guard.
#[derive(Debug, Error)]
pub enum LockTimeoutError<'a> {
    /// The lock was held all the time.
    #[error("timed out waiting for the lock")]
    TimedOut,
    /// The lock is acquired, but its last holder died with it.
    #[error("{0}")]
    OwnerDied(OwnerDied<'a>),
    /// The manager could not be asked.
    #[error("{0}")]
    Call(CallError),
}

impl From<CallError> for LockError<'_> {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<CallError> for TryLockError<'_> {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<CallError> for LockTimeoutError<'_> {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl Serialize for Lock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.reference.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Lock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reference::deserialize(deserializer, Kind::Lock).map(Self::new)
    }
}
