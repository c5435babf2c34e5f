//! The right to change a map, for one at a time.

use brigade_sys::kill_point::kill_point;

use super::shared::{ByteMap, Counts, used_in};
use super::store::{Entry, Found, Key, Size, Store, entry_words};
use crate::data::part::{self, NewPart};
use crate::error::Error;

const NONSENSE: Error = Error::Corrupt("the entries of a map do not lie where they should");

/// A store that is this many times as large as its entries need is exchanged for a smaller one.
const WASTE: usize = 8;

/// The right to change the map. Dropped, it lets the next one in.
#[derive(Debug)]
pub(super) struct Locked<'a> {
    map: &'a ByteMap,
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.map.shared().unlock();
    }
}

impl<'a> Locked<'a> {
    /// The right of the thread that has just taken the map's lock.
    pub(super) fn new(map: &'a ByteMap) -> Self {
        Self { map }
    }

    /// Makes good what a dead holder left: see the head of `shared`.
    pub(super) fn recover(&self) {
        let _ = self.drop_unused();
        // Of memory that a faulty process has overwritten, what can be found is counted.
        let counts = self.store().ok().flatten().map(count).unwrap_or_default();
        self.map.shared().set_counts(counts);
    }

    /// The store in use, if there is one, checked to lie in memory of the map's own.
    pub(super) fn store(&self) -> Result<Option<Store>, Error> {
        let handle = self.map.handle();
        let part = part::owned(handle, used_in(self.map.shared().epoch()))?;
        let Some((body, length)) = part else { return Ok(None) };
        let store = Store::at(handle.arena().mapping(), body);
        store.filter(|store| store.words() * 8 <= length).map(Some).ok_or(NONSENSE)
    }

    /// The value of `key`.
    pub(super) fn get(&self, key: &Key<'_>) -> Result<Option<Vec<u8>>, Error> {
        match self.store()?.map(|store| store.find(key)) {
            None | Some(Found::Nothing(_)) => Ok(None),
            Some(Found::Entry(_, entry)) => Ok(Some(entry.value())),
            Some(Found::Nonsense) => Err(NONSENSE),
        }
    }

    /// Puts an entry, and returns the value that the key had.
    pub(super) fn insert(&self, key: &Key<'_>, value: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let words = entry_words(key.bytes.len(), value.len());
        let store = self.store_with_room(words)?;
        let counts = self.counts(&store);
        let (slot, old, counts) = match store.find(key) {
            Found::Entry(slot, entry) => {
                let old = entry.value();
                if entry.replace(value) {
                    return Ok(Some(old));
                }
                let live = counts.live.saturating_sub(entry.words());
                (slot, Some(old), Counts { live, ..counts })
            }
            Found::Nothing(Some(slot)) => {
                let used = counts.used + usize::from(store.is_empty(slot));
                (slot, None, Counts { entries: counts.entries + 1, used, ..counts })
            }
            Found::Nothing(None) | Found::Nonsense => return Err(NONSENSE),
        };
        store.write(counts.end, key.bytes, value).ok_or(NONSENSE)?;
        store.lead(slot, key.tag, counts.end);
        let (live, end) = (counts.live + words, counts.end + words);
        self.map.shared().set_counts(Counts { live, end, ..counts });
        Ok(old)
    }

    /// Takes the entry of `key` away, and returns its value.
    pub(super) fn remove(&self, key: &Key<'_>) -> Result<Option<Vec<u8>>, Error> {
        let Some(store) = self.store()? else { return Ok(None) };
        let (slot, entry) = match store.find(key) {
            Found::Entry(slot, entry) => (slot, entry),
            Found::Nothing(_) => return Ok(None),
            Found::Nonsense => return Err(NONSENSE),
        };
        let old = entry.value();
        let Counts { entries, used, live, end } = self.counts(&store);
        let is_unused = store.remove(slot);
        let counts = Counts {
            entries: entries.saturating_sub(1),
            used: used - usize::from(is_unused && used > 0),
            live: live.saturating_sub(entry.words()),
            end,
        };
        self.map.shared().set_counts(counts);
        if is_wasteful(&store, counts) {
            // It is to save memory: when there is none for it, the map stays as it is.
            let _ = self.rebuild(0, |_| Ok::<_, Error>(true));
        }
        Ok(Some(old))
    }

    /// What `look` makes of every entry.
    pub(super) fn entries<R>(&self, look: impl Fn(&Entry) -> R) -> Result<Vec<R>, Error> {
        let store = self.store()?;
        Ok(store.iter().flat_map(Store::entries).map(|(_, entry)| look(&entry)).collect())
    }

