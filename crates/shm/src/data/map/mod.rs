//! The map: values by their keys, shared by processes.
//!
//! * `store`: the table, and the entries.
//! * `shared`: which store is in use, how it is read without a lock, what a death leaves.
//! * `locked`: changes.
//! * `hash`: the hash that all processes agree on.

mod error;
mod hash;
mod iter;
mod locked;
mod shared;
mod store;

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;

use brigade_codec::{EncodeError, Message, decode, encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::arena::Arena;
use crate::arena::block::Kind;
use crate::error::Error;
use crate::handle::Handle;
use crate::transit;

pub use error::MapError;
pub use iter::Iter;
use shared::ByteMap;
use store::{Entry, entry_words};

/// Values by their keys, shared by processes.
///
/// Keys and values are anything that can be serialized and owns what it says; handles of shared
/// objects are refused. Keys are equal when their encodings are: the same rule in every process,
/// but one by which `0.0` and `-0.0` are two keys, and by which a key that holds a `HashMap` is
/// hardly ever found again. A key may be looked up in any form that it can be borrowed as and that
/// is encoded alike, such as a `String` as a `str`.
///
/// What is read is a copy. Reading takes no lock and waits for nobody, not even for a process that
/// was stopped in the middle of a change; changes take turns. To change a value depending on what
/// it is, use [`update`](Self::update).
///
/// Memory of entries that are removed or replaced is used again, and given back when it is much more
/// than what is left needs.
///
/// # Process death
///
/// A process that dies while it changes the map leaves it as it was before or after the change, and
/// never keeps the others waiting. There is nothing to recover.
///
/// # Examples
///
/// ```
/// use brigade_shm::Map;
///
/// let words = Map::<String, u32>::new()?;
/// for word in "the cat and the hat".split(' ') {
///     words.update(word, |count| *count = Some(count.unwrap_or(0) + 1))?;
/// }
/// assert_eq!(words.get("the")?, Some(2));
/// assert_eq!(words.remove("hat")?, Some(1));
/// assert_eq!(words.insert("hat", &5)?, None);
/// assert_eq!(words.len(), 4);
/// # Ok::<(), brigade_shm::MapError>(())
/// ```
#[doc(alias = "dict")]
pub struct Map<K, V> {
    map: ByteMap,
    entry: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for Map<K, V> {
    /// Returns another handle of the same map.
    fn clone(&self) -> Self {
        Self { map: self.map.clone(), entry: PhantomData }
    }
}

impl<K, V> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<K, V> Map<K, V> {
    /// Creates an empty map.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory for it.
    pub fn new() -> Result<Self, Error> {
        Ok(Self { map: ByteMap::create_in(Arena::program()?)?, entry: PhantomData })
    }

    /// Creates an empty map that has room for `capacity` entries of the types' own sizes.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory for it.
    pub fn with_capacity(capacity: usize) -> Result<Self, Error> {
        let map = Self::new()?;
        let words = capacity.saturating_mul(entry_words(size_of::<K>(), size_of::<V>()));
        map.map.lock().reserve(capacity, words)?;
        Ok(map)
    }

    /// How many entries the map has. By the time the caller knows, it may have changed.
    #[doc(alias = "__len__")]
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether the map has no entries. By the time the caller knows, it may have changed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes all entries away, at once, and gives their memory back.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when a faulty process has overwritten the map.
    pub fn clear(&self) -> Result<(), Error> {
        self.map.lock().clear()
    }
}

impl<K: Message, V: Message> Map<K, V> {
    /// Puts `value` under `key`, and returns the value that was there before, if there was one.
    ///
    /// # Errors
    ///
    /// [`MapError`]; the map then is as it was before, unless it is the former value that could not
    /// be read.
    ///
    /// # Deadlock
    ///
    /// Inside the closure of [`update`](Self::update), and of all others that change the map, the
    /// call waits for ever.
    #[doc(alias = "__setitem__")]
    pub fn insert<Q>(&self, key: &Q, value: &V) -> Result<Option<V>, MapError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let (key, value) = (key_bytes(key)?, value_bytes(value)?);
        let old = self.map.lock().insert(&self.map.key(&key), &value)?;
        old.as_deref().map(decoded).transpose()
    }

    /// A copy of the value under `key`, if there is one.
    ///
    /// # Errors
    ///
    /// [`MapError`].
    #[doc(alias = "__getitem__")]
    pub fn get<Q>(&self, key: &Q) -> Result<Option<V>, MapError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let value = self.map.get(&self.map.key(&key_bytes(key)?))?;
        value.as_deref().map(decoded).transpose()
    }

    /// Whether there is an entry under `key`.
    ///
    /// # Errors
    ///
    /// [`MapError`].
    #[doc(alias = "__contains__")]
    pub fn contains_key<Q>(&self, key: &Q) -> Result<bool, MapError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        Ok(self.map.contains(&self.map.key(&key_bytes(key)?))?)
    }

    /// Takes the entry under `key` away and returns its value, if there is one.
    ///
    /// # Errors
    ///
    /// [`MapError`]; the map then is as it was before, unless it is the value that could not be
    /// read.
    ///
    /// # Deadlock
    ///
    /// As for [`insert`](Self::insert).
    #[doc(alias = "pop")]
    #[doc(alias = "__delitem__")]
    pub fn remove<Q>(&self, key: &Q) -> Result<Option<V>, MapError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let key = key_bytes(key)?;
        let old = self.map.lock().remove(&self.map.key(&key))?;
        old.as_deref().map(decoded).transpose()
    }

    /// Changes the entry under `key` by `change`, under the map's lock, and returns what `change`
    /// returns.
    ///
    /// `change` finds `None` where there is no entry, and takes the entry away by leaving `None`.
    /// Nobody else changes the map meanwhile, so no update is lost. `change` may read the map, and
    /// finds it as it was before.
    ///
    /// # Process death
    ///
    /// A process that dies in `change` leaves the entry as it was before, and the lock free.
    ///
    /// # Errors
    ///
    /// [`MapError`]; the entry then is as it was before.
    ///
    /// # Panics
    ///
    /// Panics when `change` does; the entry then is as it was before.
    ///
    /// # Deadlock
    ///
    /// A `change` that changes the same map waits for ever.
    pub fn update<Q, R>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut Option<V>) -> R,
    ) -> Result<R, MapError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let key = key_bytes(key)?;
        let key = self.map.key(&key);
        let locked = self.map.lock();
        let mut value = locked.get(&key)?.as_deref().map(decoded).transpose()?;
        let result = change(&mut value);
        match &value {
            Some(value) => locked.insert(&key, &value_bytes(value)?)?,
            None => locked.remove(&key)?,
        };
        Ok(result)
    }

    /// The value under `key`; if there is none, puts the one that `make` makes.
    ///
    /// However many processes ask at once, one of them makes the value, and all get it. `make` runs
    /// under the map's lock.
    ///
    /// # Process death
    ///
    /// A process that dies in `make` leaves no entry, and the next one makes the value.
    ///
    /// # Errors
    ///
    /// [`MapError`]; then no entry was made.
    ///
    /// # Panics
    ///
    /// Panics when `make` does; then no entry was made.
    ///
    /// # Deadlock
    ///
    /// A `make` that changes the same map waits for ever.
    #[doc(alias = "setdefault")]
    pub fn get_or_insert_with<Q>(&self, key: &Q, make: impl FnOnce() -> V) -> Result<V, MapError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let key = key_bytes(key)?;
        let key = self.map.key(&key);
        if let Some(value) = self.map.get(&key)? {
            return decoded(&value);
        }
        let locked = self.map.lock();
        if let Some(value) = locked.get(&key)? {
            return decoded(&value);
        }
        let value = make();
        locked.insert(&key, &value_bytes(&value)?)?;
        Ok(value)
    }

    /// Puts all of `entries`, one after the other; others see the first before the last is there.
    ///
    /// # Process death
    ///
    /// A process that dies in between has put the first of them.
    ///
    /// # Errors
    ///
    /// [`MapError`]; then the entries before the one at fault were put.
    ///
    /// # Deadlock
    ///
    /// As for [`insert`](Self::insert). `entries` may read and change the map.
    #[doc(alias = "update")]
    pub fn extend(&self, entries: impl IntoIterator<Item = (K, V)>) -> Result<(), MapError> {
        for (key, value) in entries {
            let (key, value) = (key_bytes(&key)?, value_bytes(&value)?);
            self.map.lock().insert(&self.map.key(&key), &value)?;
        }
        Ok(())
    }

    /// Takes away all entries for which `keep` says no, at once: nobody sees a part of them gone.
    ///
    /// # Process death
    ///
    /// A process that dies before the end has taken nothing away.
    ///
    /// # Errors
    ///
    /// [`MapError`]; the map then is as it was before.
    ///
    /// # Panics
    ///
    /// Panics when `keep` does; the map then is as it was before.
    ///
    /// # Deadlock
    ///
    /// A `keep` that changes the same map waits for ever.
    pub fn retain(&self, mut keep: impl FnMut(&K, &V) -> bool) -> Result<(), MapError> {
        self.map.lock().retain(|entry| {
            let (key, value) = decoded_entry(entry)?;
            Ok(keep(&key, &value))
        })
    }

    /// Reads the entries one after the other, each when its turn comes, in no order that means
    /// anything.
    ///
    /// While others change the map: an entry that is there all the time comes exactly once, with a
    /// value that it has meanwhile; one that comes or goes in the meantime may come, and not twice.
    /// Changing the map while reading it is allowed. See [`to_vec`](Self::to_vec) for the entries
    /// of one instant.
    ///
    /// Each item is a [`MapError`] instead when the map could not be read there.
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter::new(self)
    }

    /// The entries of one instant, in no order that means anything.
    ///
    /// # Errors
    ///
    /// [`MapError`].
    ///
    /// # Deadlock
    ///
    /// As for [`insert`](Self::insert).
    #[doc(alias = "items")]
    #[doc(alias = "copy")]
    pub fn to_vec(&self) -> Result<Vec<(K, V)>, MapError> {
        let entries = self.map.lock().entries(|entry| (entry.key(), entry.value()))?;
        entries.iter().map(|(key, value)| Ok((decoded(key)?, decoded(value)?))).collect()
    }

    /// The keys of one instant, in no order that means anything.
    ///
    /// # Errors
    ///
    /// [`MapError`].
    ///
    /// # Deadlock
    ///
    /// As for [`insert`](Self::insert).
    pub fn keys(&self) -> Result<Vec<K>, MapError> {
        let keys = self.map.lock().entries(Entry::key)?;
        keys.iter().map(|key| decoded(key)).collect()
    }

    /// The values of one instant, in no order that means anything.
    ///
    /// # Errors
    ///
    /// [`MapError`].
    ///
    /// # Deadlock
    ///
    /// As for [`insert`](Self::insert).
    pub fn values(&self) -> Result<Vec<V>, MapError> {
        let values = self.map.lock().entries(Entry::value)?;
        values.iter().map(|value| decoded(value)).collect()
    }
}

