//! The queue that lends its memory: a message is written where it is read, and copied nowhere.
//!
//! # Safety
//!
//! The elements of a slot are reached through a [`Loan`] or a [`Borrowed`] alone. A slot whose word
//! says that it is lent to this process, or read by it, has one of these and no other user; see
//! [`slots`](self::slots). They are [`Plain`], so whatever the last user left is valid.
#![allow(unsafe_code)]

mod error;
mod layout;
mod slots;

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use brigade_sys::atomic::Ordering::Relaxed;
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Sleep, Waitable};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use self::error::{LoanError, LoanTimeoutError, SendLoanError, TryLoanError};
use self::layout::{Layout, MAX_SLOTS, SHARED_AT, Shared};
use self::slots::{CORRUPT, Lack, Silence, Slots};
use super::endpoint::{Consumer, Producer};
use super::error::{GetError, GetFailure, GetTimeoutError, TryGetError};
use crate::arena::block::Kind;
use crate::arena::census::Tag;
use crate::arena::heap::Plan;
use crate::error::Error;
use crate::handle::Handle;
use crate::plain::{Plain, shape_of};
use crate::sides::{PARTS, Side};

/// A queue, first in first out, of slices that are written and read in place.
///
/// A producer [borrows](Self::loan) a slot, writes into it and [sends](Loan::send) it; a consumer
/// [gets](Self::get) it, reads it where it is, and the slot is free again when it is dropped. What
/// that costs does not depend on how long the messages are. For short messages, and for values that
/// are not [`Plain`], there is [`Queue`](super::Queue).
///
/// # Process death
///
/// A slot that was lent to a process that dies, or that it read, is free again at once for whoever
/// needs one: what it had not sent never happened, and what it had got is gone with it. A process
/// killed while it sends has sent the message or has not. Nobody waits for the dead.
///
/// # Examples
///
/// ```
/// use brigade_shm::LoanQueue;
///
/// // Four slots of a thousand numbers each.
/// let samples = LoanQueue::<f32>::new(4, 1_000)?;
/// let mut loan = samples.loan()?;
/// loan[..3].copy_from_slice(&[1.0, 2.0, 3.0]);
/// loan.send(3)?;
/// let message = samples.get()?;
/// assert_eq!(message[..], [1.0, 2.0, 3.0]);
/// # drop(message);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct LoanQueue<T: Plain> {
    slots: Arc<Slots>,
    /// The elements of slot 0; those of the others follow.
    elements: NonNull<u8>,
    values: PhantomData<fn(T) -> T>,
}

// SAFETY: the elements are reached through loans only, which see to it that they have one user; and
// they are `Plain`, which is `Send` and `Sync`.
unsafe impl<T: Plain> Send for LoanQueue<T> {}
// SAFETY: as above.
unsafe impl<T: Plain> Sync for LoanQueue<T> {}

impl<T: Plain> Clone for LoanQueue<T> {
    /// Returns another handle of the same queue.
    fn clone(&self) -> Self {
        Self { slots: Arc::clone(&self.slots), elements: self.elements, values: PhantomData }
    }
}

