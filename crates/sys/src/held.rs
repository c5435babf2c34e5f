//! The locks that this thread holds, and the list of them that the kernel walks at its death.
//!
//! The links lie in the locks, where any process that shares them can overwrite them. So this
//! thread keeps a note of what it linked, and writes only to addresses that it knows: the head, the
//! links of the locks in its note, and nodes of the C library that it reaches from these. Where
//! the shared links say something else, the list is made anew from the note.
//!
//! The lock taken last is mostly the one released first, so it is noted by itself: `FRONT` names it,
//! `BASE` what it was put in front of. Whatever joins the list later is in front of both, so while
//! the head names `FRONT`, what follows it is `BASE`.
//!
//! # Safety
//!
//! A lock's memory is never unmapped. The note of a forked child is emptied before its first use,
//! as the child's list is.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
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
        // SAFETY: made from a `&'static` when it was put on the list; only the entries before `count` are asked.
        unsafe { &*self.lock }
    }

    fn link(self) -> *mut Link {
        self.lock().link()
    }
}

/// A thread's note of many locks. Has no destructor, so that it is there as long as the thread is.
struct Note {
    count: usize,
    few: [Held; FEW],
    /// Those after the first few; gives its memory back when it is empty.
    more: ManuallyDrop<Vec<Held>>,
}

thread_local! {
    /// The lock that was taken last, or null. It is not in `NOTE`.
    static FRONT: Cell<*const RobustLock> = const { Cell::new(ptr::null()) };

    /// The link of the last lock in `NOTE`, or the head if it has none. Null before the first use.
    static BASE: Cell<*mut Link> = const { Cell::new(ptr::null_mut()) };

    static NOTE: RefCell<Note> = const {
        RefCell::new(Note {
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
    let base = BASE.get();
    if read(head) != base || !FRONT.get().is_null() {
        return push_further(thread, lock);
    }
    FRONT.set(lock);
    lock.set_next(base);
    // From here on the kernel finds the lock on the list.
    write(head, lock.link());
}

/// Takes `lock` off the list of `thread`; false if it is not on it. Leaves it pending.
#[inline]
pub(crate) fn remove(thread: Thread, lock: &'static RobustLock) -> bool {
    let head = thread.list();
    if !ptr::eq(FRONT.get(), lock) || read(head) != lock.link() {
        return remove_among_others(thread, lock);
    }
    thread.set_pending(lock.link());
    FRONT.set(ptr::null());
    write(head, BASE.get());
    true
}

/// Whether `lock` is on the list of the calling thread.
pub(crate) fn contains(lock: &RobustLock) -> bool {
    ptr::eq(FRONT.get(), lock) || NOTE.with_borrow(|note| note.position(lock).is_some())
}

/// Empties the note: what it says is of the parent that this process was forked from.
pub(crate) fn forget_all() {
    FRONT.set(ptr::null());
    BASE.set(ptr::null_mut());
    NOTE.with_borrow_mut(|note| {
        note.count = 0;
        *note.more = Vec::new();
    });
}

/// As [`push`], when there is a front already, or a node of the C library.
fn push_further(thread: Thread, lock: &'static RobustLock) {
    let head = thread.list();
    NOTE.with_borrow_mut(|note| {
        note.take_over_front(head);
        let first = read(head);
        lock.set_next(first);
        if first == BASE.get() {
            FRONT.set(lock);
        } else {
            note.add(Held { lock, next: first });
            BASE.set(lock.link());
            // Perhaps the C library's, which must find us when it takes its node out.
            set_previous(first, lock.link());
        }
    });
    // From here on the kernel finds the lock on the list.
    write(head, lock.link());
}

/// As [`remove`], where the lock is not the front one, or not the first of the list.
fn remove_among_others(thread: Thread, lock: &'static RobustLock) -> bool {
    NOTE.with_borrow_mut(|note| {
        let head = thread.list();
        note.take_over_front(head);
        let Some(index) = note.position(lock) else { return false };
        thread.set_pending(lock.link());
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
        BASE.set(note.base(head));
        true
    })
}

impl Note {
    /// Notes the front lock with the others.
    fn take_over_front(&mut self, head: *mut Link) {
        let front = FRONT.replace(ptr::null());
        if !front.is_null() {
            self.add(Held { lock: front, next: BASE.get() });
        }
        BASE.set(self.base(head));
    }

    /// What the next front lock is put in front of.
    fn base(&self, head: *mut Link) -> *mut Link {
        self.count.checked_sub(1).map_or(head, |last| self.get(last).link())
    }

    fn get(&self, index: usize) -> Held {
        if index < FEW { self.few[index] } else { self.more[index - FEW] }
    }

    fn set(&mut self, index: usize, held: Held) {
        if index < FEW {
            self.few[index] = held;
        } else {
            self.more[index - FEW] = held;
        }
    }

    fn add(&mut self, held: Held) {
        if self.count < FEW {
            self.few[self.count] = held;
        } else {
            self.more.push(held);
        }
        self.count += 1;
    }

    /// Takes entry number `index` out. The others keep their order.
    fn forget(&mut self, index: usize) {
        self.count -= 1;
        for index in index..self.count {
            self.set(index, self.get(index + 1));
        }
        if self.count >= FEW {
            self.more.truncate(self.count - FEW);
            if self.count == FEW {
                *self.more = Vec::new();
            }
        }
    }

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
            held.lock().set_next(next);
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

#[cfg(test)]
#[path = "held_tests.rs"]
mod tests;
