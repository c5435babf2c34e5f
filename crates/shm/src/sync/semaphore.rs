//! The semaphore: permits, and who holds them.
//!
//! | field       | meaning                                                                     |
//! |-------------|-----------------------------------------------------------------------------|
//! | `total`     | how many permits there are                                                  |
//! | `held[slot]` | which process of the slot holds how many: the truth                         |
//! | `available` | `total` less the sum of `held`: computed, kept so that a look is cheap       |
//!
//! All are changed under one internal lock, each by one store. Only the words of processes that hold
//! the object are looked at: one who has a permit does.
//!
//! # Why no wake-up is lost
//!
//! Every change that may free a permit is stored inside a ring; a waiter looks at `available`
//! between arming and sleeping. Each time it arms, it also watches those who hold permits then: the
//! kernel wakes it at their death. One who takes a permit after that look left no permit free, and
//! the waiter that slept on before it arms anew when its permit was freed.
//!
//! # What a dead process leaves
//!
//! *Inside the lock*: `held` and `available` may disagree; the next one in finds the owner dead and
//! computes `available` anew. One who sleeps is woken by the unfinished ring and sees that the lock
//! is orphaned. *Outside*: its permits stay in `held` under a tag that names no living process, so
//! more are taken than the living hold. Whoever finds no permit available compares that, and takes
//! them back.

use std::fmt;
use std::time::Duration;

use brigade_sys::atomic::Ordering::{Acquire, Relaxed, Release};
use brigade_sys::atomic::{AtomicU32, AtomicU64};
use brigade_sys::bell::Bell;
use brigade_sys::kill_point::kill_point;
use brigade_sys::memory::Shareable;
use brigade_sys::robust::{Acquired, RobustLock};
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Sleep, Waitable};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::arena::MAX_PROCESSES;
use crate::arena::block::{Block, Kind};
use crate::arena::census::{self, Tag};
use crate::arena::heap::Plan;
use crate::error::Error;
use crate::handle::Handle;

#[repr(C, align(64))]
struct Shared {
    lock: RobustLock,
    bell: Bell,
    available: AtomicU32,
    total: AtomicU32,
    /// For a bounded semaphore the most that `total` may be; zero for none.
    bound: AtomicU32,
    /// The generation of the process in the slot, and how many permits it holds.
    held: [AtomicU64; MAX_PROCESSES],
}

// SAFETY: shareable parts throughout; all zeros is a semaphore without permits.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Shared {}

/// The most permits a semaphore may have.
const MAX_PERMITS: u32 = i32::MAX.cast_unsigned();

/// A number of permits that processes share; each permit belongs to who acquired it.
///
/// # Process death
///
/// The permits of a process that dies come back: one who waits for a permit gets it at once.
///
/// # Examples
///
/// ```
/// use brigade_shm::Semaphore;
///
/// let slots = Semaphore::new(2)?;
/// let first = slots.acquire();
/// let second = slots.try_acquire().expect("one is left");
/// assert!(slots.try_acquire().is_none());
/// drop(first);
/// assert_eq!(slots.available(), 1);
/// # drop(second);
/// # Ok::<(), brigade_shm::Error>(())
/// ```
#[derive(Clone)]
pub struct Semaphore {
    handle: Handle,
    shared: &'static Shared,
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore").field("available", &self.available()).finish_non_exhaustive()
    }
}

impl Semaphore {
    /// Creates a semaphore with `permits` permits, to which [`release`](Self::release) may add.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for more than two billion permits; otherwise fails when there is no
    /// memory.
    pub fn new(permits: u32) -> Result<Self, Error> {
        Self::with_bound(permits, 0)
    }

    /// Creates a semaphore that never has more than `permits` permits.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new), and [`Error::Invalid`] for none.
    #[doc(alias = "BoundedSemaphore")]
    pub fn bounded(permits: u32) -> Result<Self, Error> {
        if permits == 0 {
            let expectation = "a bounded semaphore has at least one permit";
            return Err(Error::Invalid { kind: "semaphore", expectation });
        }
        Self::with_bound(permits, permits)
    }

    fn with_bound(permits: u32, bound: u32) -> Result<Self, Error> {
        if permits > MAX_PERMITS {
            let expectation = "it has at most 2147483647 permits";
            return Err(Error::Invalid { kind: "semaphore", expectation });
        }
        let plan = Plan { kind: Kind::Semaphore, shape: 0, length: size_of::<Shared>(), parts: 0 };
        let semaphore = Self::from_handle(Handle::create(plan)?)?;
        semaphore.shared.bound.store(bound, Relaxed);
        semaphore.shared.total.store(permits, Relaxed);
        semaphore.shared.available.store(permits, Relaxed);
        Ok(semaphore)
    }