/// The bytes of a key or a value; `failed` says which, if it cannot be written.
fn bytes<T: Serialize + ?Sized>(
    part: &T,
    failed: fn(EncodeError) -> MapError,
) -> Result<Vec<u8>, MapError> {
    let (bytes, handles) = transit::gather(|| encode(part));
    let bytes = bytes.map_err(failed)?;
    if handles.is_empty() { Ok(bytes) } else { Err(MapError::Handle) }
}

fn key_bytes<Q: Serialize + ?Sized>(key: &Q) -> Result<Vec<u8>, MapError> {
    bytes(key, MapError::Key)
}

fn value_bytes<V: Serialize>(value: &V) -> Result<Vec<u8>, MapError> {
    bytes(value, MapError::Value)
}

/// The key or the value that these bytes are.
fn decoded<T: Message>(bytes: &[u8]) -> Result<T, MapError> {
    decode(bytes).map_err(MapError::Decode)
}

fn decoded_entry<K: Message, V: Message>(entry: &Entry) -> Result<(K, V), MapError> {
    Ok((decoded(&entry.key())?, decoded(&entry.value())?))
}

impl<'a, K: Message, V: Message> IntoIterator for &'a Map<K, V> {
    type Item = Result<(K, V), MapError>;
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K, V> Serialize for Map<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.map.handle().serialize(serializer)
    }
}

impl<'de, K, V> Deserialize<'de> for Map<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let handle = Handle::deserialize(deserializer, Kind::Map, 0)?;
        let map = ByteMap::open(handle).map_err(serde::de::Error::custom)?;
        Ok(Self { map, entry: PhantomData })
    }
}

#[cfg(test)]
mod tests;
