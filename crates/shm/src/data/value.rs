//! The value: one plain value that processes share.
//!
//! A value of at most eight bytes is a [`Cell`]. A larger one has two rows of words and a version:
//!
//! | version | the value is in | the other row                      |
//! |---------|-----------------|------------------------------------|
//! | even    | row 0           | free for the holder of the lock    |
//! | odd     | row 1           | free for the holder of the lock    |
//!
//! A writer fills the other row and raises the version: that store is the change. A reader reads
//! the version, the row it names and the version again. A row is written over only after the
//! version has left it, so a reader that finds the same version has read one value; one that does
//! not reads again, and after some tries under the lock.
//!
//! # Why no wake-up is lost
//!
//! Nobody sleeps here but on the lock itself.
//!
//! # What a dead process leaves
//!
//! Before the version is raised, the old value and some bytes in the other row, which the next
//! writer overwrites. After it, the new value. Either way nothing is to be repaired, so the death
//! of a lock's holder is of no interest to the next.

use std::fmt;
use std::marker::PhantomData;

use brigade_sys::atomic::Ordering::{Acquire, Relaxed, Release};
use brigade_sys::atomic::{AtomicU64, fence};
use brigade_sys::kill_point::kill_point;
use brigade_sys::memory::Shareable;
use brigade_sys::robust::RobustLock;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::cell::Cell;
use super::guard::Guard;
use super::number::Number;
use super::words;
use crate::arena::block::Kind;
use crate::arena::heap::Plan;
use crate::error::Error;
use crate::handle::Handle;
use crate::plain::{Plain, shape_of};

/// How often a reader tries without the lock.
const TRIES: u32 = 64;

/// What lies in the block. The two rows of a large value follow it.
#[repr(C, align(64))]
struct Shared {
    lock: RobustLock,
    /// The cell of a small value, the version of a large one.
    word: AtomicU64,
}

// SAFETY: shareable parts throughout; all zeros is a value of zeros.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Shared {}

/// Where the bytes of the value are.
#[derive(Clone, Copy)]
enum Storage {
    Small(Cell),
    Large([&'static [AtomicU64]; 2]),
}

/// A plain value that processes share.
///
/// Reading never waits for a writer, and no reader ever sees half a value. A value of at most eight
/// bytes is one atomic, and a number among them can be added to and exchanged without the lock.
///
/// # Process death
///
/// A process that dies while it changes the value leaves the old one or the new one, and never
/// keeps the others waiting. There is nothing to recover: whoever comes next finds a whole value.
///
/// # Examples
///
/// ```
/// use brigade_shm::Value;
///
/// let hits = Value::new(40_u64)?;
/// hits.fetch_add(2);
/// assert_eq!(hits.get(), 42);
///
/// let position = Value::new([0.0_f64; 3])?;
/// position.update(|[x, _, _]| *x += 1.5);
/// assert_eq!(position.get(), [1.5, 0.0, 0.0]);
/// # Ok::<(), brigade_shm::Error>(())
/// ```
pub struct Value<T: Plain> {
    handle: Handle,
    shared: &'static Shared,
    storage: Storage,
    plain: PhantomData<T>,
}

impl<T: Plain> Clone for Value<T> {
    /// Returns another handle of the same value.
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), plain: PhantomData, ..*self }
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for Value<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Value").field(&self.get()).finish()
    }
}

impl<T: Plain> Value<T> {
    /// Creates a shared value that is `value` at first.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory for it.
    pub fn new(value: T) -> Result<Self, Error> {
        let rows = if Cell::width::<T>().is_some() { 0 } else { 2 * Self::ROW * 8 };
        let length = size_of::<Shared>() + rows;
        let plan = Plan { kind: Kind::Value, shape: shape_of::<T>(), length, parts: 0 };
        let created = Self::from_handle(Handle::create(plan)?)?;
        created.set(value);
        Ok(created)
    }

    /// The value as it is now.
    #[inline]
    pub fn get(&self) -> T {
        match self.storage {
            Storage::Small(cell) => cell.load(),
            Storage::Large(rows) => self.read(rows),
        }
    }

    /// Replaces the value.
    ///
    /// A value of more than eight bytes is replaced under the lock: the call waits while another
    /// thread updates it.
    ///
    /// # Deadlock
    ///
    /// Inside the closure of [`update`](Self::update), a call for a value of more than eight bytes
    /// waits for ever.
    #[inline]
    pub fn set(&self, value: T) {
        match self.storage {
            Storage::Small(cell) => cell.store(value),
            Storage::Large(rows) => {
                let _guard = Guard::new(&self.shared.lock);
                self.write(rows, &value);
            }
        }
    }

