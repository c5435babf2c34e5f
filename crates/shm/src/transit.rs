//! The handles that a message being written carries, so that they can be taken back if the message
//! is never sent.

use std::cell::RefCell;

use crate::arena::Arena;
use crate::arena::heap::{self, Place};

thread_local! {
    /// One list for each [`collect`] under way in this thread, the innermost last.
    static NOTED: RefCell<Vec<Vec<(&'static Arena, Place)>>> = const { RefCell::new(Vec::new()) };
}

/// The objects that a message carries. Dropped before [`sent`](Self::sent), they stay home.
#[derive(Debug, Default)]
#[must_use = "a message whose cargo is dropped was not sent"]
pub struct Cargo {
    objects: Vec<(&'static Arena, Place)>,
}

impl Cargo {
    /// Says that the message is on its way: whoever reads it takes the objects over.
    pub fn sent(mut self) {
        self.objects.clear();
    }
}

impl Drop for Cargo {
    fn drop(&mut self) {
        for (arena, place) in self.objects.drain(..) {
            // A corrupt arena is reported to whoever uses it next.
            let _ = heap::unsend(arena, place);
        }
    }
}

/// Runs `write`, which serializes a message, and returns with its result the handles that it
/// serialized.
///
/// For whoever sends messages by a way of its own, over a socket for example.
pub fn collect<R>(write: impl FnOnce() -> R) -> (R, Cargo) {
    /// Ends the list also when `write` panics.
    struct Ending;

    impl Ending {
        fn cargo() -> Cargo {
            let objects = NOTED.with_borrow_mut(Vec::pop).unwrap_or_default();
            Cargo { objects }
        }
    }

    impl Drop for Ending {
        fn drop(&mut self) {
            drop(Self::cargo());
        }
    }

    NOTED.with_borrow_mut(|noted| noted.push(Vec::new()));
    let ending = Ending;
    let result = write();
    std::mem::forget(ending);
    (result, Ending::cargo())
}

/// Notes that the message being written carries a handle of `place`.
pub(crate) fn note(arena: &'static Arena, place: Place) {
    NOTED.with_borrow_mut(|noted| {
        if let Some(objects) = noted.last_mut() {
            objects.push((arena, place));
        }
    });
}
