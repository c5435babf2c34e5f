//! The handles that a message being written carries, so that they can be taken back if the message
//! is never sent.

use std::cell::{Cell, RefCell};

use crate::arena::Arena;
use crate::arena::heap::{self, Arrival, Place};

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
    pub(crate) fn objects(&self) -> &[(&'static Arena, Place)] {
        &self.objects
    }

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

thread_local! {
    /// Whether this thread reads what its parent holds in its process's name, and no message.
    static INHERITS: Cell<bool> = const { Cell::new(false) };
}

/// Runs `read`: the handles that it reads are held in this process's name already.
pub(crate) fn inherit<R>(read: impl FnOnce() -> R) -> R {
    /// Ends the inheritance also when `read` panics.
    struct Ending(bool);

    impl Drop for Ending {
        fn drop(&mut self) {
            INHERITS.set(self.0);
        }
    }

    let _ending = Ending(INHERITS.replace(true));
    read()
}

/// How the handles that this thread reads come to it.
pub(crate) fn arrival() -> Arrival {
    if INHERITS.get() { Arrival::Inheritance } else { Arrival::Message }
}

/// Notes that the message being written carries a handle of `place`.
pub(crate) fn note(arena: &'static Arena, place: Place) {
    NOTED.with_borrow_mut(|noted| {
        if let Some(objects) = noted.last_mut() {
            objects.push((arena, place));
        }
    });
}