impl<T: Plain> fmt::Debug for LoanQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoanQueue").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T: Plain> LoanQueue<T> {
    /// Creates a queue of `slots` slots, between 1 and 65,536, with `length` elements each.
    ///
    /// Messages that wait, loans and messages that are read have a slot each.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for another number of slots or no elements; otherwise fails when there is
    /// no memory.
    pub fn new(slots: usize, length: usize) -> Result<Self, Error> {
        const {
            assert!(align_of::<T>() <= 64, "slots are aligned to 64 bytes");
            assert!(size_of::<T>() > 0, "elements have a size");
        }
        let invalid = |expectation| Error::Invalid { kind: "queue", expectation };
        if slots == 0 || slots > MAX_SLOTS {
            return Err(invalid("it has between 1 and 65536 slots"));
        }
        if length == 0 {
            return Err(invalid("a slot has at least 1 element"));
        }
        let layout = Layout { slots, length, element: size_of::<T>() };
        let length = layout.total().ok_or_else(|| invalid("its slots fit into the memory"))?;
        let parts = PARTS as u32;
        let plan = Plan { kind: Kind::Loans, shape: shape_of::<T>(), length, parts };
        let handle = Handle::create(plan)?;
        let at = handle.body() + SHARED_AT;
        let shared: &Shared = handle.arena().mapping().get(at).ok_or(CORRUPT)?;
        shared.slots.store(layout.slots as u64, Relaxed);
        shared.length.store(layout.length as u64, Relaxed);
        let queue = Self::open(handle)?;
        let bell = |bell: usize| at + bell;
        let sides = queue.slots.sides();
        sides.create(Side::Sending, bell(std::mem::offset_of!(Shared, not_empty)))?;
        sides.create(Side::Receiving, bell(std::mem::offset_of!(Shared, not_full)))?;
        Ok(queue)
    }

    fn open(handle: Handle) -> Result<Self, Error> {
        let slots = Slots::open(handle, size_of::<T>())?;
        let (layout, handle) = (slots.layout, &slots.handle);
        let length = layout.stride().and_then(|stride| stride.checked_mul(layout.slots));
        let at = handle.body() + layout.elements_at();
        let elements = handle.arena().mapping().bytes(at, length.ok_or(CORRUPT)?).ok_or(CORRUPT)?;
        let elements = NonNull::new(elements).ok_or(CORRUPT)?;
        Ok(Self { slots: Arc::new(slots), elements, values: PhantomData })
    }

    /// Registers the caller as a producer: the queue ends when the last one is gone or dead.
    ///
    /// # Errors
    ///
    /// Fails when the queue's memory is corrupt.
    pub fn producer(&self) -> Result<Producer<T, Self>, Error> {
        Ok(Producer::new(self.clone(), self.slots.sides().enter(Side::Sending)?))
    }

    /// Registers the caller as a consumer: loans are refused when the last one is gone or dead.
    ///
    /// # Errors
    ///
    /// Fails when the queue's memory is corrupt.
    pub fn consumer(&self) -> Result<Consumer<T, Self>, Error> {
        Ok(Consumer::new(self.clone(), self.slots.sides().enter(Side::Receiving)?))
    }

    /// Ends the queue: loans and sends are refused from now on, and gets when it is empty.
    ///
    /// # Process death
    ///
    /// One store ends it: a process killed in here has ended the queue or has not.
    pub fn close(&self) {
        self.slots.close();
    }

    /// Whether the queue was [closed](Self::close).
    pub fn is_closed(&self) -> bool {
        self.slots.is_closed()
    }

    /// How many messages wait now.
    #[doc(alias = "qsize")]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether no message waits now.
    #[doc(alias = "empty")]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many slots there are.
    pub fn slots(&self) -> usize {
        self.slots.layout.slots
    }

    /// How many elements a slot has.
    pub fn slot_length(&self) -> usize {
        self.slots.layout.length
    }

    /// Borrows a slot to write a message into, blocking while all are in use.
    ///
    /// # Errors
    ///
    /// [`LoanError::Closed`] when nobody would get the message.
    ///
    /// # Deadlock
    ///
    /// One who has all the slots itself and asks for another waits for itself.
    pub fn loan(&self) -> Result<Loan<T>, LoanError> {
        self.lend(Deadline::NEVER).map_err(|lack| match lack {
            Lack::Full | Lack::Closed => LoanError::Closed,
            Lack::Failed(error) => LoanError::Memory(error),
        })
    }

    /// Borrows a slot to write a message into if one is free.
    ///
    /// # Errors
    ///
    /// [`TryLoanError::Full`] when all are in use, [`TryLoanError::Closed`] as for
    /// [`loan`](Self::loan).
    pub fn try_loan(&self) -> Result<Loan<T>, TryLoanError> {
        self.lend(Deadline::after(Duration::ZERO)).map_err(|lack| match lack {
            Lack::Full => TryLoanError::Full,
            Lack::Closed => TryLoanError::Closed,
            Lack::Failed(error) => TryLoanError::Memory(error),
        })
    }

    /// Borrows a slot to write a message into, blocking at most for `timeout`.
    ///
    /// # Errors
    ///
    /// [`LoanTimeoutError::TimedOut`] when all were in use, [`LoanTimeoutError::Closed`] as for
    /// [`loan`](Self::loan).
    pub fn loan_timeout(&self, timeout: Duration) -> Result<Loan<T>, LoanTimeoutError> {
        self.lend(Deadline::after(timeout)).map_err(|lack| match lack {
            Lack::Full => LoanTimeoutError::TimedOut,
            Lack::Closed => LoanTimeoutError::Closed,
            Lack::Failed(error) => LoanTimeoutError::Memory(error),
        })
    }

    /// Gets the next message, to be read in place, blocking until there is one.
    ///
    /// # Errors
    ///
    /// [`GetError::Closed`] at the end of the queue.
    pub fn get(&self) -> Result<Borrowed<T>, GetError> {
        self.receive(Deadline::NEVER).map_err(|silence| match silence {
            Silence::Empty | Silence::Closed => GetError::Closed,
            Silence::Failed(error) => GetError::Failed(GetFailure::Memory(error)),
        })
    }

    /// Gets the next message if there is one.
    ///
    /// # Errors
    ///
    /// [`TryGetError::Empty`] when there is none yet, [`TryGetError::Closed`] at the end.
    #[doc(alias = "get_nowait")]
    pub fn try_get(&self) -> Result<Borrowed<T>, TryGetError> {
        self.receive(Deadline::after(Duration::ZERO)).map_err(|silence| match silence {
            Silence::Empty => TryGetError::Empty,
            Silence::Closed => TryGetError::Closed,
            Silence::Failed(error) => TryGetError::Failed(GetFailure::Memory(error)),
        })
    }

    /// Gets the next message, blocking at most for `timeout`.
    ///
    /// # Errors
    ///
    /// [`GetTimeoutError::TimedOut`] when there is none in time, [`GetTimeoutError::Closed`] at the
    /// end.
    pub fn get_timeout(&self, timeout: Duration) -> Result<Borrowed<T>, GetTimeoutError> {
        self.receive(Deadline::after(timeout)).map_err(|silence| match silence {
            Silence::Empty => GetTimeoutError::TimedOut,
            Silence::Closed => GetTimeoutError::Closed,
            Silence::Failed(error) => GetTimeoutError::Failed(GetFailure::Memory(error)),
        })
    }

    /// Gets messages until the queue ends.
    pub fn iter(&self) -> impl Iterator<Item = Borrowed<T>> {
        std::iter::from_fn(|| self.get().ok())
    }

    /// What is ready when a slot is free.
    pub(crate) fn room(&self) -> impl Waitable + Send + Sync + 'static {
        Room(self.clone())
    }

    #[inline]
    fn lend(&self, deadline: Deadline) -> Result<Loan<T>, Lack> {
        let (index, tag) = self.slots.lend(deadline)?;
        Ok(Loan { held: self.held(index, tag, self.slots.layout.length) })
    }

    #[inline]
    fn receive(&self, deadline: Deadline) -> Result<Borrowed<T>, Silence> {
        let (index, tag, used) = self.slots.receive(deadline)?;
        Ok(Borrowed { held: self.held(index, tag, used) })
    }

    fn held(&self, index: usize, tag: Tag, length: usize) -> Held<T> {
        let stride = self.slots.layout.stride().unwrap_or(0);
        // SAFETY: there are as many slots as `index` is below, each of `stride` bytes, which were
        // found to lie inside the mapping.
        let first = unsafe { self.elements.add(index * stride) }.cast();
        let elements = NonNull::slice_from_raw_parts(first, length);
        Held { queue: self.clone(), slot: Some((index, tag)), elements }
    }
}

