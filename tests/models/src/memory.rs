//! The memory that the actors share: one piece, empty at the start of each execution.
//!
//! # Safety
//!
//! The piece lives for ever and is only ever reached through atomics, by one thread: the actors are
//! coroutines. References are handed out to aligned places inside it, of types that are
//! [`Shareable`]: valid for every bit pattern.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering::Relaxed;

use crate::Error;
use crate::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64};
use crate::bell::Bell;
use crate::engine::{Shape, Word};
use crate::mutant::{Fault, Kind};
use crate::robust::RobustLock;
use crate::world::{self, Turn};

/// How many bytes there are.
pub(crate) const SIZE: usize = 1 << 19;

/// How many of them, at the start, belong to the arena.
pub(crate) const ARENA: usize = SIZE / 2;

#[repr(C, align(4096))]
struct Page([std::sync::atomic::AtomicU64; 512]);

std::thread_local! {
    /// Made once for each thread that runs models: addresses stay the same.
    static PIECE: &'static [Page] = Box::leak(
        (0..SIZE / 4096)
            .map(|_| Page([const { std::sync::atomic::AtomicU64::new(0) }; 512]))
            .collect(),
    );
    static MAPPING: &'static Mapping = Box::leak(Box::new(Mapping { base: base() }));
    /// How much of it is in use beyond the arena.
    static USED: Cell<usize> = const { Cell::new(0) };
    static ARENA_IS_USED: Cell<bool> = const { Cell::new(false) };
}

/// Where the memory lies.
pub(crate) fn base() -> usize {
    PIECE.with(|piece| piece.as_ptr().addr())
}

/// Makes the memory as it is at the start.
pub(crate) fn reset() {
    clear(ARENA, USED.replace(0));
    if ARENA_IS_USED.replace(false) {
        clear(0, ARENA);
    }
}

fn clear(offset: usize, length: usize) {
    PIECE.with(|piece| {
        let pages = &piece[offset / 4096..(offset + length).div_ceil(4096)];
        for word in pages.iter().flat_map(|page| &page.0) {
            word.store(0, Relaxed);
        }
    });
}

/// Says that the arena is not empty any more.
pub(crate) fn use_arena() {
    ARENA_IS_USED.set(true);
}

/// Takes `size` bytes that nobody uses, and says at which offset they lie.
pub(crate) fn take(size: usize, align: usize) -> usize {
    let offset = USED.get().next_multiple_of(align);
    assert!(offset + size <= SIZE - ARENA, "the model's memory is too small");
    USED.set(offset + size);
    ARENA + offset
}

/// The word that lies at `address`, if that is in the memory.
pub(crate) fn word_at(address: usize) -> Option<&'static AtomicU32> {
    address.checked_sub(base()).and_then(|offset| Mapping::current().get(offset))
}

/// The value of the word at `address`.
pub(crate) fn value_at(address: usize, shape: Shape) -> u64 {
    let size = match shape {
        Shape::U8 => 1,
        Shape::U16 => 2,
        Shape::U32 => 4,
        Shape::U64 => 8,
        Shape::Bytes | Shape::None => 0,
    };
    let bytes = Mapping::current().slice::<Byte>(address.wrapping_sub(base()), size);
    let mut value = [0; 8];
    for (to, from) in value.iter_mut().zip(bytes.unwrap_or_default()) {
        *to = from.0.load(Relaxed);
    }
    u64::from_le_bytes(value)
}

/// A type that several processes may use at the same address at once.
///
/// # Safety
///
/// As in the code under test.
pub unsafe trait Shareable: Sync + 'static {}

// SAFETY: atomics are valid for every bit pattern.
unsafe impl Shareable for AtomicU8 {}
// SAFETY: as above.
unsafe impl Shareable for AtomicU16 {}
// SAFETY: as above.
unsafe impl Shareable for AtomicU32 {}
// SAFETY: as above.
unsafe impl Shareable for AtomicU64 {}
// SAFETY: atomics throughout.
unsafe impl Shareable for RobustLock {}
// SAFETY: one atomic.
unsafe impl Shareable for Bell {}
// SAFETY: elements of a shareable type, one after the other.
unsafe impl<T: Shareable, const N: usize> Shareable for [T; N] {}

/// The shared memory, as the code under test sees it.
#[derive(Debug)]
pub struct Mapping {
    base: usize,
}