    /// Makes room for `count` entries that have `words` words together, in a map that has none.
    pub(super) fn reserve(&self, count: usize, words: usize) -> Result<(), Error> {
        let draft = Draft::new(self.map, Size::for_entries(count, words))?;
        let counts = Counts { end: draft.store.first(), ..Counts::default() };
        self.put_into_use(draft, counts)
    }

    /// Keeps the entries that `keep` says, and takes all others away at once.
    pub(super) fn retain<E: From<Error>>(
        &self,
        keep: impl FnMut(&Entry) -> Result<bool, E>,
    ) -> Result<(), E> {
        if self.store()?.is_some() {
            self.rebuild(0, keep)?;
        }
        Ok(())
    }

    /// Takes all entries away at once.
    pub(super) fn clear(&self) -> Result<(), Error> {
        self.drop_unused()?;
        self.map.shared().exchange();
        self.map.shared().set_counts(Counts::default());
        self.drop_unused()
    }

    /// The store in use, with room for one more entry of `words` words.
    fn store_with_room(&self, words: usize) -> Result<Store, Error> {
        if let Some(store) = self.store()? {
            let Counts { used, end, .. } = self.counts(&store);
            // At most three of four slots are used, so that a search is short.
            let has_slot = (used + 1) * 4 <= store.slots() * 3;
            if has_slot && words <= store.words() - end {
                return Ok(store);
            }
        }
        self.rebuild(words, |_| Ok(true))
    }

    /// Exchanges the store for one of the entries that `keep` says, with room for another of `room`
    /// words.
    fn rebuild<E: From<Error>>(
        &self,
        room: usize,
        mut keep: impl FnMut(&Entry) -> Result<bool, E>,
    ) -> Result<Store, E> {
        // What a failure may have left.
        self.drop_unused()?;
        let old = self.store()?;
        let Counts { entries, live, .. } = old.map(|old| self.counts(&old)).unwrap_or_default();
        let size = Size::for_entries(entries + 1, live.saturating_add(room));
        let draft = Draft::new(self.map, size)?;
        let store = draft.store;
        let mut counts = Counts { end: store.first(), ..Counts::default() };
        for (tag, entry) in old.iter().flat_map(Store::entries) {
            if keep(&entry)? {
                store.adopt(tag, entry, counts.end).ok_or(NONSENSE)?;
                counts.entries += 1;
                counts.live += entry.words();
                counts.end += entry.words();
            }
        }
        counts.used = counts.entries;
        kill_point("map.rebuilt");
        self.put_into_use(draft, counts)?;
        Ok(store)
    }

    /// Exchanges the store for the one that was made.
    fn put_into_use(&self, draft: Draft<'_>, counts: Counts) -> Result<(), Error> {
        draft.part.attach(1 - used_in(self.map.shared().epoch()))?;
        self.map.shared().exchange();
        self.map.shared().set_counts(counts);
        self.drop_unused()
    }

    /// Gives the store back that is not in use, if there is one.
    fn drop_unused(&self) -> Result<(), Error> {
        let unused = 1 - used_in(self.map.shared().epoch());
        if part::owned(self.map.handle(), unused).is_err() {
            // Nothing of the map's is there.
            self.map.shared().forget_part(unused);
        }
        part::give_back(self.map.handle(), unused)
    }

    /// What can be counted in the store, and makes sense there.
    fn counts(&self, store: &Store) -> Counts {
        let Counts { entries, used, live, end } = self.map.shared().counts();
        Counts {
            entries: entries.min(store.slots()),
            used: used.min(store.slots()),
            live: live.min(store.words()),
            end: end.clamp(store.first(), store.words()),
        }
    }
}

/// Whether most of the store was used for entries that are gone, and what is left needs much less.
///
/// A store that was made large in advance, and was never filled, is left alone.
fn is_wasteful(store: &Store, counts: Counts) -> bool {
    let gone = counts.end.saturating_sub(store.first() + counts.live);
    let enough = Size::for_entries(counts.entries, counts.live).words();
    gone >= store.words() / 4 && enough <= store.words() / WASTE
}

/// Counts what is in the store.
fn count(store: Store) -> Counts {
    let (entries, live) = store
        .entries()
        .fold((0, 0), |(entries, live), (_, entry)| (entries + 1, live + entry.words()));
    Counts { entries, used: store.used(), live, end: store.end() }
}

/// A store that is being made. Dropped before it is put into use, its memory is given back.
struct Draft<'a> {
    part: NewPart<'a>,
    store: Store,
}

impl<'a> Draft<'a> {
    fn new(map: &'a ByteMap, size: Size) -> Result<Self, Error> {
        let part = NewPart::new(map.handle(), size.words().saturating_mul(8))?;
        let store = Store::make(map.handle().arena().mapping(), part.body(), size);
        Ok(Self { part, store: store.ok_or(NONSENSE)? })
    }
}
