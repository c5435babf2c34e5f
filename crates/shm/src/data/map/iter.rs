//! Reading a map entry by entry, while others change it.

use std::fmt;
use std::vec;

use brigade_codec::Message;

use super::error::MapError;
use super::{Map, decoded};

/// Reads the entries of a [`Map`] one after the other. Made by [`Map::iter`].
pub struct Iter<'a, K, V> {
    map: &'a Map<K, V>,
    /// The tag from which on entries were not read yet; `None` when there are none.
    ///
    /// A key's tag is the same in every store of the map, so an entry that stays has its turn
    /// exactly once, whatever becomes of the stores meanwhile.
    next: Option<u32>,
    read: vec::IntoIter<(Vec<u8>, Vec<u8>)>,
}

impl<'a, K, V> Iter<'a, K, V> {
    pub(super) fn new(map: &'a Map<K, V>) -> Self {
        Self { map, next: Some(0), read: Vec::new().into_iter() }
    }

    /// Reads the next entries.
    fn refill(&mut self, from: u32) -> Result<(), MapError> {
        self.next = None;
        let read = self.map.map.read(|store| {
            let (entries, next) = store.next_home(from);
            let entries = entries.iter().map(|entry| (entry.key(), entry.value()));
            (entries.collect::<Vec<_>>(), next)
        });
        let (mut entries, next) = read?.unwrap_or_default();
        // One that was removed and put again during the look may have been found in two places.
        entries.sort_unstable();
        entries.dedup_by(|one, other| one.0 == other.0);
        self.read = entries.into_iter();
        self.next = next;
        Ok(())
    }
}

impl<K: Message, V: Message> Iterator for Iter<'_, K, V> {
    type Item = Result<(K, V), MapError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((key, value)) = self.read.next() {
                return Some(decoded(&key).and_then(|key| Ok((key, decoded(&value)?))));
            }
            if let Err(error) = self.refill(self.next?) {
                return Some(Err(error));
            }
        }
    }
}

impl<K, V> fmt::Debug for Iter<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").field("map", &self.map).finish_non_exhaustive()
    }
}
