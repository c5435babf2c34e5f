//! What a model is made of: objects in shared memory, actors that use them, and what must be so at
//! the end.

use std::any::Any;
use std::cell::{Ref, RefCell, RefMut};
use std::fmt;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::memory::{self, Mapping, Shareable};
use crate::world::{self, Actor, Clock, MAIN, State};

/// One execution of a model, before its actors begin.
pub struct Stage {
    check: Option<Check>,
}

type Check = Box<dyn FnOnce(&Ending)>;

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").finish_non_exhaustive()
    }
}

/// How an execution ended: nobody sleeps any more.
#[derive(Debug)]
pub struct Ending(());

impl Ending {
    /// Whether the actor was killed.
    pub fn has_died(&self, name: &str) -> bool {
        has_died(name)
    }

    /// Whether the actor sleeps.
    pub fn sleeps(&self, name: &str) -> bool {
        is_any(name, |actor| matches!(actor.state, State::Asleep(_)))
    }
}

/// Whether the actor has been killed, at the moment.
pub(crate) fn has_died(name: &str) -> bool {
    is_any(name, |actor| actor.is_dying)
}

/// Whether the actor has done something that others can notice, at the moment.
pub(crate) fn has_acted(name: &str) -> bool {
    is_any(name, |actor| actor.steps > 0)
}

fn is_any(name: &str, is_so: impl Fn(&Actor) -> bool) -> bool {
    world::with(|world| world.actors.iter().any(|actor| actor.name == name && is_so(actor)))
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self { check: None }
    }

    /// An object in the shared memory, all zeros.
    pub fn place<T: Shareable>(&self) -> &'static T {
        let offset = memory::take(size_of::<T>(), align_of::<T>().max(64));
        Mapping::current().get(offset).expect("just taken")
    }

    /// Bytes that are no atomics: an error if two actors use them with no order between.
    pub fn bytes(&self) -> Bytes {
        Bytes(memory::take(8, 64))
    }

    /// A note that actors leave for the check: no part of what is modelled.
    pub fn note<T>(&self, first: T) -> Note<T> {
        Note(Rc::new(RefCell::new(first)))
    }

    /// Somebody who acts: a process of its own, with one thread.
    ///
    /// # Panics
    ///
    /// Panics when there are as many as can be.
    pub fn actor(&self, name: &'static str, body: impl FnOnce() + 'static) {
        self.cast(name);
        self.acts(name, body);
    }

    /// As [`actor`](Self::actor), of whom it is said later what it does.
    ///
    /// # Panics
    ///
    /// Panics when there are as many as can be.
    pub fn cast(&self, name: &'static str) {
        world::with(|world| {
            assert!(world.actors.len() < MAIN, "there are at most {MAIN} actors");
            world.actors.push(Actor { name, ..Actor::default() });
        });
    }

    /// What the actor does.
    ///
    /// # Panics
    ///
    /// Panics when there is no actor of that name.
    pub fn acts(&self, name: &str, body: impl FnOnce() + 'static) {
        let body: Box<dyn FnOnce()> = Box::new(body);
        world::with(|world| {
            let actor = world.actors.iter_mut().find(|actor| actor.name == name);
            actor.expect("the actor is there already").body = Some(body);
        });
    }

    /// What `value` names, a handle, as another process has it until the end.
    ///
    /// # Panics
    ///
    /// Panics when there is no actor of that name yet, or when the handle cannot be sent.
    pub fn send<T>(&self, value: &Rc<T>, name: &str) -> Rc<T>
    where
        T: Serialize + DeserializeOwned + 'static,
    {
        self.keep(self.give(&**value, name))
    }

    /// What `value` names, a handle, as another process has it until it drops it.
    ///
    /// # Panics
    ///
    /// Panics when there is no actor of that name yet, or when the handle cannot be sent.
    pub fn give<T: Serialize + DeserializeOwned>(&self, value: &T, name: &str) -> T {
        let bytes = brigade_codec::encode(value).expect("it can be sent");
        self.as_actor(name, || brigade_codec::decode(&bytes).expect("it can be received"))
    }

    /// Keeps what actors use until the execution has ended: what it does when it is dropped is not
    /// part of the model.
    pub fn keep<T: 'static>(&self, value: T) -> Rc<T> {
        let value = Rc::new(value);
        let kept: Rc<dyn Any> = value.clone();
        world::with(|world| world.keep.push(kept));
        value
    }

    /// Runs `act` as if the actor did, before the model begins.
    ///
    /// # Panics
    ///
    /// Panics when there is no actor of that name yet.
    pub fn as_actor<R>(&self, name: &str, act: impl FnOnce() -> R) -> R {
        let index = world::with(|world| world.actors.iter().position(|actor| actor.name == name));
        let index = index.expect("the actor is there already");
        world::with(|world| world.current = index);
        let result = act();
        world::with(|world| world.current = MAIN);
        result
    }

    /// How deadlines pass in this model; without this they never do.
    pub fn clock(&self, clock: Clock) {
        world::with(|world| world.clock = clock);
    }

    /// When everyone sleeps for good, that is right if `is_right`: there is nothing to wake up for.
    /// Without this it is always wrong.
    pub fn may_sleep_if(&self, is_right: impl Fn(&Ending) -> bool + 'static) {
        world::with(|world| world.rest = Some(Rc::new(move || is_right(&Ending(())))));
    }

    /// What is checked when all actors have finished or are dead.
    pub fn finally(&mut self, check: impl FnOnce(&Ending) + 'static) {
        self.check = Some(Box::new(check));
    }

    pub(crate) fn end(self) {
        if let Some(check) = self.check {
            check(&Ending(()));
        }
    }
}

/// Eight bytes in the shared memory that are no atomic.
#[derive(Clone, Copy, Debug)]
pub struct Bytes(usize);

impl Bytes {
    /// Writes them, in two steps.
    pub fn write(self, value: u64) {
        let written = Mapping::current().write(self.0, &value.to_le_bytes());
        written.expect("they lie in the memory");
    }

    /// Reads them.
    pub fn read(self) -> u64 {
        let mut bytes = [0; 8];
        Mapping::current().read(self.0, &mut bytes).expect("they lie in the memory");
        u64::from_le_bytes(bytes)
    }
}

/// What actors leave for the check.
#[derive(Debug)]
pub struct Note<T>(Rc<RefCell<T>>);

impl<T> Clone for Note<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T> Note<T> {
    /// What is noted.
    pub fn read(&self) -> Ref<'_, T> {
        self.0.borrow()
    }

    /// Changes what is noted.
    pub fn write(&self) -> RefMut<'_, T> {
        self.0.borrow_mut()
    }
}
