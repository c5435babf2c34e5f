//! The map as it lies in shared memory: which store is in use, and the lock of all changes.
//!
//! | word       | meaning                                                                       |
//! |------------|-------------------------------------------------------------------------------|
//! | `parts`    | where the stores lie: the one in use, and while another is made, that one      |
//! | `epoch`    | how often a store was exchanged for another; the lowest bit says which is used |
//! | `secret`   | the key of the hash, another one for each map                                  |
//! | `counts`   | what the holder of the lock would otherwise have to count                      |
//!
//! Entries are only ever added to a store, behind the last. When it is full, the holder of the lock
//! makes another of the entries that are left, twice as large as they need; the store of `epoch` is
//! the exchange. So all memory of entries that were removed or replaced comes back, each byte that
//! is put is copied about once more, and nothing moves under a reader's eyes.
//!
//! A reader notes the epoch, looks at the store, and looks whether the epoch is the same. If it is
//! not, the store may have been given back meanwhile, and what was read means nothing: it reads
//! again. No other change disturbs it, so it waits for nobody, be he dead, stopped or slow.
//!
//! # Why no wake-up is lost
//!
//! Nobody sleeps here but on the lock.
//!
//! # What a dead process leaves
//!
//! Outside the lock, nothing. Inside it, one of:
//!
//! | it died                                    | it leaves                                      |
//! |--------------------------------------------|------------------------------------------------|
//! | before it stored a slot                    | an entry that no slot leads to                 |
//! | after that                                 | counts that are one off                        |
//! | before it attached a new store             | a block of its own, which goes at its burial   |
//! | before or after it stored the epoch        | a store that is not in use                     |
//!
//! The next holder of the lock is told of the death: it gives back the store that is not in use,
//! and counts anew.

use brigade_sys::atomic::Ordering::{Acquire, Relaxed, Release};
use brigade_sys::atomic::{AtomicU64, fence};
use brigade_sys::kill_point::kill_point;
use brigade_sys::memory::Shareable;
use brigade_sys::robust::{Acquired, RobustLock};
use brigade_sys::time::Deadline;

use super::hash::hash;
use super::locked::Locked;
use super::store::{Entry, Found, Key, Store};
use crate::arena::Arena;
use crate::arena::block::Kind;
use crate::arena::heap::Plan;
use crate::data::part;
use crate::error::Error;
use crate::handle::Handle;

/// How often a reader tries without the lock.
const TRIES: u32 = 64;

/// What lies in the block.
#[repr(C, align(64))]
pub(super) struct Shared {
    /// At the very start, since these are the part words of the object.
    parts: [AtomicU64; 2],
    epoch: AtomicU64,
    secret: [AtomicU64; 2],
    lock: RobustLock,
    counts: Counters,
}

#[repr(C, align(64))]
struct Counters {
    entries: AtomicU64,
    used: AtomicU64,
    live: AtomicU64,
    end: AtomicU64,
}

// SAFETY: shareable parts throughout; all zeros is an empty map without a store.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Shared {}

// SAFETY: atomics throughout.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Counters {}

/// What could be counted in the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) entries: usize,
    /// How many slots were ever used.
    pub(super) used: usize,
    /// How many words the entries have.
    pub(super) live: usize,
    /// The first word behind the last entry.
    pub(super) end: usize,
}

/// A map of bytes to bytes.
#[derive(Clone, Debug)]
pub(super) struct ByteMap {
    handle: Handle,
    shared: &'static Shared,
    secret: [u64; 2],
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl ByteMap {
    /// Makes an empty map in `arena`.
    pub(super) fn create_in(arena: &'static Arena) -> Result<Self, Error> {
        let length = size_of::<Shared>();
        let plan = Plan { kind: Kind::Map, shape: 0, length, parts: 2 };
        let map = Self::open(Handle::create_in(arena, plan)?)?;
        let mut secret = [0; 16];
        brigade_sys::random::fill(&mut secret)?;
        let (low, high) = secret.split_at(8);
        let secret = [low, high].map(super::super::words::word);
        for (word, half) in map.shared.secret.iter().zip(secret) {
            word.store(half, Relaxed);
        }
        Ok(Self { secret, ..map })
    }

    /// The map that `handle` is a handle of.
    pub(super) fn open(handle: Handle) -> Result<Self, Error> {
        const OUTSIDE: Error = Error::Corrupt("a map lies outside its arena");
        let shared: &Shared = handle.arena().mapping().get(handle.body()).ok_or(OUTSIDE)?;
        let secret = [0, 1].map(|half: usize| shared.secret[half].load(Relaxed));
        Ok(Self { handle, shared, secret })
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(super) fn key<'a>(&self, bytes: &'a [u8]) -> Key<'a> {
        Key { bytes, tag: (hash(self.secret, bytes) >> 32) as u32 }
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        // The one who died may have put an entry and not counted it.
        if self.shared.lock.is_orphaned() {
            drop(self.lock());
        }
        self.shared.counts().entries
    }