    /// Acquires a permit, blocking until there is one.
    ///
    /// # Deadlock
    ///
    /// Permits are not recursive: one who holds the last and asks for another waits for itself.
    pub fn acquire(&self) -> Permit {
        match self.acquire_until(Deadline::NEVER) {
            Some(permit) => permit,
            None => unreachable!("a wait without a deadline does not time out"),
        }
    }

    /// Acquires a permit if there is one.
    #[doc(alias = "acquire(block=False)")]
    pub fn try_acquire(&self) -> Option<Permit> {
        if self.take() || (self.take_back() && self.take()) {
            return Some(Permit { semaphore: self.clone(), fate: Fate::Returned });
        }
        None
    }

    /// Acquires a permit, blocking at most for `timeout`.
    #[doc(alias = "acquire(timeout)")]
    pub fn acquire_timeout(&self, timeout: Duration) -> Option<Permit> {
        self.acquire_until(Deadline::after(timeout))
    }

    /// Adds `permits` permits that nobody holds. To return one's own, drop the [`Permit`].
    ///
    /// # Errors
    ///
    /// [`ReleaseError`] when the semaphore is bounded and would have too many; nothing is added.
    pub fn release(&self, permits: u32) -> Result<(), ReleaseError> {
        let _locked = self.lock();
        let total = self.shared.total.load(Relaxed);
        let bound = match self.shared.bound.load(Relaxed) {
            0 => MAX_PERMITS,
            bound => bound,
        };
        let new = total.checked_add(permits).filter(|&new| new <= bound);
        let new = new.ok_or(ReleaseError { bound })?;
        let available = self.available().saturating_add(permits);
        // Each waiter that gets a permit passes the wake-up on, so one is enough for many.
        self.shared.bell.ring_after(|| {
            self.shared.total.store(new, Relaxed);
            kill_point("semaphore.total");
            self.shared.available.store(available, Relaxed);
            kill_point("semaphore.released");
        });
        Ok(())
    }

    /// How many permits are free now.
    #[doc(alias = "get_value")]
    pub fn available(&self) -> u32 {
        self.shared.available.load(Relaxed)
    }

    fn acquire_until(&self, deadline: Deadline) -> Option<Permit> {
        loop {
            if let Some(permit) = self.try_acquire() {
                return Some(permit);
            }
            self.handle.before_sleep();
            let look = || (self.available() > 0 || self.needs_settling()).then_some(());
            let watch = |sleep: &mut Sleep<'static>| self.watch_holders(sleep);
            if self.shared.bell.wait(deadline, look, watch).is_none() {
                return self.try_acquire();
            }
        }
    }

    /// Takes a permit for this process, if one is available.
    fn take(&self) -> bool {
        let Ok(tag) = self.handle.arena().tag() else { return false };
        if self.available() == 0 {
            return false;
        }
        let _locked = self.lock();
        let available = self.available();
        if available == 0 {
            return false;
        }
        // So that those who wait for the permit hear of this process's death at once.
        census::hold_life(self.handle.arena(), tag);
        self.add_held(tag, 1);
        kill_point("semaphore.held");
        self.shared.available.store(available - 1, Relaxed);
        kill_point("semaphore.taken");
        true
    }

    /// Returns one of this process's permits, or uses it up.
    fn give(&self, fate: Fate) {
        let Ok(tag) = self.handle.arena().tag() else { return };
        let _locked = self.lock();
        if self.held_by(tag) == 0 {
            // The permit is a forked parent's: it is not ours to return.
            return;
        }
        let available = self.available();
        match fate {
            // If this process dies between the two, the next one finds the lock orphaned.
            Fate::Returned => self.shared.bell.ring_after(|| {
                self.add_held(tag, -1);
                kill_point("semaphore.given");
                self.shared.available.store(available.saturating_add(1), Relaxed);
                kill_point("semaphore.returned");
            }),
            Fate::Spent => {
                let total = self.shared.total.load(Relaxed);
                self.shared.total.store(total.saturating_sub(1), Relaxed);
                kill_point("semaphore.spent");
                self.add_held(tag, -1);
                kill_point("semaphore.forgotten");
            }
        }
    }

    /// Takes back the permits of the dead, and says whether there are any available.
    fn take_back(&self) -> bool {
        if self.needs_settling() {
            let _locked = self.lock();
            self.settle();
        }
        self.available() > 0
    }

    /// Whether permits are missing that nobody who lives has, or whose last user died amid a change.
    fn needs_settling(&self) -> bool {
        let arena = self.handle.arena();
        let taken = self.shared.total.load(Relaxed).saturating_sub(self.available());
        let held = || {
            let living = self.holders().filter(|&(tag, _)| !census::has_died(arena, tag));
            living.fold(0_u32, |sum, (_, permits)| sum.saturating_add(permits))
        };
        self.shared.lock.is_orphaned() || taken > 0 && taken > held()
    }

