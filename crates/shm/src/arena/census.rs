//! The census: which processes are attached to the arena, and who buries the dead.
//!
//! | claim          | meaning                                                                  |
//! |----------------|--------------------------------------------------------------------------|
//! | `Free`         | nobody; the generation counts the processes that were here               |
//! | `Expected`     | a parent is about to fork, or has forked, the process that will take it  |
//! | `Live`         | a process is attached, alive or dead                                     |
//!
//! A process is named by its [`Tag`]: the slot and the generation. A tag is never used twice, so
//! that of a dead process means nothing to its successor.
//!
//! # Why no wake-up is lost
//!
//! Each process holds the `life` lock of its entry and never releases it, so the kernel marks the
//! word and wakes whoever watches it when the holding thread dies. The woken one wakes the other
//! watchers, buries the dead and rings `deaths`. A process whose life lock is free, since the
//! thread that held it has ended, takes it again before its next sleep; until then its watchers
//! look every few milliseconds.
//!
//! # What a dead process leaves
//!
//! A `Live` entry whose life lock is marked and whose process the kernel calls dead. Anyone may
//! bury it, under the census lock: free what it left half put or half taken in messages, release
//! what it held in every block, then set the entry free, then ring. Each step may be repeated, so a
//! gravedigger that dies is succeeded by the next.

use std::time::Duration;

use brigade_sys::atomic::Ordering::{Acquire, Relaxed, Release};
use brigade_sys::identity::Identity;
use brigade_sys::kill_point::kill_point;
use brigade_sys::time::{Deadline, now};
use brigade_sys::wait::Sleep;

use super::heap;
use super::layout::{Census, Entry, MAX_PROCESSES};
use super::program::Arena;
use crate::error::Error;
use crate::message;

/// A process that is or was attached: a slot, and which of its processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tag {
    pub(crate) slot: u16,
    pub(crate) generation: u32,
}

impl Tag {
    /// The tag as a word that is never zero, to be kept in shared memory as "whose this is".
    pub(crate) fn to_word(self) -> u64 {
        (u64::from(self.slot) + 1) << 32 | u64::from(self.generation)
    }

    /// The tag that a word names; `None` for zero, and for what is no tag.
    pub(crate) fn from_word(word: u64) -> Option<Self> {
        let slot = u16::try_from((word >> 32).checked_sub(1)?).ok()?;
        // The lower half of the word.
        let generation = word as u32;
        (usize::from(slot) < MAX_PROCESSES).then_some(Self { slot, generation })
    }
}

/// What an entry's claim word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) state: State,
    pub(crate) generation: u32,
    pub(crate) pid: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Free,
    Expected,
    Live,
}

/// The generation has 24 bits: it wraps after sixteen million processes in one slot.
const GENERATION_MASK: u32 = (1 << 24) - 1;

impl Claim {
    pub(crate) fn unpack(word: u64) -> Self {
        let [pid0, pid1, pid2, pid3, gen0, gen1, gen2, state] = word.to_le_bytes();
        Self {
            state: match state {
                1 => State::Expected,
                2 => State::Live,
                _ => State::Free,
            },
            generation: u32::from_le_bytes([gen0, gen1, gen2, 0]),
            pid: u32::from_le_bytes([pid0, pid1, pid2, pid3]),
        }
    }

    pub(crate) fn pack(self) -> u64 {
        let state: u64 = match self.state {
            State::Free => 0,
            State::Expected => 1,
            State::Live => 2,
        };
        let generation = u64::from(self.generation & GENERATION_MASK);
        (state << 56) | (generation << 32) | u64::from(self.pid)
    }
}

/// How long a watcher sleeps when it watches a process whose death it may not be told of.
const UNWATCHED_NAP: Duration = Duration::from_millis(5);

/// For how long a process whose life lock has lost its holder is taken for one that is ending, and
/// how often one looks meanwhile.
const ENDING: Duration = Duration::from_millis(20);
const ENDING_NAP: Duration = Duration::from_micros(20);

impl Entry {
    pub(crate) fn claim(&self) -> Claim {
        // PAIR claim: the identity was written before the claim that names it.
        Claim::unpack(self.claim.load(Acquire))
    }

    /// Says in the entry who `identity` is, and commits `claim`.
    ///
    /// Between the stores, and if this process dies among them, the entry names a process by its id
    /// alone: less exact, but never a living one by what another is told by.
    fn name(&self, claim: Claim, identity: Identity) {
        self.started.store(0, Relaxed);
        self.inode.store(0, Relaxed);
        // PAIR claim: with the load in `Entry::claim`.
        self.claim.store(claim.pack(), Release);
        kill_point("census.claimed");
        // PAIR identity: who sees these sees the claim, or a later one, as well.
        self.started.store(identity.started, Release);
        self.inode.store(identity.inode, Release);
    }

