//! The arenas that this process has mapped, and the one that belongs to its program.

use std::collections::HashMap;
use std::fmt;
use std::mem::offset_of;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};

use brigade_sys::atomic::AtomicU64;
use brigade_sys::atomic::Ordering::Relaxed;
use brigade_sys::memory::{self, Mapping};
use brigade_sys::thread::{check_robust_list, fork_generation};

use super::birth::Seat;
use super::census::{self, Tag};
use super::layout::{Census, HEAP_START, Header, MAGIC, MAX_PROCESSES, VERSION};
use crate::error::Error;
use crate::handle::Hold;

/// The address space that an arena may grow into.
const RESERVE: usize = 1 << 36;

/// The memory an arena starts with, beyond its header.
const FIRST_MEMORY: usize = 1 << 20;

/// A memory that processes share, and all the objects in it.
///
/// A program needs no arena of its own making: its objects share one that the first of them
/// creates, that children inherit and that leaves nothing behind when the last process is gone.
pub struct Arena {
    mapping: &'static Mapping,
    header: &'static Header,
    id: u128,
    /// This process's tag, with the fork generation it belongs to: see [`Arena::tag`].
    tag: AtomicU64,
    /// The objects this process holds, so that it holds each only once.
    holds: Mutex<Holds>,
}

/// The objects that this process holds, by the offset of their block.
pub(crate) type Holds = HashMap<usize, Weak<Hold>>;

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arena({:032x})", self.id)
    }
}

/// Every arena that this process has mapped; the program's own comes first.
static ARENAS: Mutex<Vec<&'static Arena>> = Mutex::new(Vec::new());

fn arenas() -> MutexGuard<'static, Vec<&'static Arena>> {
    // The list is changed by one push or insert, so a panic elsewhere leaves it whole.
    ARENAS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Arena {
    /// The arena that this program's objects live in, created at its first use.
    ///
    /// # Errors
    ///
    /// Fails when the system has no memory or descriptor left, or when as many processes as fit
    /// are attached.
    ///
    /// # Examples
    ///
    /// ```
    /// use brigade_shm::Arena;
    ///
    /// let arena = Arena::program()?;
    /// assert_eq!(arena.id(), Arena::program()?.id());
    /// # Ok::<(), brigade_shm::Error>(())
    /// ```
    pub fn program() -> Result<&'static Self, Error> {
        let mut arenas = arenas();
        if let Some(&arena) = arenas.first() {
            return Ok(arena);
        }
        let arena = Self::create()?;
        arenas.push(arena);
        Ok(arena)
    }

    /// The arena's identity: no two arenas have the same.
    pub fn id(&self) -> u128 {
        self.id
    }

    /// The memory, as a descriptor that can be sent to another process.
    pub fn descriptor(&self) -> BorrowedFd<'static> {
        self.mapping.file()
    }

    /// How many bytes the objects in the arena use, with their administration.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when a faulty process has overwritten the arena.
    pub fn used(&'static self) -> Result<usize, Error> {
        Ok(super::heap::usage(self)?.0)
    }

    /// How many bytes of memory the arena has taken from the system.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when a faulty process has overwritten the arena.
    pub fn size(&'static self) -> Result<usize, Error> {
        Ok(super::heap::usage(self)?.1)
    }

    /// Buries the processes that have died and frees what only they held.
    ///
    /// There is no need to call it: it happens when a process attaches, and when somebody waits
    /// for the dead.
    pub fn bury_the_dead(&'static self) {
        census::bury_all_dead(self);
    }

    pub(crate) fn mapping(&self) -> &'static Mapping {
        self.mapping
    }

    pub(crate) fn header(&self) -> &'static Header {
        self.header
    }

    pub(crate) fn census(&self) -> &'static Census {
        &self.header.census
    }

    pub(crate) fn holds(&self) -> MutexGuard<'_, Holds> {
        // Changed by single inserts and removals, so a panic elsewhere leaves it whole.
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This process's tag in the arena. Attaches the process if it is not: at its first use, and
    /// after a fork that brigade did not do.
    pub(crate) fn tag(&'static self) -> Result<Tag, Error> {
        if let Some(tag) = self.cached_tag() {
            return Ok(tag);
        }
        // One thread attaches, the others find what it has cached.
        let _arenas = arenas();
        self.tag_locked()
    }

    pub(crate) fn cached_tag(&self) -> Option<Tag> {
        let word = self.tag.load(Relaxed);
        let (tag, generation) = unpack(word);
        (word != 0 && generation == fork_generation() & FORK_MASK).then_some(tag)
    }

    pub(super) fn set_tag(&self, tag: Tag) {
        self.tag.store(pack(tag), Relaxed);
    }

    fn tag_locked(&'static self) -> Result<Tag, Error> {
        if let Some(tag) = self.cached_tag() {
            return Ok(tag);
        }
        let tag = match take_expectation(self.id) {
            None => census::register(self)?,
            Some(seat) if census::take_expected(self, seat.tag()) => seat.tag(),
            Some(_) => return Err(Error::Gone { kind: "parent process" }),
        };
        self.set_tag(tag);
        Ok(tag)
    }

    fn create() -> Result<&'static Self, Error> {
        let size = HEAP_START + FIRST_MEMORY;
        let file = memory::create("brigade", size as u64)?;
        let mapping = Mapping::new(file, RESERVE)?;
        let header: &Header = mapping.get(0).ok_or(Error::Corrupt("no room for a header"))?;
        let id = random_id()?;
        header.version.store(VERSION, Relaxed);
        header.processes.store(MAX_PROCESSES as u32, Relaxed);
        let [low, high] = halves(id);
        header.id_low.store(low, Relaxed);
        header.id_high.store(high, Relaxed);
        header.heap.top.store(HEAP_START as u64, Relaxed);
        header.heap.end.store(size as u64, Relaxed);
        header.magic.store(MAGIC, Relaxed);
        Self::attach(mapping)
    }

    /// The arena in `file`, with this process attached. What is none is not mapped, since nothing is
    /// ever unmapped.
    fn open(file: OwnedFd) -> Result<&'static Self, Error> {
        identify(&file)?;
        Self::attach(Mapping::new(file, RESERVE)?)
    }

    fn attach(mapping: &'static Mapping) -> Result<&'static Self, Error> {
        check_robust_list()
            .map_err(|error| brigade_sys::Error::new("use", "robust locks", error))?;
        let header: &Header = mapping.get(0).ok_or(Error::Corrupt("too short for an arena"))?;
        let id = u128::from(header.id_high.load(Relaxed)) << 64
            | u128::from(header.id_low.load(Relaxed));
        let arena = Box::leak(Box::new(Self {
            mapping,
            header,
            id,
            tag: AtomicU64::new(0),
            holds: Mutex::new(HashMap::new()),
        }));
        arena.tag_locked()?;
        Ok(arena)
    }
}