    /// Changes the value by `change`, and returns what `change` returns. No update is lost.
    ///
    /// A value of at most eight bytes is changed without a lock: `change` works on a copy, and if
    /// the value was changed by another meanwhile, it runs again on the newer value. A larger one is
    /// changed under the value's lock, and `change` runs once.
    ///
    /// # Process death
    ///
    /// A process that dies in `change` leaves the value as it was before, and the lock free.
    ///
    /// # Panics
    ///
    /// Panics when `change` does; the value then is as it was before.
    ///
    /// # Deadlock
    ///
    /// A `change` that updates the same value of more than eight bytes waits for ever.
    #[doc(alias = "get_lock")]
    pub fn update<R>(&self, mut change: impl FnMut(&mut T) -> R) -> R {
        match self.storage {
            Storage::Small(cell) => cell.update(change),
            Storage::Large(rows) => {
                let _guard = Guard::new(&self.shared.lock);
                let mut value = words::load(self.row(rows));
                let result = change(&mut value);
                self.write(rows, &value);
                result
            }
        }
    }

    /// How many words hold the value.
    const ROW: usize = words::words_for(size_of::<T>());

    fn row(&self, rows: [&'static [AtomicU64]; 2]) -> &'static [AtomicU64] {
        rows[usize::from(!self.shared.word.load(Relaxed).is_multiple_of(2))]
    }

    fn read(&self, rows: [&'static [AtomicU64]; 2]) -> T {
        for _ in 0..TRIES {
            // PAIR version: the row was filled before the version that names it.
            let version = self.shared.word.load(Acquire);
            let value = words::load(rows[usize::from(!version.is_multiple_of(2))]);
            // PAIR row: if a word of a later value was read, the version before it is seen.
            fence(Acquire);
            if self.shared.word.load(Relaxed) == version {
                return value;
            }
        }
        // Under the lock nobody raises the version but a faulty process.
        let _guard = (!self.shared.lock.is_mine()).then(|| Guard::new(&self.shared.lock));
        words::load(self.row(rows))
    }

    /// Fills the other row and shows it. The caller holds the lock.
    fn write(&self, rows: [&'static [AtomicU64]; 2], value: &T) {
        let version = self.shared.word.load(Relaxed);
        // PAIR row: whoever reads a word written below sees at least this version.
        fence(Release);
        words::store_bytes(rows[usize::from(version.is_multiple_of(2))], value.as_bytes());
        kill_point("value.flip");
        // PAIR version: with the load in `read`.
        self.shared.word.store(version.wrapping_add(1), Release);
        kill_point("value.flipped");
    }

    fn from_handle(handle: Handle) -> Result<Self, Error> {
        const OUTSIDE: Error = Error::Corrupt("a value lies outside its arena");
        let mapping = handle.arena().mapping();
        let shared: &Shared = mapping.get(handle.body()).ok_or(OUTSIDE)?;
        let rows = handle.body() + size_of::<Shared>();
        let row = |number: usize| mapping.slice(rows + number * Self::ROW * 8, Self::ROW);
        let word = handle.body() + std::mem::offset_of!(Shared, word);
        let storage = match Cell::width::<T>() {
            Some(_) => Storage::Small(Cell::at::<T>(mapping, word).ok_or(OUTSIDE)?),
            None => Storage::Large([row(0).ok_or(OUTSIDE)?, row(1).ok_or(OUTSIDE)?]),
        };
        Ok(Self { handle, shared, storage, plain: PhantomData })
    }
}

impl<T: Number> Value<T> {
    /// Adds `amount` and returns the value from before. Integers wrap around.
    #[inline]
    pub fn fetch_add(&self, amount: T) -> T {
        self.cell().fetch_add(amount)
    }

    /// Subtracts `amount` and returns the value from before. Integers wrap around.
    #[inline]
    pub fn fetch_sub(&self, amount: T) -> T {
        self.cell().fetch_add(amount.negated())
    }

    /// Replaces the value and returns the one from before.
    #[inline]
    pub fn swap(&self, value: T) -> T {
        self.cell().swap(value)
    }

    /// Replaces the value by `new` if it is `current`, and returns the value from before.
    ///
    /// Floats are compared by their bytes: zero is not minus zero, and the same not-a-number is.
    ///
    /// # Errors
    ///
    /// The value that was there instead of `current`.
    #[inline]
    pub fn compare_exchange(&self, current: T, new: T) -> Result<T, T> {
        self.cell().compare_exchange(current, new)
    }

    fn cell(&self) -> Cell {
        match self.storage {
            Storage::Small(cell) => cell,
            Storage::Large(_) => unreachable!("a number has at most eight bytes"),
        }
    }
}

impl<T: Plain> Serialize for Value<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.handle.serialize(serializer)
    }
}

impl<'de, T: Plain> Deserialize<'de> for Value<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let handle = Handle::deserialize(deserializer, Kind::Value, shape_of::<T>())?;
        Self::from_handle(handle).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[path = "value_tests.rs"]
mod tests;