/// A slot that this process has. Dropped, it is free.
struct Held<T: Plain> {
    queue: LoanQueue<T>,
    /// Which, and which process's; nothing when it is a message again.
    slot: Option<(usize, Tag)>,
    elements: NonNull<[T]>,
}

impl<T: Plain> Drop for Held<T> {
    fn drop(&mut self) {
        if let Some((index, tag)) = self.slot {
            self.queue.slots.give_back(index, tag);
        }
    }
}

/// A slot of a [`LoanQueue`] to write a message into. Goes back unsent when dropped.
///
/// Its elements are what its last user left. A loan that is forgotten keeps its slot for the life of
/// its process.
#[must_use = "the slot is given back when the loan is dropped"]
pub struct Loan<T: Plain> {
    held: Held<T>,
}

// SAFETY: the elements are this loan's alone, whichever thread has it; `T` is `Send` and `Sync`.
unsafe impl<T: Plain> Send for Loan<T> {}
// SAFETY: as above; a shared loan gives shared access.
unsafe impl<T: Plain> Sync for Loan<T> {}

impl<T: Plain> Loan<T> {
    /// Sends the first `length` elements; all, if there are not as many.
    ///
    /// # Errors
    ///
    /// [`SendLoanError`], with the loan.
    ///
    /// # Process death
    ///
    /// A process killed in here has sent the message, or the slot is free again.
    pub fn send(mut self, length: usize) -> Result<(), SendLoanError<Self>> {
        let Held { queue, slot, elements } = &mut self.held;
        let Some((index, tag)) = *slot else { return Err(SendLoanError::NotHeld(self)) };
        match queue.slots.send(index, tag, length.min(elements.len())) {
            Ok(true) => {
                // Perhaps another thread of this process reads it already.
                *slot = None;
                Ok(())
            }
            Ok(false) | Err(Lack::Full | Lack::Failed(_)) => Err(SendLoanError::NotHeld(self)),
            Err(Lack::Closed) => Err(SendLoanError::Closed(self)),
        }
    }
}

