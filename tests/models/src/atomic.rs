//! Atomics whose operations are steps of the model.
//!
//! They lie in memory as the standard library's do, and the memory holds the last value stored. A
//! word that several actors share is kept by the engine as well: see `crate::engine::Word`.

use std::fmt;
use std::sync::atomic as plain;
pub use std::sync::atomic::Ordering;
use std::sync::atomic::Ordering::Relaxed;

use crate::engine::{Shape, Word};
use crate::mutant::{Fault, Kind, Site};
use crate::world::{self, Turn};

/// A fence.
#[track_caller]
pub fn fence(order: Ordering) {
    let fault = Fault::ordered(Kind::Fence, order);
    let place = world::place();
    match world::begin(0, Shape::None, fault, place) {
        Turn::LeftOut => {}
        _ => {
            if let Some(engine) = world::with(|world| world.engine.filter(|_| world.is_running)) {
                engine.fence(order);
                world::note(Kind::Fence, place, usize::MAX, 0);
            }
        }
    }
}

/// The fence in each of the kernel's calls.
pub(crate) fn fence_in_kernel() {
    if let Some(engine) = world::with(|world| world.engine.filter(|_| world.is_running)) {
        engine.fence(Ordering::SeqCst);
    }
}

macro_rules! atomic {
    ($name:ident, $int:ty, $variant:ident) => {
        /// An integer that several actors may change.
        #[repr(transparent)]
        #[derive(Default)]
        pub struct $name(plain::$name);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        #[allow(missing_docs, reason = "as the standard library's")]
        impl $name {
            pub const fn new(value: $int) -> Self {
                Self(plain::$name::new(value))
            }

            pub(crate) fn address(&self) -> usize {
                std::ptr::from_ref(self).addr()
            }

            #[track_caller]
            pub fn load(&self, order: Ordering) -> $int {
                let (place, fault) = (world::place(), Fault::ordered(Kind::Load, order));
                let value = match self.begin(fault, place) {
                    Turn::Modelled(word, order) => {
                        world::as_same_actor(|| self.modelled(&word).load(order))
                    }
                    _ => self.0.load(Relaxed),
                };
                world::note(Kind::Load, place, self.address(), u64::from(value));
                value
            }

            #[track_caller]
            pub fn store(&self, value: $int, order: Ordering) {
                let (place, fault) = (world::place(), Fault::ordered(Kind::Store, order));
                match self.begin(fault, place) {
                    Turn::LeftOut => return,
                    Turn::Modelled(word, order) => world::as_same_actor(|| {
                        let word = self.modelled(&word);
                        if self.follows_exchange() {
                            word.swap(value, order);
                        } else {
                            word.store(value, order);
                        }
                    }),
                    _ => {}
                }
                self.0.store(value, Relaxed);
                world::note(Kind::Store, place, self.address(), u64::from(value));
            }

            #[track_caller]
            pub fn swap(&self, value: $int, order: Ordering) -> $int {
                self.change(order, world::place(), |_| value, |word, order| word.swap(value, order))
            }

            #[track_caller]
            pub fn fetch_add(&self, value: $int, order: Ordering) -> $int {
                let new = |old: $int| old.wrapping_add(value);
                self.change(order, world::place(), new, |word, order| word.fetch_add(value, order))
            }

            #[track_caller]
            pub fn fetch_sub(&self, value: $int, order: Ordering) -> $int {
                let new = |old: $int| old.wrapping_sub(value);
                self.change(order, world::place(), new, |word, order| word.fetch_sub(value, order))
            }

            #[track_caller]
            pub fn fetch_and(&self, value: $int, order: Ordering) -> $int {
                let new = |old: $int| old & value;
                self.change(order, world::place(), new, |word, order| word.fetch_and(value, order))
            }

            #[track_caller]
            pub fn fetch_or(&self, value: $int, order: Ordering) -> $int {
                let new = |old: $int| old | value;
                self.change(order, world::place(), new, |word, order| word.fetch_or(value, order))
            }

            #[track_caller]
            pub fn fetch_xor(&self, value: $int, order: Ordering) -> $int {
                let new = |old: $int| old ^ value;
                self.change(order, world::place(), new, |word, order| word.fetch_xor(value, order))
            }

            #[track_caller]
            pub fn fetch_max(&self, value: $int, order: Ordering) -> $int {
                let new = |old: $int| old.max(value);
                self.change(order, world::place(), new, |word, order| word.fetch_max(value, order))
            }

            #[track_caller]
            pub fn fetch_min(&self, value: $int, order: Ordering) -> $int {
                let new = |old: $int| old.min(value);
                self.change(order, world::place(), new, |word, order| word.fetch_min(value, order))
            }

            #[track_caller]
            pub fn compare_exchange(
                &self,
                old: $int,
                new: $int,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$int, $int> {
                let (place, fault) = (world::place(), Fault::ordered(Kind::Exchange, success));
                let result = match self.begin(fault, place) {
                    // As if it had been done: what is not there cannot have failed.
                    Turn::LeftOut => return Ok(old),
                    Turn::Modelled(word, order) => world::as_same_actor(|| {
                        let failure = if order == success { failure } else { Relaxed };
                        self.modelled(&word).compare_exchange(old, new, order, failure)
                    }),
                    _ => self.0.compare_exchange(old, new, Relaxed, Relaxed),
                };
                if result.is_ok() {
                    self.note_exchange();
                    self.0.store(new, Relaxed);
                }
                let value = result.map_or_else(|actual| actual, |_| new);
                world::note(Kind::Exchange, place, self.address(), u64::from(value));
                result
            }

            #[track_caller]
            pub fn compare_exchange_weak(
                &self,
                old: $int,
                new: $int,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$int, $int> {
                self.compare_exchange(old, new, success, failure)
            }

            #[track_caller]
            pub fn fetch_update(
                &self,
                success: Ordering,
                failure: Ordering,
                mut update: impl FnMut($int) -> Option<$int>,
            ) -> Result<$int, $int> {
                let mut old = self.load(failure);
                while let Some(new) = update(old) {
                    match self.compare_exchange(old, new, success, failure) {
                        Ok(old) => return Ok(old),
                        Err(actual) => old = actual,
                    }
                }
                Err(old)
            }

            fn change(
                &self,
                order: Ordering,
                place: Site,
                new: impl Fn($int) -> $int,
                modelled: impl FnOnce(&loom::sync::atomic::$name, Ordering) -> $int,
            ) -> $int {
                let old = match self.begin(Fault::ordered(Kind::Change, order), place) {
                    Turn::LeftOut => return self.0.load(Relaxed),
                    Turn::Modelled(word, order) => {
                        world::as_same_actor(|| modelled(self.modelled(&word), order))
                    }
                    _ => self.0.load(Relaxed),
                };
                self.note_exchange();
                self.0.store(new(old), Relaxed);
                world::note(Kind::Change, place, self.address(), u64::from(new(old)));
                old
            }

            /// Notes that the last change of the word read and wrote in one step.
            fn note_exchange(&self) {
                world::with(|world| world.exchanged.insert(self.address()));
            }

            /// Notes that the word is stored to, and says whether the change before read and wrote
            /// in one step. Loom does not see that the store cannot come between what that change
            /// read and what it wrote; a store that is such a change itself cannot.
            fn follows_exchange(&self) -> bool {
                world::with(|world| world.exchanged.remove(&self.address()))
            }

            fn begin(&self, fault: Fault, place: Site) -> Turn {
                let turn = world::begin(self.address(), Shape::$variant, fault, place);
                if let (Turn::Drawn, Some(engine)) = (&turn, world::with(|world| world.engine)) {
                    engine.switch();
                }
                turn
            }

            fn modelled<'a>(&self, word: &'a Word) -> &'a loom::sync::atomic::$name {
                match word {
                    Word::$variant(word) => word,
                    _ => unreachable!("words of different sizes at one address"),
                }
            }
        }
    };
}

