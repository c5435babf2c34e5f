//! Attaching descriptors to the parcel that is being packed, and taking them out again.
//!
//! These functions are for the `Serialize` and `Deserialize` implementations of types that hold
//! descriptors. They work on the parcel that this thread is packing
//! ([`encode_parcel`](crate::encode_parcel)) or unpacking
//! ([`decode_parcel`](crate::decode_parcel)). A parcel packed while another is being packed has
//! descriptors of its own, and [`encode`](crate::encode) and [`decode`](crate::decode) stand
//! outside of every parcel, wherever they are called.
//!
//! # Examples
//!
//! ```
//! use std::os::fd::AsFd;
//!
//! use brigade_codec::carry::{self, NotCarried};
//!
//! let file = std::fs::File::open("/dev/null")?;
//! assert!(matches!(carry::attach(file.as_fd()), Err(NotCarried::Outside)));
//! assert_eq!(carry::attach_shared(1, file.as_fd()), None);
//! # Ok::<(), std::io::Error>(())
//! ```

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use thiserror::Error;

use crate::limit::DESCRIPTORS;

/// A descriptor that could not be attached to a parcel, or taken from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotCarried {
    /// No parcel is being packed or unpacked by this thread.
    #[error("a descriptor travels only in a parcel, over a link that can pass descriptors")]
    Outside,
    /// The parcel holds [`DESCRIPTORS`] descriptors already.
    #[error("a parcel carries no more than {DESCRIPTORS} descriptors")]
    TooMany,
    /// The message names a descriptor that did not come with it, or was taken before.
    #[error("descriptor {index} did not arrive with the message")]
    Missing {
        /// The descriptor's place in the parcel.
        index: u32,
    },
    /// The descriptor could not be duplicated.
    #[error("cannot duplicate descriptor: {}", io::Error::from_raw_os_error(*code))]
    Duplicate {
        /// What the system said, as its error number.
        code: i32,
    },
}

impl NotCarried {
    fn duplicate(error: io::Error) -> Self {
        Self::Duplicate { code: error.raw_os_error().unwrap_or_default() }
    }
}

/// Attaches a duplicate of `descriptor` and returns its place in the parcel.
///
/// # Errors
///
/// [`NotCarried`] if no parcel is being packed, it is full, or the process has no descriptor left.
pub fn attach(descriptor: BorrowedFd<'_>) -> Result<u32, NotCarried> {
    noted(packing(|packing| packing.attach(descriptor)).unwrap_or(Err(NotCarried::Outside)))
}

/// Attaches a duplicate of `descriptor` unless the parcel holds `key` already, and returns its
/// place; `None` outside of a parcel.
///
/// Many handles that live behind one descriptor cost one descriptor: `key` says which they share.
/// If the descriptor cannot be attached the answer is `None` too, and the whole parcel fails with
/// the reason.
pub fn attach_shared(key: u128, descriptor: BorrowedFd<'_>) -> Option<u32> {
    packing(|packing| packing.attach_shared(key, descriptor)).flatten()
}

/// Takes the descriptor at `index` out of the parcel.
///
/// # Errors
///
/// [`NotCarried`] if no parcel is being unpacked, or the descriptor did not come with it or was
/// taken before.
pub fn take(index: u32) -> Result<OwnedFd, NotCarried> {
    noted(unpacking(index, |place| place.take().ok_or(NotCarried::Missing { index })))
}

/// Duplicates the descriptor at `index`, which stays in the parcel for the next who shares it.
///
/// # Errors
///
/// As [`take`], and if the process has no descriptor left.
pub fn borrow(index: u32) -> Result<OwnedFd, NotCarried> {
    noted(unpacking(index, |place| match place {
        Some(descriptor) => descriptor.try_clone().map_err(NotCarried::duplicate),
        None => Err(NotCarried::Missing { index }),
    }))
}

thread_local! {
    /// What this thread is packing and unpacking, innermost last.
    static SCOPES: RefCell<Vec<Scope>> = const { RefCell::new(Vec::new()) };
    /// What went wrong last. Serializers can pass on no more than a text, and some not even that.
    static FAULT: Cell<Option<NotCarried>> = const { Cell::new(None) };
}

/// Runs `work` and, if it fails, says which descriptor was at fault, if one was.
pub(crate) fn explain<R, E>(work: impl FnOnce() -> Result<R, E>) -> Result<R, Failure<E>> {
    FAULT.set(None);
    work().map_err(|error| FAULT.take().map_or(Failure::Other(error), Failure::NotCarried))
}