impl<T: Plain> Deref for Loan<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the slot is lent to this process and has this one loan; its elements are aligned,
        // inside the mapping, and valid for every bit pattern.
        unsafe { self.held.elements.as_ref() }
    }
}

impl<T: Plain> DerefMut for Loan<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above; and the loan is borrowed mutably, so this is the only reference.
        unsafe { self.held.elements.as_mut() }
    }
}

impl<T: Plain> fmt::Debug for Loan<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loan").field("length", &self.len()).finish_non_exhaustive()
    }
}

/// A message of a [`LoanQueue`], where it was written. Its slot is free again when it is dropped.
#[must_use = "the slot is given back when the message is dropped"]
pub struct Borrowed<T: Plain> {
    held: Held<T>,
}

// SAFETY: it gives shared access only, to elements that nobody writes while it is there; `T` is
// `Send` and `Sync`.
unsafe impl<T: Plain> Send for Borrowed<T> {}
// SAFETY: as above.
unsafe impl<T: Plain> Sync for Borrowed<T> {}

impl<T: Plain> Deref for Borrowed<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: this process reads the slot, so nobody writes it; its elements are aligned,
        // inside the mapping, and valid for every bit pattern.
        unsafe { self.held.elements.as_ref() }
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for Borrowed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// Ready when there is a message, or the end.
impl<T: Plain> Waitable for LoanQueue<T> {
    fn is_ready(&self) -> bool {
        self.slots.may_receive()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.slots.prepare_receive(sleep);
    }
}

/// A queue as one waits for a slot of it.
struct Room<T: Plain>(LoanQueue<T>);

impl<T: Plain> Waitable for Room<T> {
    fn is_ready(&self) -> bool {
        self.0.slots.may_lend()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.0.slots.prepare_lend(sleep);
    }
}

impl<T: Plain> Serialize for LoanQueue<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.slots.handle.serialize(serializer)
    }
}

impl<'de, T: Plain> Deserialize<'de> for LoanQueue<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let handle = Handle::deserialize(deserializer, Kind::Loans, shape_of::<T>())?;
        Self::open(handle).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