atomic!(AtomicU8, u8, U8);
atomic!(AtomicU16, u16, U16);
atomic!(AtomicU32, u32, U32);
atomic!(AtomicU64, u64, U64);

impl AtomicU32 {
    /// The last value, for the kernel: a place where the order of actors matters.
    pub(crate) fn inspect(&self) -> u32 {
        match world::begin_in_kernel(self.address(), Shape::U32) {
            Turn::Modelled(word, _) => {
                world::as_same_actor(|| self.modelled(&word).fetch_or(0, Relaxed))
            }
            Turn::Drawn => {
                if let Some(engine) = world::with(|world| world.engine) {
                    engine.switch();
                }
                self.0.load(Relaxed)
            }
            _ => self.0.load(Relaxed),
        }
    }

    /// A step that comes before or after every other of its kind at this word: what was done before
    /// the first is seen after the second.
    pub(crate) fn pass_in_kernel(&self) {
        match world::begin_in_kernel(self.address(), Shape::U32) {
            Turn::Modelled(word, order) => {
                world::as_same_actor(|| self.modelled(&word).fetch_add(1, order));
            }
            Turn::Drawn => {
                if let Some(engine) = world::with(|world| world.engine) {
                    engine.switch();
                }
            }
            _ => {}
        }
    }

    /// The value as a plain load of the kernel finds it, and what was done before it was stored.
    pub(crate) fn look_in_kernel(&self) -> u32 {
        match world::begin_in_kernel(self.address(), Shape::U32) {
            Turn::Modelled(word, _) => {
                world::as_same_actor(|| self.modelled(&word).load(Ordering::Acquire))
            }
            turn => {
                if let (Turn::Drawn, Some(engine)) = (turn, world::with(|world| world.engine)) {
                    engine.switch();
                }
                self.0.load(Relaxed)
            }
        }
    }

