//! # Safety
//!
//! Each mutex lies in memory that is never unmapped, is initialised before it is shared, and is
//! locked and unlocked by the thread that holds it.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use super::*;
use crate::memory::{Mapping, create};
use crate::robust::Acquired;
use crate::test_processes::{Child, die};
use crate::time::Deadline;

/// Something on the robust list: a lock of ours, or a robust mutex of the C library.
#[derive(Clone, Copy)]
enum Node {
    Ours(&'static RobustLock),
    Theirs(*mut libc::pthread_mutex_t),
}

impl Node {
    fn lock(self) -> Acquired {
        match self {
            Self::Ours(lock) => lock.lock(Deadline::NEVER).expect("no time-out"),
            // SAFETY: see the head of this file.
            Self::Theirs(mutex) => match unsafe { libc::pthread_mutex_lock(mutex) } {
                libc::EOWNERDEAD => Acquired::OwnerDied,
                code => {
                    assert_eq!(code, 0);
                    Acquired::Clean
                }
            },
        }
    }

    fn unlock(self) {
        match self {
            Self::Ours(lock) => lock.unlock(),
            // SAFETY: see the head of this file.
            Self::Theirs(mutex) => assert_eq!(unsafe { libc::pthread_mutex_unlock(mutex) }, 0),
        }
    }
}

/// Two locks and two mutexes, in new memory.
fn nodes() -> [Node; 4] {
    let mapping = Mapping::new(create("held-test", 4096).expect("memory"), 4096).expect("map");
    let ours = |offset| Node::Ours(mapping.get(offset).expect("aligned"));
    let theirs = |offset| {
        let mutex = mapping.bytes(offset, size_of::<libc::pthread_mutex_t>()).expect("inside");
        let mutex: *mut libc::pthread_mutex_t = mutex.cast();
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: memory for an attribute object.
        unsafe { libc::pthread_mutexattr_init(attributes.as_mut_ptr()) };
        let attributes = attributes.as_mut_ptr();
        // SAFETY: initialised above.
        unsafe { libc::pthread_mutexattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED) };
        // SAFETY: initialised above.
        unsafe { libc::pthread_mutexattr_setrobust(attributes, libc::PTHREAD_MUTEX_ROBUST) };
        // SAFETY: memory for a mutex that nobody else knows yet.
        unsafe { libc::pthread_mutex_init(mutex, attributes) };
        Node::Theirs(mutex)
    };
    [ours(0), theirs(512), ours(64), theirs(1024)]
}

/// Every order of four things.
fn orders() -> impl Iterator<Item = [usize; 4]> {
    (0..256).filter_map(|number| {
        let order = [number & 3, number >> 2 & 3, number >> 4 & 3, number >> 6 & 3];
        (0..4).all(|index| order.contains(&index)).then_some(order)
    })
}

#[test]
fn a_list_shared_with_the_c_library_is_whole_after_any_order_of_releases() {
    for taken in orders() {
        let nodes = nodes();
        let ended = Child::run(|| {
            for released in orders() {
                for index in taken {
                    assert_eq!(nodes[index].lock(), Acquired::Clean);
                }
                for index in released {
                    nodes[index].unlock();
                }
            }
            // Two stay, one of them taken again: the kernel must find both.
            for index in taken {
                let _ = nodes[index].lock();
            }
            for place in [1, 3, 0] {
                nodes[taken[place]].unlock();
            }
            let _ = nodes[taken[3]].lock();
            die();
        })
        .join();
        assert_eq!(ended, crate::test_processes::Ended::Signal(libc::SIGKILL));
        for (place, index) in taken.into_iter().enumerate() {
            let expected = if place < 2 { Acquired::Clean } else { Acquired::OwnerDied };
            assert_eq!(nodes[index].lock(), expected, "place {place} of {taken:?}");
        }
    }
}

#[test]
fn a_forked_childs_note_starts_empty() {
    let [Node::Ours(one), _, Node::Ours(two), _] = nodes() else { unreachable!() };
    let _ = (one.lock(Deadline::NEVER), two.lock(Deadline::NEVER));
    Child::run(|| {
        assert!(!one.is_mine() && !two.is_mine());
        one.unlock();
        two.unlock();
        die();
    })
    .join();
    assert!(one.is_mine() && two.is_mine());
    two.unlock();
    one.unlock();
    assert!(!one.is_held() && !two.is_held());
}
