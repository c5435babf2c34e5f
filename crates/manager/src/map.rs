//! The map: values by their keys, shared by processes.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;

use brigade_codec::{Bytes, Message, decode, encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::CallError;
use crate::protocol::{Datum, Kind, MapRequest, Reply, Request};
use crate::reference::Reference;
use crate::scope::{decode_data, decode_datum, encode_datum};

/// Values by their keys, shared by processes: a proxy of an object of a
/// [`Manager`](crate::Manager).
///
/// Keys are equal when their encodings are, and are listed in the order in which they came. What is
/// read is a copy: changing it changes nothing else. To change an entry depending on what it is,
/// use [`update`](Self::update). A value may hold proxies, also of other maps of the same manager;
/// what they refer to lives as long as the entry.
///
/// Each operation is a round trip to the manager.
///
/// # Process death
///
/// Each operation happens whole or not at all, whoever dies.
///
/// # Examples
///
/// ```
/// # brigade_process::init();
/// use brigade_manager::Manager;
///
/// let manager = Manager::start()?;
/// let words = manager.map::<String, u32>()?;
/// for word in "the cat and the hat".split(' ') {
///     words.update(word, |count| *count = Some(count.unwrap_or(0) + 1))?;
/// }
/// assert_eq!(words.get("the")?, Some(2));
/// assert_eq!(words.keys()?, ["the", "cat", "and", "hat"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "dict")]
pub struct Map<K, V> {
    reference: Reference,
    entry: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Map<K, V> {
    pub(crate) fn new(reference: Reference) -> Self {
        Self { reference, entry: PhantomData }
    }

    /// How many entries the map has. By the time the caller knows, it may have changed.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub fn len(&self) -> Result<usize, CallError> {
        match self.call(MapRequest::Len)? {
            Reply::Length(length) => Ok(usize::try_from(length).unwrap_or(usize::MAX)),
            _ => Err(CallError::misfit()),
        }
    }

    /// Whether the map has no entries. By the time the caller knows, it may have changed.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub fn is_empty(&self) -> Result<bool, CallError> {
        self.len().map(|length| length == 0)
    }

    /// Takes all entries away.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub fn clear(&self) -> Result<(), CallError> {
        match self.call(MapRequest::Clear)? {
            Reply::Done => Ok(()),
            _ => Err(CallError::misfit()),
        }
    }

    fn call(&self, request: MapRequest) -> Result<Reply, CallError> {
        let object = self.reference.object();
        self.reference.call(&Request::Map { object, request })
    }
}

impl<K: Message, V: Message> Map<K, V> {
    /// Puts `value` under `key`, and returns the value that was there before, if there was one.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub fn insert<Q>(&self, key: &Q, value: &V) -> Result<Option<V>, CallError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let datum = self.encode(value)?;
        self.ask(MapRequest::Insert(bytes(key)?, datum))
    }

    /// A copy of the value under `key`, if there is one.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub fn get<Q>(&self, key: &Q) -> Result<Option<V>, CallError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.ask(MapRequest::Get(bytes(key)?))
    }

    /// Takes the entry under `key` away and returns its value, if there is one.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    #[doc(alias = "pop")]
    pub fn remove<Q>(&self, key: &Q) -> Result<Option<V>, CallError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.ask(MapRequest::Remove(bytes(key)?))
    }

    /// Whether there is an entry under `key`.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub fn contains_key<Q>(&self, key: &Q) -> Result<bool, CallError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        match self.call(MapRequest::Contains(bytes(key)?))? {
            Reply::Length(count) => Ok(count > 0),
            _ => Err(CallError::misfit()),
        }
    }

    /// Changes the entry under `key` by `change`, and returns what `change` returns.
    ///
    /// `change` finds `None` where there is no entry, and takes the entry away by leaving `None`.
    /// This is a transaction: `change` works on a copy, and if somebody else has changed the entry
    /// meanwhile, it runs again on a newer copy. It should have no other effects.
    ///
    /// # Errors
    ///
    /// [`CallError`]; the entry then is as it was before, unless the manager did not answer.
    ///
    /// # Panics
    ///
    /// Panics when `change` does; the entry then is as it was before.
    pub fn update<Q, R>(
        &self,
        key: &Q,
        mut change: impl FnMut(&mut Option<V>) -> R,
    ) -> Result<R, CallError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let client = self.reference.client()?;
        let key = bytes(key)?;
        loop {
            let old = self.ask_datum(MapRequest::Get(key.clone()))?;
            let expected = old.as_ref().map(|old| old.bytes.clone());
            let mut value: Option<V> = old.map(|old| decode_datum(&client, old)).transpose()?;
            let result = change(&mut value);
            let datum = value.as_ref().map(|value| self.encode(value)).transpose()?;
            match self.call(MapRequest::Exchange { key: key.clone(), expected, datum })? {
                Reply::Done => return Ok(result),
                Reply::Conflict => {}
                _ => return Err(CallError::misfit()),
            }
        }
    }

    /// A copy of all keys, as of one instant.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub fn keys(&self) -> Result<Vec<K>, CallError> {
        match self.call(MapRequest::Keys)? {
            Reply::Keys(keys) => keys.iter().map(|key| Ok(decode(&key.0)?)).collect(),
            _ => Err(CallError::misfit()),
        }
    }

    /// A copy of all values, as of one instant.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub fn values(&self) -> Result<Vec<V>, CallError> {
        let client = self.reference.client()?;
        match self.call(MapRequest::Values)? {
            Reply::Data(data) => decode_data(&client, data),
            _ => Err(CallError::misfit()),
        }
    }

    /// A copy of all entries, as of one instant.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    #[doc(alias = "copy")]
    pub fn items(&self) -> Result<Vec<(K, V)>, CallError> {
        let client = self.reference.client()?;
        match self.call(MapRequest::Items)? {
            Reply::Items(items) => {
                let (keys, data): (Vec<_>, Vec<_>) = items.into_iter().unzip();
                let values = decode_data(&client, data)?;
                keys.iter().zip(values).map(|(key, value)| Ok((decode(&key.0)?, value))).collect()
            }
            _ => Err(CallError::misfit()),
        }
    }

    fn ask(&self, request: MapRequest) -> Result<Option<V>, CallError> {
        let client = self.reference.client()?;
        self.ask_datum(request)?.map(|datum| decode_datum(&client, datum)).transpose()
    }

    fn ask_datum(&self, request: MapRequest) -> Result<Option<Datum>, CallError> {
        match self.call(request)? {
            Reply::Datum(datum) => Ok(datum),
            _ => Err(CallError::misfit()),
        }
    }

    fn encode(&self, value: &V) -> Result<Datum, CallError> {
        encode_datum(self.reference.manager(), value)
    }
}

fn bytes<Q: Serialize + ?Sized>(key: &Q) -> Result<Bytes, CallError> {
    Ok(Bytes(encode(key)?))
}

impl<K, V> Clone for Map<K, V> {
    /// Returns another proxy of the same map.
    fn clone(&self) -> Self {
        Self::new(self.reference.clone())
    }
}

impl<K, V> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Map").field(&self.reference).finish()
    }
}

impl<K, V> Serialize for Map<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.reference.serialize(serializer)
    }
}

impl<'de, K, V> Deserialize<'de> for Map<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reference::deserialize(deserializer, Kind::Map).map(Self::new)
    }
}
