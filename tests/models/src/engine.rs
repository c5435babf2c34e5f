//! Who decides which actor goes on: loom, which tries every order, or shuttle, which draws some.
//!
//! Both run the actors as coroutines of one thread, and change from one to another only inside the
//! operations below. So what this crate keeps in plain memory needs no lock.

use std::rc::Rc;

use loom::sync::atomic as modelled;

use crate::world;

/// What a model is run by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// Every order within the bound of preemptions, and every value that the memory model allows.
    Loom,
    /// Some orders, drawn at random; a load sees the last store.
    Shuttle,
}

/// A word as loom keeps it: its history, of which a load may see more than the last value.
pub(crate) enum Word {
    U8(modelled::AtomicU8),
    U16(modelled::AtomicU16),
    U32(modelled::AtomicU32),
    U64(modelled::AtomicU64),
    /// Bytes that are no atomics: two accesses without an order between them are an error.
    Bytes(loom::cell::UnsafeCell<()>),
}

/// What kind of word lies at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Shape {
    U8,
    U16,
    U32,
    U64,
    Bytes,
    /// What is no memory.
    None,
}

impl Word {
    pub(crate) fn new(shape: Shape, value: u64) -> Rc<Self> {
        // The value was read from a word of that shape.
        Rc::new(match shape {
            Shape::U8 => Self::U8(modelled::AtomicU8::new(value as u8)),
            Shape::U16 => Self::U16(modelled::AtomicU16::new(value as u16)),
            Shape::U32 => Self::U32(modelled::AtomicU32::new(value as u32)),
            Shape::U64 => Self::U64(modelled::AtomicU64::new(value)),
            Shape::Bytes | Shape::None => Self::Bytes(loom::cell::UnsafeCell::new(())),
        })
    }
}

impl Word {
    /// Stores what `value` says, as if by bytes.
    pub(crate) fn overwrite(&self, value: impl Fn(Shape) -> u64) {
        let order = std::sync::atomic::Ordering::Relaxed;
        match self {
            Self::U8(word) => word.store(value(Shape::U8) as u8, order),
            Self::U16(word) => word.store(value(Shape::U16) as u16, order),
            Self::U32(word) => word.store(value(Shape::U32) as u32, order),
            Self::U64(word) => word.store(value(Shape::U64), order),
            Self::Bytes(_) => {}
        }
    }
}

/// The bytes of a coroutine's stack: calls go as deep as those of a test.
pub(crate) const STACK: usize = 1 << 17;

/// A sleeping place of one actor.
#[derive(Clone)]
pub(crate) enum Sleeper {
    Loom(loom::thread::Thread),
    Shuttle(shuttle::thread::Thread),
}

impl Engine {
    /// The calling actor, to be woken later.
    pub(crate) fn sleeper(self) -> Sleeper {
        match self {
            Self::Loom => Sleeper::Loom(loom::thread::current()),
            Self::Shuttle => Sleeper::Shuttle(shuttle::thread::current()),
        }
    }

    /// Sleeps until `is_awake`, which only actors that are told of it change.
    pub(crate) fn sleep_until(self, is_awake: impl Fn() -> bool) {
        while !is_awake() {
            world::as_same_actor(|| match self {
                Self::Loom => loom::thread::park(),
                Self::Shuttle => shuttle::thread::park(),
            });
        }
    }

    pub(crate) fn wake(sleeper: &Sleeper) {
        world::as_same_actor(|| match sleeper {
            Sleeper::Loom(thread) => thread.unpark(),
            Sleeper::Shuttle(thread) => thread.unpark(),
        });
    }

    pub(crate) fn spawn(self, body: impl FnOnce() + Send + 'static) {
        match self {
            Self::Loom => {
                drop(loom::thread::Builder::new().stack_size(STACK / 8).spawn(body));
            }
            Self::Shuttle => drop(shuttle::thread::Builder::new().spawn(body)),
        }
    }

    /// Lets another actor go on, if the engine likes.
    pub(crate) fn switch(self) {
        if self == Self::Shuttle {
            world::as_same_actor(|| {
                SWITCH.with(|word| word.load(std::sync::atomic::Ordering::SeqCst));
            });
        }
    }

    pub(crate) fn fence(self, order: std::sync::atomic::Ordering) {
        if self == Self::Loom {
            modelled::fence(order);
        }
    }
}

std::thread_local! {
    /// Every operation on it is a place where shuttle may change to another actor.
    static SWITCH: shuttle::sync::atomic::AtomicU64 =
        const { shuttle::sync::atomic::AtomicU64::new(0) };
}