/// Makes the memory behind `file` this program's arena, in a child that has not used one yet.
///
/// # Errors
///
/// [`Error::Invalid`] when the program has an arena already, [`Error::Corrupt`] when the file is
/// none, or a refusal of the system.
pub fn adopt(file: OwnedFd) -> Result<(), Error> {
    let mut arenas = arenas();
    if !arenas.is_empty() {
        let expectation = "a program has one arena, and this one has it already";
        return Err(Error::Invalid { kind: "arena", expectation });
    }
    arenas.push(Arena::open(file)?);
    Ok(())
}

/// The entries that wait for this process, with the fork generation of the process they wait for.
static EXPECTATIONS: Mutex<Vec<(u32, Seat)>> = Mutex::new(Vec::new());

fn expectations() -> MutexGuard<'static, Vec<(u32, Seat)>> {
    EXPECTATIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes entries that wait for this process.
pub(super) fn expect(seats: Vec<Seat>) {
    let generation = fork_generation();
    *expectations() = seats.into_iter().map(|seat| (generation, seat)).collect();
}

fn take_expectation(arena: u128) -> Option<Seat> {
    let mut expectations = expectations();
    let place = expectations.iter().position(|(_, seat)| seat.arena == arena)?;
    let (generation, seat) = expectations.swap_remove(place);
    // A copy of the process is not the one that is waited for.
    (generation == fork_generation()).then_some(seat)
}

/// The arena with `id`, if this process has it mapped.
pub(crate) fn find(id: u128) -> Option<&'static Arena> {
    arenas().iter().find(|arena| arena.id == id).copied()
}

/// Maps an arena that a message brought along, unless it is mapped already.
pub(crate) fn attach(id: u128, file: OwnedFd) -> Result<&'static Arena, Error> {
    let mut arenas = arenas();
    if let Some(&arena) = arenas.iter().find(|arena| arena.id == id) {
        return Ok(arena);
    }
    if arenas.is_empty() {
        // The first place is the program's own, which other code relies on to be inherited.
        let own = Arena::create()?;
        arenas.push(own);
    }
    if identify(&file)? != id {
        return Err(Error::Corrupt("the arena is not the one that the handle names"));
    }
    let arena = Arena::open(file)?;
    arenas.push(arena);
    Ok(arena)
}

