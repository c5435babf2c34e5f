//! One arena, of which each actor has its own view, as each process has.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use super::census::{self, Tag};
use super::layout::{Census, HEAP_START, Header};
use crate::error::Error;
use crate::handle::Hold;
use crate::memory::{self, Mapping};
use crate::world::{self, MAIN};

/// The arena as one process sees it.
pub struct Arena {
    tag: std::sync::atomic::AtomicU64,
    holds: Mutex<Holds>,
}

/// The objects that a process holds, by the offset of their block.
pub(crate) type Holds = HashMap<usize, Weak<Hold>>;

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena").finish_non_exhaustive()
    }
}

const ID: u128 = 1;

std::thread_local! {
    static ARENAS: &'static [Arena] = Box::leak(
        (0..=MAIN)
            .map(|_| Arena {
                tag: std::sync::atomic::AtomicU64::new(0),
                holds: Mutex::new(HashMap::new()),
            })
            .collect(),
    );
    static IS_THERE: Cell<bool> = const { Cell::new(false) };
}

/// Forgets the arena of the last execution: what is dropped from now on drops nothing in it.
pub(crate) fn reset() {
    IS_THERE.set(false);
    ARENAS.with(|arenas| {
        for arena in *arenas {
            arena.tag.store(0, Relaxed);
            arena.holds().clear();
        }
    });
}

#[allow(missing_docs, reason = "as in the code under test")]
impl Arena {
    pub fn program() -> Result<&'static Self, Error> {
        if !IS_THERE.replace(true) {
            Self::create();
        }
        let current = world::with(|world| world.current);
        Ok(ARENAS.with(|arenas| &arenas[current]))
    }

    fn create() {
        memory::use_arena();
        let header = Mapping::current().get::<Header>(0).expect("the memory is large enough");
        header.heap.top.store(HEAP_START as u64, Relaxed);
        header.heap.end.store(memory::ARENA as u64, Relaxed);
    }

    pub fn id(&self) -> u128 {
        ID
    }

    pub fn descriptor(&self) -> BorrowedFd<'static> {
        static FILE: OnceLock<File> = OnceLock::new();
        FILE.get_or_init(|| File::open("/dev/null").expect("every system has it")).as_fd()
    }

    pub(crate) fn mapping(&self) -> &'static Mapping {
        Mapping::current()
    }

    pub(crate) fn header(&self) -> &'static Header {
        Mapping::current().get(0).expect("the memory is large enough")
    }

    pub(crate) fn census(&self) -> &'static Census {
        &self.header().census
    }

    pub(crate) fn holds(&self) -> MutexGuard<'_, Holds> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tag(&'static self) -> Result<Tag, Error> {
        if let Some(tag) = self.cached_tag() {
            return Ok(tag);
        }
        let tag = census::register(self)?;
        self.tag.store(tag.to_word(), Relaxed);
        Ok(tag)
    }

    pub(crate) fn cached_tag(&self) -> Option<Tag> {
        Tag::from_word(self.tag.load(Relaxed))
    }
}

/// The arena with `id`, as the acting process sees it.
pub(crate) fn find(id: u128) -> Option<&'static Arena> {
    Arena::program().ok().filter(|_| id == ID)
}

/// There is no other.
pub(crate) fn attach(id: u128, _file: OwnedFd) -> Result<&'static Arena, Error> {
    Err(Error::ForeignArena { arena: id })
}
