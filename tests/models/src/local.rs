//! Thread-local values, of which each actor has its own.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::world;

/// What the code under test calls a thread-local value.
pub(crate) struct LocalKey<T: 'static> {
    make: fn() -> T,
}

impl<T: 'static> LocalKey<T> {
    pub(crate) const fn new(make: fn() -> T) -> Self {
        Self { make }
    }

    fn value(&'static self) -> Rc<T> {
        let key = std::ptr::from_ref(self).addr();
        let made = world::with(|world| {
            let locals = world.locals();
            let value = locals.entry(key).or_insert_with(|| Rc::new((self.make)()));
            Rc::clone(value)
        });
        let made: Rc<dyn Any> = made;
        made.downcast().expect("a key has one type")
    }
}

#[allow(dead_code, reason = "what files under test may use")]
impl<T: 'static> LocalKey<RefCell<T>> {
    pub(crate) fn with_borrow<R>(&'static self, act: impl FnOnce(&T) -> R) -> R {
        act(&self.value().borrow())
    }

    pub(crate) fn with_borrow_mut<R>(&'static self, act: impl FnOnce(&mut T) -> R) -> R {
        act(&mut self.value().borrow_mut())
    }
}

#[allow(dead_code, reason = "what files under test may use")]
impl<T: 'static> LocalKey<RefCell<T>> {
    pub(crate) fn replace(&'static self, value: T) -> T {
        self.value().replace(value)
    }

    pub(crate) fn take(&'static self) -> T
    where
        T: Default,
    {
        self.value().take()
    }
}

#[allow(dead_code, reason = "what files under test may use")]
impl<T: Copy + 'static> LocalKey<Cell<T>> {
    pub(crate) fn get(&'static self) -> T {
        self.value().get()
    }

    pub(crate) fn set(&'static self, value: T) {
        self.value().set(value);
    }

    pub(crate) fn replace(&'static self, value: T) -> T {
        self.value().replace(value)
    }
}

/// Stands for the standard library's macro in the files under test.
macro_rules! thread_local {
    ($($(#[$attribute:meta])* static $name:ident: $type:ty = const { $make:expr };)*) => {
        $($(#[$attribute])* static $name: $crate::local::LocalKey<$type> =
            $crate::local::LocalKey::new(|| $make);)*
    };
}