    /// A compare-and-exchange by the kernel, which is a full fence.
    pub(crate) fn exchange_in_kernel(&self, old: u32, new: u32) -> Result<u32, u32> {
        fence_in_kernel();
        let result = match world::begin_in_kernel(self.address(), Shape::U32) {
            Turn::LeftOut => return Ok(old),
            Turn::Modelled(word, order) => world::as_same_actor(|| {
                self.modelled(&word).compare_exchange(old, new, order, Relaxed)
            }),
            turn => {
                if let (Turn::Drawn, Some(engine)) = (turn, world::with(|world| world.engine)) {
                    engine.switch();
                }
                self.0.compare_exchange(old, new, Relaxed, Relaxed)
            }
        };
        if result.is_ok() {
            self.note_exchange();
            self.0.store(new, Relaxed);
        }
        fence_in_kernel();
        world::note(Kind::Exchange, world::place(), self.address(), u64::from(new));
        result
    }
}

/// An address that one thread alone reads and writes, and the kernel when that thread dies.
#[repr(transparent)]
#[derive(Default)]
pub struct AtomicPtr<T>(plain::AtomicPtr<T>);

impl<T> fmt::Debug for AtomicPtr<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[allow(missing_docs, reason = "as the standard library's")]
impl<T> AtomicPtr<T> {
    pub fn load(&self, order: Ordering) -> *mut T {
        self.0.load(order)
    }

    #[track_caller]
    pub fn store(&self, value: *mut T, order: Ordering) {
        let place = world::place();
        match world::begin(0, Shape::None, Fault::new(Kind::Link), place) {
            Turn::LeftOut => {}
            _ => {
                self.0.store(value, order);
                world::note(
                    Kind::Link,
                    place,
                    std::ptr::from_ref(self).addr(),
                    value.addr() as u64,
                );
            }
        }
    }
}
