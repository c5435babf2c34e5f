//! The list: a growing number of values that processes share.

use std::fmt;
use std::iter;
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};

use brigade_codec::Message;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::CallError;
use crate::protocol::{Datum, Kind, ListRequest, Reply, Request};
use crate::reference::Reference;
use crate::scope::{decode_data, decode_datum, encode_datum};

/// A growing number of values of any type that processes share: a proxy of an object of a
/// [`Manager`](crate::Manager).
///
/// What is read is a copy: changing it changes nothing else. To change an element depending on
/// what it is, use [`update`](Self::update). An element may hold proxies, also of other lists of
/// the same manager; what they refer to lives as long as the element.
///
/// Each operation is a round trip to the manager.
///
/// # Process death
///
/// Each operation happens whole or not at all, whoever dies. An element that a process has popped
/// is gone with it.
///
/// # Examples
///
/// ```
/// # brigade_process::init();
/// use brigade_manager::Manager;
///
/// let manager = Manager::start()?;
/// let words = manager.list::<String>()?;
/// words.extend(["one", "two", "three"].map(str::to_owned).iter())?;
/// words.update(1, |word| word.make_ascii_uppercase())?;
/// assert_eq!(words.pop()?.as_deref(), Some("three"));
/// assert_eq!(words.to_vec()?, ["one", "TWO"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct List<T> {
    reference: Reference,
    element: PhantomData<fn() -> T>,
}

impl<T> List<T> {
    pub(crate) fn new(reference: Reference) -> Self {
        Self { reference, element: PhantomData }
    }

    /// How many elements the list has. By the time the caller knows, it may have changed.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub fn len(&self) -> Result<usize, CallError> {
        match self.call(ListRequest::Len)? {
            Reply::Length(length) => Ok(usize::try_from(length).unwrap_or(usize::MAX)),
            _ => Err(CallError::misfit()),
        }
    }

    /// Whether the list has no elements. By the time the caller knows, it may have changed.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub fn is_empty(&self) -> Result<bool, CallError> {
        self.len().map(|length| length == 0)
    }

    /// Takes all elements away.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub fn clear(&self) -> Result<(), CallError> {
        self.truncate(0)
    }

    /// Takes the elements from `length` on away.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub fn truncate(&self, length: usize) -> Result<(), CallError> {
        self.tell(ListRequest::Truncate(length as u64))
    }

    fn tell(&self, request: ListRequest) -> Result<(), CallError> {
        match self.call(request)? {
            Reply::Done => Ok(()),
            _ => Err(CallError::misfit()),
        }
    }

    fn call(&self, request: ListRequest) -> Result<Reply, CallError> {
        let object = self.reference.object();
        self.reference.call(&Request::List { object, request })
    }
}