    pub(super) fn get(&self, key: &Key<'_>) -> Result<Option<Vec<u8>>, Error> {
        self.find(key, Entry::value)
    }

    pub(super) fn contains(&self, key: &Key<'_>) -> Result<bool, Error> {
        Ok(self.find(key, |_| ())?.is_some())
    }

    fn find<R>(&self, key: &Key<'_>, look: impl Fn(&Entry) -> R) -> Result<Option<R>, Error> {
        let found = self.read(|store| match store.find(key) {
            Found::Entry(_, entry) => Ok(Some(look(&entry))),
            Found::Nothing(_) => Ok(None),
            Found::Nonsense => Err(Error::Corrupt("an entry of a map does not lie in its store")),
        });
        found?.unwrap_or(Ok(None))
    }

    /// What `look` makes of the store in use, or nothing when there is none.
    ///
    /// `look` may see nonsense, and is then run again.
    #[inline]
    pub(super) fn read<R>(&self, look: impl Fn(Store) -> R) -> Result<Option<R>, Error> {
        for _ in 0..TRIES {
            // PAIR epoch: the store was made before the epoch that says it is in use.
            let epoch = self.shared.epoch.load(Acquire);
            let result = self.store(epoch).map(|store| store.map(&look));
            // PAIR gone: if a word was read that was written after the store was given back, a
            // later epoch is seen. Between the two is the heap's lock.
            fence(Acquire);
            if self.shared.epoch.load(Relaxed) == epoch {
                return result;
            }
        }
        if self.shared.lock.is_mine() {
            // Whoever exchanges stores now does it without the lock.
            return Err(Error::Corrupt("the stores of a locked map are exchanged"));
        }
        let locked = self.lock();
        Ok(locked.store()?.map(look))
    }

    /// Takes the lock, and makes good what a dead holder left.
    pub(super) fn lock(&self) -> Locked<'_> {
        let acquired = self.shared.lock.lock(Deadline::NEVER);
        kill_point("map.locked");
        let locked = Locked::new(self);
        if acquired == Some(Acquired::OwnerDied) {
            locked.recover();
        }
        locked
    }

    pub(super) fn shared(&self) -> &'static Shared {
        self.shared
    }

    /// The store in use in `epoch`; `Ok(None)` when there is none.
    #[inline]
    fn store(&self, epoch: u64) -> Result<Option<Store>, Error> {
        const NOWHERE: Error = Error::Corrupt("a map has no store where it should be");
        let word = &self.shared.parts[used_in(epoch)];
        let store = |body| Store::at(self.handle.arena().mapping(), body);
        match part::body(word) {
            Some(body) => store(body).map(Some).ok_or(NOWHERE),
            None if word.load(Relaxed) == 0 => Ok(None),
            None => Err(NOWHERE),
        }
    }
}

/// Which part is the store in use in `epoch`.
pub(super) fn used_in(epoch: u64) -> usize {
    (epoch & 1) as usize
}

impl Shared {
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Relaxed)
    }

    pub(super) fn forget_part(&self, index: usize) {
        self.parts[index].store(0, Relaxed);
    }

    /// Puts the other part into use: the one store that exchanges everything. The caller holds the
    /// lock.
    pub(super) fn exchange(&self) {
        kill_point("map.exchange");
        // PAIR epoch: with the load in `read`.
        self.epoch.store(self.epoch.load(Relaxed).wrapping_add(1), Release);
        // PAIR gone: whoever reads what is written to the old store's memory sees the new epoch.
        fence(Release);
        kill_point("map.exchanged");
    }

    pub(super) fn unlock(&'static self) {
        kill_point("map.unlock");
        self.lock.unlock();
        kill_point("map.unlocked");
    }

    pub(super) fn counts(&self) -> Counts {
        let load = |word: &AtomicU64| usize::try_from(word.load(Relaxed)).unwrap_or(usize::MAX);
        let Counters { entries, used, live, end } = &self.counts;
        Counts { entries: load(entries), used: load(used), live: load(live), end: load(end) }
    }

    pub(super) fn set_counts(&self, counts: Counts) {
        let Counters { entries, used, live, end } = &self.counts;
        entries.store(counts.entries as u64, Relaxed);
        kill_point("map.counted");
        used.store(counts.used as u64, Relaxed);
        live.store(counts.live as u64, Relaxed);
        end.store(counts.end as u64, Relaxed);
    }
}
