//! Lists and maps of encoded values. Pure: a request in, a reply out.
//!
//! A [`Change`] names every datum that the container does not hold any more, or has not taken, so
//! that the store can count what they refer to.

use std::collections::{HashMap, VecDeque};

use brigade_codec::Bytes;

use crate::protocol::{Datum, ListRequest, MapRequest, Refusal, Reply};

/// What a request came to.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) reply: Result<Reply, Refusal>,
    /// What is no longer held, or was not taken.
    pub(crate) removed: Vec<Datum>,
}

impl Change {
    fn nothing(reply: Reply) -> Self {
        Self { reply: Ok(reply), removed: Vec::new() }
    }

    fn removing(reply: Reply, removed: impl IntoIterator<Item = Datum>) -> Self {
        Self { reply: Ok(reply), removed: removed.into_iter().collect() }
    }

    fn out_of_range(length: usize, not_taken: impl IntoIterator<Item = Datum>) -> Self {
        let refusal = Refusal::OutOfRange { length: length as u64 };
        Self { reply: Err(refusal), removed: not_taken.into_iter().collect() }
    }
}

/// The values that a request brings along.
pub(crate) trait Incoming {
    fn incoming(&self) -> &[Datum];
}

impl Incoming for ListRequest {
    fn incoming(&self) -> &[Datum] {
        match self {
            Self::Set(_, datum) | Self::Insert(_, datum) | Self::Exchange { datum, .. } => {
                std::slice::from_ref(datum)
            }
            Self::Extend(data) => data,
            _ => &[],
        }
    }
}

impl Incoming for MapRequest {
    fn incoming(&self) -> &[Datum] {
        match self {
            Self::Insert(_, datum) => std::slice::from_ref(datum),
            Self::Exchange { datum, .. } => datum.as_slice(),
            _ => &[],
        }
    }
}

/// A growing number of values.
#[derive(Debug, Default)]
pub(crate) struct List {
    /// Often used as a queue: taking from either end is cheap.
    data: VecDeque<Datum>,
}

impl List {
    pub(crate) fn data(&self) -> impl Iterator<Item = &Datum> {
        self.data.iter()
    }

    pub(crate) fn apply(&mut self, request: ListRequest) -> Change {
        match request {
            ListRequest::Len => Change::nothing(Reply::Length(self.data.len() as u64)),
            ListRequest::Get(index) => {
                Change::nothing(Reply::Datum(self.place(index).map(|it| self.data[it].clone())))
            }
            ListRequest::Set(index, datum) => self.set(index, datum),
            ListRequest::Extend(data) => {
                self.data.extend(data);
                Change::nothing(Reply::Done)
            }
            ListRequest::Pop => {
                let popped = self.data.pop_back();
                Change::removing(Reply::Datum(popped.clone()), popped)
            }
            ListRequest::Insert(index, datum) => self.insert(index, datum),
            ListRequest::Remove(index) => {
                let removed = self.place(index).and_then(|place| self.data.remove(place));
                Change::removing(Reply::Datum(removed.clone()), removed)
            }
            ListRequest::Truncate(length) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX).min(self.data.len());
                Change::removing(Reply::Done, self.data.split_off(length))
            }
            ListRequest::Range(start, end) => {
                let clamp = |index| usize::try_from(index).unwrap_or(usize::MAX);
                let end = clamp(end).min(self.data.len());
                let start = clamp(start).min(end);
                Change::nothing(Reply::Data(self.data.range(start..end).cloned().collect()))
            }
            ListRequest::Exchange { index, expected, datum } => match self.place(index) {
                Some(place) if self.data[place].bytes == expected => self.set(index, datum),
                Some(_) => Change::removing(Reply::Conflict, [datum]),
                None => Change::out_of_range(self.data.len(), [datum]),
            },
        }
    }

    fn place(&self, index: u64) -> Option<usize> {
        usize::try_from(index).ok().filter(|place| *place < self.data.len())
    }

    fn set(&mut self, index: u64, datum: Datum) -> Change {
        match self.place(index) {
            Some(place) => {
                let old = std::mem::replace(&mut self.data[place], datum);
                Change::removing(Reply::Done, [old])
            }
            None => Change::out_of_range(self.data.len(), [datum]),
        }
    }

    fn insert(&mut self, index: u64, datum: Datum) -> Change {
        match usize::try_from(index).ok().filter(|place| *place <= self.data.len()) {
            Some(place) => {
                self.data.insert(place, datum);
                Change::nothing(Reply::Done)
            }
            None => Change::out_of_range(self.data.len(), [datum]),
        }
    }
}

/// Values by their keys, listed in the order in which the keys came.
#[derive(Debug, Default)]
pub(crate) struct Map {
    entries: HashMap<Bytes, Entry>,
    next_order: u64,
}

#[derive(Debug)]
struct Entry {
    order: u64,
    datum: Datum,
}

impl Map {
    pub(crate) fn data(&self) -> impl Iterator<Item = &Datum> {
        self.entries.values().map(|entry| &entry.datum)
    }

    pub(crate) fn apply(&mut self, request: MapRequest) -> Change {
        match request {
            MapRequest::Len => Change::nothing(Reply::Length(self.entries.len() as u64)),
            MapRequest::Get(key) => {
                let entry = self.entries.get(&key);
                Change::nothing(Reply::Datum(entry.map(|entry| entry.datum.clone())))
            }
            MapRequest::Contains(key) => {
                Change::nothing(Reply::Length(u64::from(self.entries.contains_key(&key))))
            }
            MapRequest::Insert(key, datum) => {
                let old = self.insert(key, datum);
                Change::removing(Reply::Datum(old.clone()), old)
            }
            MapRequest::Remove(key) => {
                let old = self.entries.remove(&key).map(|entry| entry.datum);
                Change::removing(Reply::Datum(old.clone()), old)
            }
            MapRequest::Clear => {
                let entries = std::mem::take(&mut self.entries);
                Change::removing(Reply::Done, entries.into_values().map(|entry| entry.datum))
            }
            MapRequest::Keys => Change::nothing(Reply::Keys(self.listed(|key, _| key.clone()))),
            MapRequest::Values => {
                Change::nothing(Reply::Data(self.listed(|_, datum| datum.clone())))
            }
            MapRequest::Items => {
                let items = self.listed(|key, datum| (key.clone(), datum.clone()));
                Change::nothing(Reply::Items(items))
            }
            MapRequest::Exchange { key, expected, datum } => self.exchange(key, expected, datum),
        }
    }

    fn insert(&mut self, key: Bytes, datum: Datum) -> Option<Datum> {
        if let Some(entry) = self.entries.get_mut(&key) {
            return Some(std::mem::replace(&mut entry.datum, datum));
        }
        self.entries.insert(key, Entry { order: self.next_order, datum });
        self.next_order += 1;
        None
    }

    fn exchange(&mut self, key: Bytes, expected: Option<Bytes>, datum: Option<Datum>) -> Change {
        if self.entries.get(&key).map(|entry| &entry.datum.bytes) != expected.as_ref() {
            return Change::removing(Reply::Conflict, datum);
        }
        let old = match datum {
            Some(datum) => self.insert(key, datum),
            None => self.entries.remove(&key).map(|entry| entry.datum),
        };
        Change::removing(Reply::Done, old)
    }

    fn listed<T>(&self, part: impl Fn(&Bytes, &Datum) -> T) -> Vec<T> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_unstable_by_key(|(_, entry)| entry.order);
        entries.into_iter().map(|(key, entry)| part(key, &entry.datum)).collect()
    }
}