/// An arena that nothing else uses.
#[cfg(test)]
pub(crate) fn new_for_test() -> &'static Arena {
    Arena::create().expect("there is memory")
}

/// Every arena that this process has mapped.
pub(super) fn all() -> Vec<&'static Arena> {
    arenas().clone()
}

/// The fork generation's bits in the cached tag; the rest is the slot and its generation, plus
/// one bit so that no tag is zero.
const FORK_MASK: u32 = (1 << 20) - 1;

fn pack(tag: Tag) -> u64 {
    let fork = u64::from(fork_generation() & FORK_MASK);
    1 << 63 | fork << 40 | u64::from(tag.slot) << 24 | u64::from(tag.generation)
}

fn unpack(word: u64) -> (Tag, u32) {
    let [g0, g1, g2, s0, s1, f0, f1, f2] = word.to_le_bytes();
    let tag =
        Tag { slot: u16::from_le_bytes([s0, s1]), generation: u32::from_le_bytes([g0, g1, g2, 0]) };
    (tag, u32::from_le_bytes([f0, f1, f2, 0]) & FORK_MASK)
}

fn halves(id: u128) -> [u64; 2] {
    let bytes = id.to_le_bytes();
    let half = |from: usize| {
        let mut eight = [0; 8];
        eight.copy_from_slice(&bytes[from..from + 8]);
        u64::from_le_bytes(eight)
    };
    [half(0), half(8)]
}

/// Which arena is in `file`.
///
/// # Errors
///
/// [`Error::Corrupt`] when there is none, or one of another version.
fn identify(file: &OwnedFd) -> Result<u128, Error> {
    // The last byte first: the file does not shrink, so then the header is there too.
    memory::peek(file, HEAP_START as u64 - 1, &mut [0])?;
    let word = |at: usize| {
        let mut bytes = [0; 8];
        memory::peek(file, at as u64, &mut bytes).map(|()| bytes)
    };
    if word(offset_of!(Header, magic))? != MAGIC.to_ne_bytes() {
        return Err(Error::Corrupt("not an arena"));
    }
    // Two words of four bytes, one behind the other.
    let [version @ .., p0, p1, p2, p3] = word(offset_of!(Header, version))?;
    if version != VERSION.to_ne_bytes() || [p0, p1, p2, p3] != (MAX_PROCESSES as u32).to_ne_bytes()
    {
        return Err(Error::Corrupt("an arena of another version of brigade"));
    }
    let half = |at| Ok::<_, Error>(u128::from(u64::from_ne_bytes(word(at)?)));
    Ok(half(offset_of!(Header, id_high))? << 64 | half(offset_of!(Header, id_low))?)
}

fn random_id() -> Result<u128, Error> {
    let mut bytes = [0; 16];
    brigade_sys::random::fill(&mut bytes)?;
    Ok(u128::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

    use std::fs::read_to_string;

    use super::*;

    /// How much of this process's address space is taken, in pages.
    fn mapped() -> usize {
        let sizes = read_to_string("/proc/self/statm").unwrap();
        sizes.split(' ').next().unwrap().parse().unwrap()
    }

    /// Others may map something meanwhile, but not a thousand arenas.
    #[test]
    fn what_is_no_arena_is_refused_and_takes_no_address_space() {
        let own = Arena::program().unwrap();
        let forged = memory::create("arena-test", HEAP_START as u64 + 4096).unwrap();
        let short = memory::create("arena-test", HEAP_START as u64 - 1).unwrap();
        let before = mapped();
        for number in 0..1000 {
            let real = own.descriptor().try_clone_to_owned().unwrap();
            for file in [forged.try_clone().unwrap(), short.try_clone().unwrap(), real] {
                assert!(attach(number, file).is_err());
            }
        }
        assert!(mapped().saturating_sub(before) < 100 * RESERVE / 4096, "{before} {}", mapped());
    }

    #[test]
    fn an_arena_is_identified_without_a_mapping() {
        let own = Arena::program().unwrap();
        let file = own.descriptor().try_clone_to_owned().unwrap();
        assert_eq!(identify(&file).unwrap(), own.id());
        assert_eq!(attach(own.id(), file).unwrap().id(), own.id());
    }
}
