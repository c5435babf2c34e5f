//! The value: one value of any type that processes share.

use std::fmt;
use std::marker::PhantomData;

use brigade_codec::{Message, decode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::cell::{self, Content};
use crate::error::CallError;
use crate::memory::{Memory, cell_of};
use crate::protocol::{Datum, Kind, Reply, Request, ValueRequest};
use crate::reference::Reference;
use crate::scope::{decode_datum, encode_datum};

/// A value of any type that processes share: a proxy of an object of a
/// [`Manager`](crate::Manager).
///
/// What [`get`](Self::get) returns is a copy: changing it changes nothing else. To change the value
/// depending on what it is, use [`update`](Self::update).
///
/// At home a value whose encoding has at most 112 bytes is in shared memory. A longer one, or one
/// that holds proxies, or one used from elsewhere, is a round trip to the manager.
///
/// # Process death
///
/// A change happens whole or not at all, whoever dies, and nobody waits for the dead. At home a
/// short value goes on working when the manager has died.
///
/// # Examples
///
/// ```
/// # brigade_process::init();
/// use brigade_manager::Manager;
///
/// let manager = Manager::start()?;
/// let names = manager.value(&vec!["Ann".to_owned()])?;
/// names.update(|names| names.push("Bob".to_owned()))?;
/// assert_eq!(names.get()?, ["Ann", "Bob"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Value<T> {
    reference: Reference,
    value: PhantomData<fn() -> T>,
}

impl<T> Value<T> {
    pub(crate) fn new(reference: Reference) -> Self {
        Self { reference, value: PhantomData }
    }
}

impl<T: Message> Value<T> {
    /// A copy of the value as it is now.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub fn get(&self) -> Result<T, CallError> {
        self.read().map(|(_, value)| value)
    }

    /// Replaces the value.
    ///
    /// # Errors
    ///
    /// [`CallError`]; the value then is as it was before, unless the manager did not answer.
    pub fn set(&self, value: &T) -> Result<(), CallError> {
        let datum = self.encode(value)?;
        if self.write_near(&datum, None)? == Written::Yes {
            return Ok(());
        }
        match self.call(ValueRequest::Set(datum))? {
            Reply::Done => Ok(()),
            _ => Err(CallError::misfit()),
        }
    }

    /// Changes the value by `change`, and returns what `change` returns.
    ///
    /// This is a transaction: what `change` does depends on the value that it replaces and on no
    /// other. It works on a copy, and if somebody else has changed the value meanwhile, it runs
    /// again on a newer copy. It should therefore have no other effects.
    ///
    /// # Errors
    ///
    /// [`CallError`]; the value then is as it was before, unless the manager did not answer.
    ///
    /// # Panics
    ///
    /// Panics when `change` does; the value then is as it was before.
    pub fn update<R>(&self, mut change: impl FnMut(&mut T) -> R) -> Result<R, CallError> {
        loop {
            let (version, mut value) = self.read()?;
            let result = change(&mut value);
            if self.exchange(version, &value)? {
                return Ok(result);
            }
        }
    }

    fn read(&self) -> Result<(u64, T), CallError> {
        if let Some(Memory::Value(place)) = self.reference.memory()? {
            let cell = place.get();
            match cell::read(&cell) {
                Ok(Content::Near(near)) => {
                    return Ok((cell::version(&cell), decode(near.as_slice())?));
                }
                Ok(Content::Far) => {}
                Err(cell::Corrupt) => {
                    let reason = "its memory was overwritten by a faulty process".into();
                    return Err(CallError::Refused { reason });
                }
            }
        }
        let client = self.reference.client()?;
        match self.call(ValueRequest::Get)? {
            Reply::Version(version, datum) => Ok((version, decode_datum(&client, datum)?)),
            _ => Err(CallError::misfit()),
        }
    }

    fn exchange(&self, version: u64, value: &T) -> Result<bool, CallError> {
        let datum = self.encode(value)?;
        match self.write_near(&datum, Some(version))? {
            Written::Yes => return Ok(true),
            Written::Conflict => return Ok(false),
            Written::NotHere => {}
        }
        match self.call(ValueRequest::Exchange { version, datum })? {
            Reply::Done => Ok(true),
            Reply::Conflict => Ok(false),
            _ => Err(CallError::misfit()),
        }
    }

    /// Writes the value into its cell, if both the old and the new one have their place there.
    fn write_near(&self, datum: &Datum, expected: Option<u64>) -> Result<Written, CallError> {
        let Some(Memory::Value(place)) = self.reference.memory()? else {
            return Ok(Written::NotHere);
        };
        let new = cell_of(0, datum);
        if cell::is_far(&new) {
            return Ok(Written::NotHere);
        }
        Ok(place.update(|cell| {
            let version = cell::version(cell);
            if cell::is_far(cell) {
                return Written::NotHere;
            }
            if expected.is_some_and(|expected| expected != version) {
                return Written::Conflict;
            }
            *cell = cell::with_version(new, version.wrapping_add(1));
            Written::Yes
        }))
    }

    fn encode(&self, value: &T) -> Result<Datum, CallError> {
        encode_datum(self.reference.manager(), value)
    }

    fn call(&self, request: ValueRequest) -> Result<Reply, CallError> {
        let object = self.reference.object();
        self.reference.call(&Request::Value { object, request })
    }
}

/// What came of writing into the cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Yes,
    /// The value is no longer the expected version.
    Conflict,
    /// The server has to do it.
    NotHere,
}

impl<T> Clone for Value<T> {
    /// Returns another proxy of the same value.
    fn clone(&self) -> Self {
        Self::new(self.reference.clone())
    }
}

impl<T> fmt::Debug for Value<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Value").field(&self.reference).finish()
    }
}

impl<T> Serialize for Value<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.reference.serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Value<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reference::deserialize(deserializer, Kind::Value).map(Self::new)
    }
}
