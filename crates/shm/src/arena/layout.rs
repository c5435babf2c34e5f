//! Where everything lies in an arena: every shared byte outside the blocks.
//!
//! Numbers are in the machine's byte order, since an arena never leaves the machine.

use brigade_sys::atomic::{AtomicU32, AtomicU64};
use brigade_sys::bell::Bell;
use brigade_sys::memory::Shareable;
use brigade_sys::robust::RobustLock;

/// The first eight bytes of every arena: "brigade" and a zero.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"brigade\0");

/// Changes whenever the meaning of a shared byte does.
pub(crate) const VERSION: u32 = 4;

/// How many processes can be attached at a time.
pub(crate) const MAX_PROCESSES: usize = 512;

/// The words of a bitmap with one bit per process slot.
pub(crate) const SLOT_WORDS: usize = MAX_PROCESSES / 64;

/// How many block sizes there are. See [`super::block::size_of_class`].
pub(crate) const CLASSES: usize = 128;

/// The start of every arena.
#[repr(C, align(64))]
pub(crate) struct Header {
    pub(crate) magic: AtomicU64,
    pub(crate) version: AtomicU32,
    pub(crate) processes: AtomicU32,
    pub(crate) id_low: AtomicU64,
    pub(crate) id_high: AtomicU64,
    pub(crate) heap: Heap,
    pub(crate) census: Census,
}

/// The state of the block allocator, all under its lock. See [`super::heap`].
#[repr(C, align(64))]
pub(crate) struct Heap {
    pub(crate) lock: RobustLock,
    /// The end of the last block. Grows by one store when a block's header is complete.
    pub(crate) top: AtomicU64,
    /// The end of the memory that the file has.
    pub(crate) end: AtomicU64,
    /// The first free block of each class, or zero. Rebuilt from the headers after a death.
    pub(crate) free: [AtomicU64; CLASSES],
}

/// The table of processes. See [`super::census`].
#[repr(C, align(64))]
pub(crate) struct Census {
    pub(crate) lock: RobustLock,
    /// Rings when a dead process has been buried.
    pub(crate) deaths: Bell,
    pub(crate) burials: AtomicU64,
    pub(crate) entries: [Entry; MAX_PROCESSES],
}

/// One process.
#[repr(C, align(64))]
pub(crate) struct Entry {
    /// Held by a thread of the process for as long as it lives: the kernel marks its death here.
    pub(crate) life: RobustLock,
    /// The state, the generation and the process id. See [`super::census::Claim`].
    pub(crate) claim: AtomicU64,
    pub(crate) started: AtomicU64,
    pub(crate) inode: AtomicU64,
    /// When somebody first saw the life lock without a holder, in nanoseconds of the monotonic clock;
    /// zero when it has one. Only says how soon to look again.
    pub(crate) lost: AtomicU64,
}

/// Where the first block lies.
pub(crate) const HEAP_START: usize = size_of::<Header>().next_multiple_of(4096);

// SAFETY: atomics and shareable parts throughout; all zeros is a valid, empty header.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Header {}