    /// Which processes hold permits, and how many.
    fn holders(&self) -> impl Iterator<Item = (Tag, u32)> {
        let arena = self.handle.arena();
        let block: Option<&Block> = arena.mapping().get(self.handle.place().offset);
        let slots = block.into_iter().flat_map(Block::holding_slots);
        slots.filter_map(|slot| {
            // PAIR held: with the store in `add_held`.
            let word = self.shared.held.get(usize::from(slot))?.load(Acquire);
            let tag = Tag { slot, generation: generation(word) };
            (count(word) > 0).then_some((tag, count(word)))
        })
    }

    fn watch_holders(&self, sleep: &mut Sleep<'_>) {
        for (tag, _) in self.holders() {
            census::watch(self.handle.arena(), tag.slot, sleep);
        }
    }

    fn held_by(&self, tag: Tag) -> u32 {
        let word = self.shared.held[usize::from(tag.slot)].load(Relaxed);
        if generation(word) == tag.generation { count(word) } else { 0 }
    }

    fn add_held(&self, tag: Tag, permits: i32) {
        let now = self.held_by(tag).saturating_add_signed(permits);
        let word = u64::from(tag.generation) << 32 | u64::from(now);
        // PAIR held: whoever sees the holder sees what it did before.
        self.shared.held[usize::from(tag.slot)].store(word, Release);
    }

    /// Takes all permits from the dead and computes what is available. Under the lock.
    ///
    /// All stores happen inside one ring: if this process dies among them, a waiter wakes, finds
    /// the lock orphaned and settles anew.
    fn settle(&self) {
        let arena = self.handle.arena();
        let (dead, living): (Vec<_>, Vec<_>) =
            self.holders().partition(|&(tag, _)| census::is_gone(arena, tag));
        let held = living.iter().fold(0_u32, |sum, (_, permits)| sum.saturating_add(*permits));
        let total = self.shared.total.load(Relaxed);
        self.shared.bell.ring_after(|| {
            for (tag, _) in dead {
                self.shared.held[usize::from(tag.slot)].store(0, Relaxed);
                kill_point("semaphore.taken-back");
            }
            self.shared.available.store(total.saturating_sub(held), Relaxed);
            kill_point("semaphore.settled");
        });
    }

    fn lock(&self) -> Locked {
        if self.shared.lock.lock(Deadline::NEVER) == Some(Acquired::OwnerDied) {
            self.settle();
        }
        Locked(self.shared)
    }

    fn from_handle(handle: Handle) -> Result<Self, Error> {
        let shared = handle.arena().mapping().get(handle.body());
        let shared = shared.ok_or(Error::Corrupt("a semaphore lies outside its arena"))?;
        Ok(Self { handle, shared })
    }
}

/// A held word's count of permits.
fn count(word: u64) -> u32 {
    word as u32
}

/// A held word's generation of the slot.
fn generation(word: u64) -> u32 {
    (word >> 32) as u32
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The permit can be acquired again.
    Returned,
    /// The permit no longer exists.
    Spent,
}

struct Locked(&'static Shared);

impl Drop for Locked {
    fn drop(&mut self) {
        self.0.lock.unlock();
    }
}

impl Waitable for Semaphore {
    fn is_ready(&self) -> bool {
        self.available() > 0 || self.take_back()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.handle.before_sleep();
        self.shared.bell.prepare(sleep);
        self.watch_holders(sleep);
    }
}

impl Serialize for Semaphore {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.handle.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Semaphore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let handle = Handle::deserialize(deserializer, Kind::Semaphore, 0)?;
        Self::from_handle(handle).map_err(serde::de::Error::custom)
    }
}

/// One permit of a [`Semaphore`]. Comes back when dropped, or when its process dies.
#[derive(Debug)]
#[must_use = "the permit is returned when dropped"]
pub struct Permit {
    semaphore: Semaphore,
    fate: Fate,
}

impl Permit {
    /// Uses the permit up: it does not come back, not even at this process's death.
    ///
    /// Together with [`Semaphore::release`] this hands a permit over on purpose.
    pub fn forget(mut self) {
        self.fate = Fate::Spent;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.semaphore.give(self.fate);
    }
}

/// A bounded semaphore would have had more permits than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot release: the semaphore may have at most {bound} permits")]
pub struct ReleaseError {
    /// How many it may have.
    pub bound: u32,
}

#[cfg(test)]
#[path = "semaphore_tests.rs"]
mod tests;