/// Why a value was not written or read.
pub(crate) enum Failure<E> {
    NotCarried(NotCarried),
    Other(E),
}

fn noted<R>(result: Result<R, NotCarried>) -> Result<R, NotCarried> {
    if let Err(fault) = &result {
        FAULT.set(Some(*fault));
    }
    result
}

enum Scope {
    Packing(Packing),
    Unpacking(Vec<Option<OwnedFd>>),
    Outside,
}

#[derive(Default)]
struct Packing {
    descriptors: Vec<OwnedFd>,
    shared: Vec<(u128, u32)>,
    /// Why something that had no way to say so was not attached.
    fault: Option<NotCarried>,
}

impl Packing {
    fn attach(&mut self, descriptor: BorrowedFd<'_>) -> Result<u32, NotCarried> {
        if self.descriptors.len() >= DESCRIPTORS {
            return Err(NotCarried::TooMany);
        }
        let duplicate = descriptor.try_clone_to_owned().map_err(NotCarried::duplicate)?;
        let index = u32::try_from(self.descriptors.len()).map_err(|_| NotCarried::TooMany)?;
        self.descriptors.push(duplicate);
        Ok(index)
    }

    fn attach_shared(&mut self, key: u128, descriptor: BorrowedFd<'_>) -> Option<u32> {
        if let Some(&(_, index)) = self.shared.iter().find(|(held, _)| *held == key) {
            return Some(index);
        }
        match self.attach(descriptor) {
            Ok(index) => {
                self.shared.push((key, index));
                Some(index)
            }
            Err(fault) => {
                self.fault = Some(fault);
                None
            }
        }
    }
}

/// Runs `work`, which packs a parcel, and returns the descriptors that were attached meanwhile.
pub(crate) fn pack<R>(work: impl FnOnce() -> R) -> (R, Result<Vec<OwnedFd>, NotCarried>) {
    let (result, scope) = within(Scope::Packing(Packing::default()), work);
    let descriptors = match scope {
        Some(Scope::Packing(Packing { fault: None, descriptors, .. })) => Ok(descriptors),
        Some(Scope::Packing(Packing { fault: Some(fault), .. })) => Err(fault),
        _ => Err(NotCarried::Outside),
    };
    (result, descriptors)
}

/// Runs `work`, which unpacks a parcel with these descriptors; those it does not take are closed.
pub(crate) fn unpack<R>(descriptors: Vec<OwnedFd>, work: impl FnOnce() -> R) -> R {
    within(Scope::Unpacking(descriptors.into_iter().map(Some).collect()), work).0
}

/// Runs `work` outside of whatever parcel this thread works on.
pub(crate) fn outside<R>(work: impl FnOnce() -> R) -> R {
    if SCOPES.with_borrow(Vec::is_empty) { work() } else { within(Scope::Outside, work).0 }
}

fn within<R>(scope: Scope, work: impl FnOnce() -> R) -> (R, Option<Scope>) {
    /// Leaves the scope also when `work` panics.
    struct Leave;

    impl Drop for Leave {
        fn drop(&mut self) {
            // Dropped outside of the borrow, because dropping closes descriptors.
            let _scope = SCOPES.with_borrow_mut(Vec::pop);
        }
    }

    SCOPES.with_borrow_mut(|scopes| scopes.push(scope));
    let leave = Leave;
    let result = work();
    std::mem::forget(leave);
    (result, SCOPES.with_borrow_mut(Vec::pop))
}

fn packing<R>(work: impl FnOnce(&mut Packing) -> R) -> Option<R> {
    SCOPES.with_borrow_mut(|scopes| match scopes.last_mut() {
        Some(Scope::Packing(packing)) => Some(work(packing)),
        _ => None,
    })
}

fn unpacking<R>(
    index: u32,
    work: impl FnOnce(&mut Option<OwnedFd>) -> Result<R, NotCarried>,
) -> Result<R, NotCarried> {
    SCOPES.with_borrow_mut(|scopes| match scopes.last_mut() {
        Some(Scope::Unpacking(places)) => {
            let place = usize::try_from(index).ok().and_then(|index| places.get_mut(index));
            place.map_or(Err(NotCarried::Missing { index }), work)
        }
        _ => Err(NotCarried::Outside),
    })
}