impl<T: Message> List<T> {
    /// A copy of the element at `index`, if there is one.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub fn get(&self, index: usize) -> Result<Option<T>, CallError> {
        self.ask(ListRequest::Get(index as u64))
    }

    /// Replaces the element at `index`.
    ///
    /// # Errors
    ///
    /// [`CallError::OutOfRange`] when there is none.
    pub fn set(&self, index: usize, value: &T) -> Result<(), CallError> {
        let datum = self.encode(value)?;
        self.tell(ListRequest::Set(index as u64, datum)).map_err(|error| at(index, error))
    }

    /// Changes the element at `index` by `change`, and returns what `change` returns.
    ///
    /// This is a transaction: `change` works on a copy, and if somebody else has changed the
    /// element meanwhile, it runs again on a newer copy. It should have no other effects.
    ///
    /// # Errors
    ///
    /// [`CallError::OutOfRange`] when there is no such element.
    ///
    /// # Panics
    ///
    /// Panics when `change` does; the element then is as it was before.
    pub fn update<R>(
        &self,
        index: usize,
        mut change: impl FnMut(&mut T) -> R,
    ) -> Result<R, CallError> {
        let client = self.reference.client()?;
        loop {
            let old = self.ask_datum(ListRequest::Get(index as u64))?;
            let Some(old) = old else {
                return Err(CallError::OutOfRange { index, length: self.len()? });
            };
            let expected = old.bytes.clone();
            let mut value: T = decode_datum(&client, old)?;
            let result = change(&mut value);
            let datum = self.encode(&value)?;
            let request = ListRequest::Exchange { index: index as u64, expected, datum };
            match self.call(request).map_err(|error| at(index, error))? {
                Reply::Done => return Ok(result),
                Reply::Conflict => {}
                _ => return Err(CallError::misfit()),
            }
        }
    }

    /// Adds an element at the end.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    #[doc(alias = "append")]
    pub fn push(&self, value: &T) -> Result<(), CallError> {
        self.extend(iter::once(value))
    }

    /// Adds all elements of `values` at the end, at once: nobody sees a part of them.
    ///
    /// # Errors
    ///
    /// [`CallError`]; then none has been added, unless the manager did not answer.
    pub fn extend<'a>(&self, values: impl IntoIterator<Item = &'a T>) -> Result<(), CallError>
    where
        T: 'a,
    {
        let data: Result<_, _> = values.into_iter().map(|value| self.encode(value)).collect();
        self.tell(ListRequest::Extend(data?))
    }

    /// Takes the last element away, if there is one.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub fn pop(&self) -> Result<Option<T>, CallError> {
        self.ask(ListRequest::Pop)
    }

    /// Puts an element before the one at `index`, or at the end.
    ///
    /// # Errors
    ///
    /// [`CallError::OutOfRange`] when `index` is beyond the end.
    pub fn insert(&self, index: usize, value: &T) -> Result<(), CallError> {
        let datum = self.encode(value)?;
        self.tell(ListRequest::Insert(index as u64, datum)).map_err(|error| at(index, error))
    }

    /// Takes the element at `index` away, if there is one.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    #[doc(alias = "pop(index)")]
    pub fn remove(&self, index: usize) -> Result<Option<T>, CallError> {
        self.ask(ListRequest::Remove(index as u64))
    }

    /// A copy of all elements, as of one instant.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub fn to_vec(&self) -> Result<Vec<T>, CallError> {
        self.range(..)
    }

    /// A copy of the elements in `range`, as of one instant. What is beyond the end is left out.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub fn range(&self, range: impl RangeBounds<usize>) -> Result<Vec<T>, CallError> {
        let start = match range.start_bound() {
            Bound::Included(start) => *start as u64,
            Bound::Excluded(before) => (*before as u64).saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => (*last as u64).saturating_add(1),
            Bound::Excluded(end) => *end as u64,
            Bound::Unbounded => u64::MAX,
        };
        let client = self.reference.client()?;
        match self.call(ListRequest::Range(start, end))? {
            Reply::Data(data) => decode_data(&client, data),
            _ => Err(CallError::misfit()),
        }
    }

    /// Reads the elements one after the other, each when its turn comes: an element that others
    /// push before the end is reached is read too. The reading ends at the first index that has
    /// none, or after an error.
    pub fn iter(&self) -> impl Iterator<Item = Result<T, CallError>> {
        let mut has_failed = false;
        (0..).map_while(move |index| {
            let element = if has_failed { None } else { self.get(index).transpose() };
            has_failed = matches!(element, Some(Err(_)));
            element
        })
    }

    fn ask(&self, request: ListRequest) -> Result<Option<T>, CallError> {
        let client = self.reference.client()?;
        self.ask_datum(request)?.map(|datum| decode_datum(&client, datum)).transpose()
    }

    fn ask_datum(&self, request: ListRequest) -> Result<Option<Datum>, CallError> {
        match self.call(request)? {
            Reply::Datum(datum) => Ok(datum),
            _ => Err(CallError::misfit()),
        }
    }

    fn encode(&self, value: &T) -> Result<Datum, CallError> {
        encode_datum(self.reference.manager(), value)
    }
}

/// Puts in which index it was.
fn at(index: usize, error: CallError) -> CallError {
    match error {
        CallError::OutOfRange { length, .. } => CallError::OutOfRange { index, length },
        other => other,
    }
}

impl<T> Clone for List<T> {
    /// Returns another proxy of the same list.
    fn clone(&self) -> Self {
        Self::new(self.reference.clone())
    }
}

impl<T> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("List").field(&self.reference).finish()
    }
}

impl<T> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.reference.serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reference::deserialize(deserializer, Kind::List).map(Self::new)
    }
}
