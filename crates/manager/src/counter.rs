//! The counter: a number that processes count with.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::CallError;
use crate::memory::Memory;
use crate::protocol::{CounterRequest, Kind, Reply, Request};
use crate::reference::Reference;

/// A number that processes count with: a proxy of an object of a [`Manager`](crate::Manager).
///
/// At home the number is in shared memory, and each operation is one atomic instruction. Elsewhere
/// it is a round trip to the manager.
///
/// # Process death
///
/// Each operation happens at once or not at all, whoever dies. At home the counter goes on working
/// when the manager has died.
///
/// # Examples
///
/// ```
/// # brigade_process::init();
/// use brigade_manager::Manager;
/// use brigade_process::Process;
///
/// let manager = Manager::start()?;
/// let hits = manager.counter(0)?;
/// let child = Process::start(|hits: brigade_manager::Counter| hits.add(2).map(drop), hits.clone())?;
/// child.join();
/// assert_eq!(hits.add(40)?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Counter {
    reference: Reference,
}

impl Counter {
    pub(crate) fn new(reference: Reference) -> Self {
        Self { reference }
    }

    /// Adds `amount` and returns the sum. Wraps around at the ends of `i64`.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    #[inline]
    pub fn add(&self, amount: i64) -> Result<i64, CallError> {
        match self.reference.memory()? {
            Some(Memory::Counter(number)) => Ok(number.fetch_add(amount).wrapping_add(amount)),
            _ => self.ask(CounterRequest::Add(amount)),
        }
    }

    /// The number as it is now.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    #[inline]
    pub fn get(&self) -> Result<i64, CallError> {
        match self.reference.memory()? {
            Some(Memory::Counter(number)) => Ok(number.get()),
            _ => self.ask(CounterRequest::Get),
        }
    }

    /// Replaces the number.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    #[inline]
    pub fn set(&self, number: i64) -> Result<(), CallError> {
        match self.reference.memory()? {
            Some(Memory::Counter(place)) => {
                place.set(number);
                Ok(())
            }
            _ => self.tell(CounterRequest::Set(number)),
        }
    }

    fn ask(&self, request: CounterRequest) -> Result<i64, CallError> {
        match self.call(request)? {
            Reply::Number(number) => Ok(number),
            _ => Err(CallError::misfit()),
        }
    }

    fn tell(&self, request: CounterRequest) -> Result<(), CallError> {
        match self.call(request)? {
            Reply::Done => Ok(()),
            _ => Err(CallError::misfit()),
        }
    }

    fn call(&self, request: CounterRequest) -> Result<Reply, CallError> {
        let object = self.reference.object();
        self.reference.call(&Request::Counter { object, request })
    }
}

impl Serialize for Counter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.reference.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Counter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reference::deserialize(deserializer, Kind::Counter).map(Self::new)
    }
}