#[allow(missing_docs, reason = "as in the code under test")]
impl Mapping {
    pub(crate) fn current() -> &'static Self {
        MAPPING.with(|mapping| *mapping)
    }

    pub fn file(&'static self) -> BorrowedFd<'static> {
        unreachable!("a model's memory is no file")
    }

    pub fn grow(&self, size: usize) -> Result<(), Error> {
        if size <= ARENA {
            return Ok(());
        }
        let errno = rustix::io::Errno::NOMEM;
        Err(Error::new("grow", "the model's memory", errno))
    }

    pub fn get<T: Shareable>(&'static self, offset: usize) -> Option<&'static T> {
        self.slice(offset, 1)?.first()
    }

    pub fn offset_of<T: Shareable>(&self, object: &T) -> Option<usize> {
        let offset = std::ptr::from_ref(object).addr().checked_sub(self.base)?;
        (offset + size_of::<T>() <= SIZE).then_some(offset)
    }

    pub fn slice<T: Shareable>(&'static self, offset: usize, count: usize) -> Option<&'static [T]> {
        let end = count.checked_mul(size_of::<T>())?.checked_add(offset)?;
        if !offset.is_multiple_of(align_of::<T>()) || end > SIZE {
            return None;
        }
        let start = PIECE.with(|piece| piece.as_ptr()).cast::<u8>().wrapping_add(offset);
        // SAFETY: inside the piece, aligned, and valid for every bit pattern.
        Some(unsafe { std::slice::from_raw_parts(start.cast::<T>(), count) })
    }

    /// Copies `bytes` in, in two steps.
    #[track_caller]
    #[must_use]
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Option<()> {
        let (first, second) = bytes.split_at(bytes.len() / 2);
        self.write_part(offset, first)?;
        self.write_part(offset + first.len(), second)
    }

    #[track_caller]
    fn write_part(&self, offset: usize, bytes: &[u8]) -> Option<()> {
        let to = Self::current().slice::<Byte>(offset, bytes.len())?;
        if !bytes.is_empty() && self.touch(offset, bytes.len(), Kind::Write) {
            for (to, from) in to.iter().zip(bytes) {
                to.0.store(*from, Relaxed);
            }
            // Memory that was bytes may hold atomics next.
            let atomics = world::with(|world| world.words_in(self.base + offset, bytes.len()));
            for (address, word) in atomics {
                world::as_same_actor(|| word.overwrite(|shape| value_at(address, shape)));
            }
        }
        Some(())
    }

    #[track_caller]
    #[must_use]
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> Option<()> {
        let from = Self::current().slice::<Byte>(offset, bytes.len())?;
        if !bytes.is_empty() {
            self.touch(offset, bytes.len(), Kind::Read);
        }
        for (to, from) in bytes.iter_mut().zip(from) {
            *to = from.0.load(Relaxed);
        }
        Some(())
    }

    #[track_caller]
    #[must_use]
    pub fn append_to(&self, bytes: &mut Vec<u8>, offset: usize, length: usize) -> Option<()> {
        let end = bytes.len();
        bytes.resize(end + length, 0);
        self.read(offset, &mut bytes[end..])
    }

    #[track_caller]
    #[must_use]
    pub fn clear(&self, offset: usize, length: usize) -> Option<()> {
        self.write(offset, &vec![0; length])
    }

    pub fn bytes(&self, offset: usize, length: usize) -> Option<*mut u8> {
        let end = offset.checked_add(length)?;
        let start = PIECE.with(|piece| piece.as_ptr()).cast_mut().cast::<u8>();
        (end <= SIZE).then(|| start.wrapping_add(offset))
    }

    /// Says that bytes are read or written that are no atomics; false if they are not to be.
    #[track_caller]
    fn touch(&self, offset: usize, length: usize, kind: Kind) -> bool {
        let place = world::place();
        let first = offset / 8;
        for word in first..=(offset + length - 1) / 8 {
            // The first counts as the step; the others follow at once.
            let address = self.base + word * 8;
            let turn = if word == first {
                world::begin(address, Shape::Bytes, Fault::new(kind), place)
            } else {
                world::begin_with_last(address, Shape::Bytes, kind)
            };
            match turn {
                Turn::LeftOut => return false,
                Turn::Modelled(word, _) => {
                    if let Word::Bytes(cell) = &*word {
                        if kind == Kind::Write { cell.with_mut(|_| ()) } else { cell.with(|_| ()) }
                    }
                }
                _ => {}
            }
        }
        world::note(kind, place, self.base + offset, length as u64);
        true
    }
}

/// A byte that is no atomic to the code under test.
#[repr(transparent)]
struct Byte(std::sync::atomic::AtomicU8);

// SAFETY: an atomic.
unsafe impl Shareable for Byte {}
