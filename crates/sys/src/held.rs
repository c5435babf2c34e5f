//! The locks that this thread holds, and the list of them that the kernel walks at its death.
//!
//! The links lie in the locks, where any process that shares them can overwrite them. So this
//! thread keeps a note of what it linked, and writes only to addresses that it knows: the head, the
//! links of the locks in its note, and nodes of the C library that it reaches from these. Where
//! the shared links say something else, the list is made anew from the note.
//!
//! # Safety
//!
//! A lock's memory is never unmapped. The note of a forked child starts empty, as the child's list
//! does.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::ptr;

use crate::robust::RobustLock;
use crate::thread::{Link, Thread, read, set_previous, untagged, write};

/// How many locks a thread holds before its note takes memory.
const FEW: usize = 8;

/// How many links are followed in search of one: as many as the kernel follows.
const LIMIT: usize = 2048;

/// A lock on the list, and the link that was put behind it.
#[derive(Clone, Copy)]
struct Held {
    lock: *const RobustLock,
    next: *mut Link,
}

impl Held {
    const NONE: Self = Self { lock: ptr::null(), next: ptr::null_mut() };

    fn lock(self) -> &'static RobustLock {
        // SAFETY: made from a `&'static` in `push`; only the entries before `count` are asked.
        unsafe { &*self.lock }
    }

    fn link(self) -> *mut Link {
        self.lock().link()
    }
}

/// A thread's note. Has no destructor, so that it is there as long as the thread is.
struct Note {
    fork_generation: u32,
    count: usize,
    few: [Held; FEW],
    /// Those after the first few; gives its memory back when it is empty.
    more: ManuallyDrop<Vec<Held>>,
}

thread_local! {
    static NOTE: RefCell<Note> = const {
        RefCell::new(Note {
            fork_generation: 0,
            count: 0,
            few: [Held::NONE; FEW],
            more: ManuallyDrop::new(Vec::new()),
        })
    };
}

/// Puts `lock`, which `thread` has just taken, at the front of its list.
#[inline]
pub(crate) fn push(thread: Thread, lock: &'static RobustLock) {
    let head = thread.list();
    let first = read(head);
    lock.set_links(head, first);
    set_previous(first, lock.link());
    // From here on the kernel finds the lock on the list.
    write(head, lock.link());
    NOTE.with_borrow_mut(|note| note.of(thread).add(Held { lock, next: first }));
}

/// Takes `lock` off the list of `thread`; false if it is not on it.
#[inline]
pub(crate) fn remove(thread: Thread, lock: &'static RobustLock) -> bool {
    NOTE.with_borrow_mut(|note| {
        let note = note.of(thread);
        let Some(index) = note.position(lock) else { return false };
        thread.set_pending(lock.link());
        let head = thread.list();
        let next = note.next_of(head, index);
        let previous = note.previous_of(head, lock.link());
        note.forget(index);
        if let (Some(previous), Some(next)) = (previous, next) {
            set_previous(next, previous);
            write(previous, next);
            if previous != head {
                note.remember(previous, next);
            }
        } else {
            note.relink(head);
        }
        true
    })
}

/// Whether `lock` is on the list of `thread`.
pub(crate) fn contains(thread: Thread, lock: &RobustLock) -> bool {
    NOTE.with_borrow_mut(|note| note.of(thread).position(lock).is_some())
}

impl Note {
    /// The note, emptied if it is a parent's.
    #[inline]
    fn of(&mut self, thread: Thread) -> &mut Self {
        if self.fork_generation != thread.fork_generation {
            self.fork_generation = thread.fork_generation;
            self.count = 0;
            *self.more = Vec::new();
        }
        self
    }

    #[inline]
    fn get(&self, index: usize) -> Held {
        if index < FEW { self.few[index] } else { self.more[index - FEW] }
    }

    #[inline]
    fn set(&mut self, index: usize, held: Held) {
        if index < FEW {
            self.few[index] = held;
        } else {
            self.more[index - FEW] = held;
        }
    }

    #[inline]
    fn add(&mut self, held: Held) {
        if self.count < FEW {
            self.few[self.count] = held;
        } else {
            self.more.push(held);
        }
        self.count += 1;
    }

    #[inline]
    fn forget(&mut self, index: usize) {
        let last = self.get(self.count - 1);
        self.set(index, last);
        self.count -= 1;
        if self.count >= FEW {
            self.more.truncate(self.count - FEW);
            if self.count == FEW {
                *self.more = Vec::new();
            }
        }
    }

    #[inline]
    fn position(&self, lock: &RobustLock) -> Option<usize> {
        (0..self.count).rev().find(|&index| ptr::eq(self.get(index).lock, lock))
    }

    fn position_of_link(&self, link: *mut Link) -> Option<usize> {
        (0..self.count).rev().find(|&index| self.get(index).link() == link)
    }

    /// Notes that `next` was put behind the lock whose link is `link`.
    #[cold]
    fn remember(&mut self, link: *mut Link, next: *mut Link) {
        if let Some(index) = self.position_of_link(link) {
            let held = self.get(index);
            self.set(index, Held { next, ..held });
        }
    }

    /// What follows the lock number `index`; `None` when that cannot be trusted.
    #[inline]
    fn next_of(&self, head: *mut Link, index: usize) -> Option<*mut Link> {
        let held = self.get(index);
        let shared = held.lock().next();
        // Another link is right if the C library has taken out the node between; then we know it,
        // unless it is the library's as well. Nothing tells that from an overwritten one.
        let known = shared == held.next
            || untagged(shared) == head
            || self.position_of_link(untagged(shared)).is_some();
        known.then_some(shared)
    }

    /// What stands before `link`; `None` when it cannot be found.
    #[inline]
    fn previous_of(&self, head: *mut Link, link: *mut Link) -> Option<*mut Link> {
        let mut at = head;
        let mut next = read(head);
        for _ in 0..LIMIT {
            if untagged(next) == link {
                return Some(at);
            }
            at = untagged(next);
            if at == head {
                break;
            }
            next = match self.position_of_link(at) {
                Some(index) => self.next_of(head, index)?,
                // The C library's: reached from links that are known.
                None => read(at),
            };
        }
        None
    }

    /// Makes the list of the locks in the note alone. The C library's are no longer on it: they
    /// work as before, but their holder's death is not noticed.
    #[cold]
    fn relink(&mut self, head: *mut Link) {
        let mut next = head;
        for index in 0..self.count {
            let held = self.get(index);
            held.lock().set_links(head, next);
            set_previous(next, held.link());
            self.set(index, Held { next, ..held });
            next = held.link();
        }
        if self.count == 0 {
            set_previous(head, head);
        }
        write(head, next);
    }
}