    /// Whether the process that `claim` names still runs; `None` when the claim changed meanwhile.
    fn is_alive(&self, claim: Claim) -> Option<bool> {
        let identity = Identity {
            pid: claim.pid,
            started: self.started.load(Acquire), // PAIR identity: with `name`.
            inode: self.inode.load(Acquire),     // PAIR identity: with `name`.
        };
        (self.claim() == claim).then(|| identity.is_alive())
    }

    /// Whether the entry's process has died.
    fn is_dead(&self) -> bool {
        let claim = self.claim();
        match claim.state {
            State::Free => false,
            // The kernel clears the word when the holder dies, so a held one needs no system call.
            State::Live if self.life.is_held() => false,
            // One that has just changed is somebody's who lives, or was a moment ago.
            State::Live | State::Expected => self.is_alive(claim) == Some(false),
        }
    }
}

/// Attaches the calling process.
///
/// # Errors
///
/// [`Error::TooManyProcesses`] when every slot belongs to a living process.
pub(crate) fn register(arena: &'static Arena) -> Result<Tag, Error> {
    let tag = claim_free(arena, State::Live, Identity::current())?;
    hold_life(arena, tag);
    Ok(tag)
}

/// Takes a free entry for `identity` and says which.
pub(super) fn claim_free(
    arena: &'static Arena,
    state: State,
    identity: Identity,
) -> Result<Tag, Error> {
    // Also when there is room: what the dead hold is freed now rather than when somebody waits.
    bury_all_dead(arena);
    claim_first_free(arena, state, identity).ok_or(Error::TooManyProcesses { limit: MAX_PROCESSES })
}

fn claim_first_free(arena: &'static Arena, state: State, identity: Identity) -> Option<Tag> {
    let census = arena.census();
    let _locked = lock(census);
    let (slot, entry) =
        (0..).zip(&census.entries).find(|(_, entry)| entry.claim().state == State::Free)?;
    let generation = entry.claim().generation.wrapping_add(1) & GENERATION_MASK;
    entry.name(Claim { state, generation, pid: identity.pid }, identity);
    Some(Tag { slot, generation })
}

/// Makes the calling process the one that was expected under `tag`; false when it was given up.
pub(super) fn take_expected(arena: &'static Arena, tag: Tag) -> bool {
    let census = arena.census();
    // The tag came in a message.
    let Some(entry) = census.entries.get(usize::from(tag.slot)) else { return false };
    let taken = {
        let _locked = lock(census);
        let claim = entry.claim();
        let expected = claim.state == State::Expected && claim.generation == tag.generation;
        if expected {
            let own = Identity::current();
            entry.name(Claim { state: State::Live, pid: own.pid, ..claim }, own);
        }
        expected
    };
    if taken {
        hold_life(arena, tag);
    }
    taken
}

/// Names the process that is expected under `tag`, so that its death before it arrives is noticed.
pub(super) fn name_expected(arena: &'static Arena, tag: Tag, identity: Identity) {
    let census = arena.census();
    let _locked = lock(census);
    let entry = &census.entries[usize::from(tag.slot)];
    let claim = entry.claim();
    if claim.state == State::Expected && claim.generation == tag.generation {
        entry.name(Claim { pid: identity.pid, ..claim }, identity);
    }
}

/// Gives an expected entry up: no process will take it.
pub(super) fn give_up(arena: &'static Arena, tag: Tag) {
    let census = arena.census();
    let locked = lock(census);
    let entry = &census.entries[usize::from(tag.slot)];
    let claim = entry.claim();
    if claim.state == State::Expected && claim.generation == tag.generation {
        bury(arena, tag.slot, claim);
    }
    drop(locked);
}

/// Takes the life lock of the calling process's entry, if no thread of it holds it.
pub(crate) fn hold_life(arena: &'static Arena, tag: Tag) {
    let entry = &arena.census().entries[usize::from(tag.slot)];
    if !entry.life.is_held() {
        // Whatever the last holder left, the lock guards nothing but its own word.
        if entry.life.try_lock().is_some() {
            entry.lost.store(0, Relaxed);
        }
    }
}

/// Adds the death of the process in `slot` to what ends a sleep.
pub(crate) fn watch(arena: &'static Arena, slot: u16, sleep: &mut Sleep<'_>) {
    let entry = &arena.census().entries[usize::from(slot)];
    match entry.life.watch() {
        Some((word, expected)) => sleep.word(word, expected),
        None if is_ending(entry) => sleep.nap(ENDING_NAP),
        None => sleep.nap(UNWATCHED_NAP),
    }
}

