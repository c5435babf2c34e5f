//! A thread as the model's kernel knows it: its id and its robust list.
//!
//! # Safety
//!
//! A link that the code under test passes is the head's of the acting thread, or one of a lock in
//! the model's memory: an aligned address-sized field either way, which lives for ever.
#![allow(unsafe_code)]

use std::ptr;
use std::sync::atomic::AtomicPtr;
use std::sync::atomic::Ordering::Relaxed;

use crate::engine::Shape;
use crate::mutant::{Fault, Kind};
use crate::world::{self, MAIN, Turn};

/// How many bytes before its link a robust word lies.
pub const ROBUST_OFFSET: usize = 32;

/// What stands in a list: the address of the next link.
#[repr(C)]
pub(crate) struct Link {
    pub(crate) next: *mut Link,
}

/// The acting thread.
#[derive(Clone, Copy)]
pub(crate) struct Thread {
    pub(crate) tid: u32,
    head: &'static Head,
    pub(crate) fork_generation: u32,
}

#[repr(C)]
#[derive(Default)]
struct Head {
    previous: AtomicPtr<Link>,
    list: AtomicPtr<Link>,
    pending: AtomicPtr<Link>,
}

std::thread_local! {
    /// Made once for each thread that runs models.
    static HEADS: &'static [Head] = Box::leak((0..=MAIN).map(|_| Head::default()).collect());
}

/// How often this process is the child of a fork: never.
pub fn fork_generation() -> u32 {
    0
}

/// Empties the lists of all threads.
pub(crate) fn reset() {
    for index in 0..=MAIN {
        let thread = Thread::of(index);
        thread.head.list.store(thread.list(), Relaxed);
        thread.head.pending.store(ptr::null_mut(), Relaxed);
    }
}

impl Thread {
    pub(crate) fn current() -> Self {
        Self::of(world::with(|world| world.current))
    }

    fn of(index: usize) -> Self {
        // There are at most eight.
        let head = HEADS.with(|heads| &heads[index]);
        Self { tid: 101 + index as u32, head, fork_generation: 0 }
    }

    #[track_caller]
    pub(crate) fn set_pending(self, link: *mut Link) {
        let place = world::place();
        match world::begin(0, Shape::None, Fault::new(Kind::Pending), place) {
            Turn::LeftOut => {}
            _ => {
                self.head.pending.store(link, Relaxed);
                world::note(Kind::Pending, place, link.addr().wrapping_sub(ROBUST_OFFSET), 0);
            }
        }
    }

    #[track_caller]
    pub(crate) fn clear_pending(self) {
        self.set_pending(ptr::null_mut());
    }

    pub(crate) fn pending(self) -> *mut Link {
        self.head.pending.load(Relaxed)
    }

    pub(crate) fn list(self) -> *mut Link {
        ptr::from_ref(&self.head.list).cast_mut().cast()
    }

    pub(crate) fn read_in_kernel(self, link: *mut Link) -> *mut Link {
        read(link)
    }
}

/// What the field at `link` says.
pub(crate) fn read(link: *mut Link) -> *mut Link {
    field(link).load(Relaxed)
}

/// Changes the field at `link`. From here on the kernel sees it.
#[track_caller]
pub(crate) fn write(link: *mut Link, next: *mut Link) {
    let place = world::place();
    match world::begin(0, Shape::None, Fault::new(Kind::Link), place) {
        Turn::LeftOut => {}
        _ => {
            field(link).store(next, Relaxed);
            world::note(Kind::Link, place, link.addr(), next.addr() as u64);
        }
    }
}

/// Writes the "previous" field that lies in the eight bytes before a link.
#[track_caller]
pub(crate) fn set_previous(link: *mut Link, previous: *mut Link) {
    write(untagged(link).cast::<*mut Link>().wrapping_sub(1).cast(), previous);
}

/// The address without the C library's mark.
pub(crate) fn untagged(link: *mut Link) -> *mut Link {
    link.map_addr(|address| address & !1)
}

fn field(link: *mut Link) -> &'static AtomicPtr<Link> {
    // SAFETY: see the head of this file. Links in the model's memory are `AtomicPtr`s as well.
    unsafe { &*link.cast::<AtomicPtr<Link>>() }
}