/// Whether the life lock has lost its holder just now. The kernel gives a dying process's locks back
/// a moment before it says that the process has ended; in that moment it pays to look often.
fn is_ending(entry: &Entry) -> bool {
    let now = u64::try_from(now().as_nanos()).unwrap_or(u64::MAX);
    match entry.lost.compare_exchange(0, now, Relaxed, Relaxed) {
        Ok(_) => true,
        Err(since) => Duration::from_nanos(now.saturating_sub(since)) < ENDING,
    }
}

/// Buries the process in `slot` if it has died, and says whether the slot is empty now.
pub(crate) fn bury_if_dead(arena: &'static Arena, slot: u16) -> bool {
    let census = arena.census();
    let entry = &census.entries[usize::from(slot)];
    if entry.claim().state == State::Free {
        return true;
    }
    if !entry.is_dead() {
        return false;
    }
    let _locked = lock(census);
    // Looked at again: someone else may have buried it, and another may have moved in.
    let claim = entry.claim();
    if entry.is_dead() {
        bury(arena, slot, claim);
    }
    entry.claim().state == State::Free
}

/// Whether the process that had `tag` no longer runs. Buries it if it is the first to notice.
pub(crate) fn is_gone(arena: &'static Arena, tag: Tag) -> bool {
    let Some(entry) = arena.census().entries.get(usize::from(tag.slot)) else { return true };
    let claim = entry.claim();
    claim.state == State::Free
        || claim.generation != tag.generation
        || bury_if_dead(arena, tag.slot)
}

/// Whether the process that had `tag` no longer runs. Takes no lock and buries nobody.
pub(crate) fn has_died(arena: &'static Arena, tag: Tag) -> bool {
    let Some(entry) = arena.census().entries.get(usize::from(tag.slot)) else { return true };
    let claim = entry.claim();
    claim.state == State::Free || claim.generation != tag.generation || entry.is_dead()
}

/// Whether the process in `slot` no longer runs. Takes no lock and buries nobody.
pub(crate) fn has_died_in(arena: &'static Arena, slot: u16) -> bool {
    arena
        .census()
        .entries
        .get(usize::from(slot))
        .is_none_or(|entry| entry.claim().state == State::Free || entry.is_dead())
}

/// Buries every process that has died.
pub(crate) fn bury_all_dead(arena: &'static Arena) {
    for (slot, _) in (0..).zip(&arena.census().entries) {
        bury_if_dead(arena, slot);
    }
}

fn bury(arena: &'static Arena, slot: u16, claim: Claim) {
    let census = arena.census();
    let entry = &census.entries[usize::from(slot)];
    entry.life.wake_watchers();
    // What it left half done is known by its holds, so that comes first.
    message::bury(arena, Tag { slot, generation: claim.generation });
    heap::release_all(arena, slot);
    kill_point("census.released");
    let free = Claim { state: State::Free, pid: 0, ..claim };
    // PAIR claim: what the dead process held is released before its slot is free.
    entry.claim.store(free.pack(), Release);
    census.deaths.ring_all_after(|| census.burials.fetch_add(1, Relaxed));
}

/// The census lock, released when dropped. A holder's death needs no repair: see the head.
struct Locked(&'static Census);

fn lock(census: &'static Census) -> Locked {
    let _ = census.lock.lock(Deadline::NEVER);
    Locked(census)
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.0.lock.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_keeps_its_fields_in_its_word() {
        for state in [State::Free, State::Expected, State::Live] {
            for generation in [0, 1, GENERATION_MASK] {
                for pid in [0, 1, u32::MAX] {
                    let claim = Claim { state, generation, pid };
                    assert_eq!(Claim::unpack(claim.pack()), claim);
                }
            }
        }
    }

    #[test]
    fn a_tag_comes_back_from_its_word_and_no_tag_from_another() {
        for slot in [0, 1, 511] {
            for generation in [0, 1, GENERATION_MASK] {
                let tag = Tag { slot, generation };
                assert_ne!(tag.to_word(), 0);
                assert_eq!(Tag::from_word(tag.to_word()), Some(tag));
            }
        }
        for word in [0, 7, 513 << 32, u64::MAX] {
            assert_eq!(Tag::from_word(word), None);
        }
    }

    #[test]
    fn every_word_is_some_claim() {
        for word in [u64::MAX, 1 << 63, 0xff << 56, 12345] {
            let _ = Claim::unpack(word);
        }
    }
}
