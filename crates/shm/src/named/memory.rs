//! A mapped segment: its header, and the bytes behind it.
//!
//! ```text
//! +--------------------+------------------------------+
//! | header             | the bytes of the user        |
//! +--------------------+------------------------------+
//! 0                    64                             64 + length
//! ```
//!
//! # Safety
//!
//! The bytes are only ever copied, or used as atomics: no reference to plain bytes is made, since
//! any program of the same user may write them at any time. Each address is checked against the
//! length of the mapping, which was that of the file when it was mapped. References to atomics
//! borrow the [`Memory`], which unmaps when it is dropped.
#![allow(unsafe_code)]

use std::fmt;
use std::fs::File;
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};

use brigade_sys::kill_point::kill_point;
use brigade_sys::memory::Shareable;
use shared_memory::{Shmem, ShmemConf, ShmemError};

/// The first eight bytes of every segment.
pub(super) const MAGIC: u64 = u64::from_le_bytes(*b"brigsegm");

/// Changes whenever the meaning of a byte of the header does.
const VERSION: u32 = 1;

/// The bytes before the user's.
pub(super) const HEADER: usize = size_of::<Header>();

/// The start of every segment.
#[repr(C, align(64))]
struct Header {
    magic: AtomicU64,
    version: AtomicU32,
    /// What the bytes are: see [`Content`].
    content: AtomicU32,
    length: AtomicU64,
    /// Random: tells the segment apart from others that have had its name.
    id: AtomicU64,
}

// SAFETY: atomics throughout; all zeros is a header without its magic.
unsafe impl Shareable for Header {}

/// What the bytes of a segment are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Content {
    /// The user's affair.
    Bytes = 1,
    /// A [`ShareableList`](crate::ShareableList).
    List = 2,
}

/// A segment in this process's address space.
pub(crate) struct Memory {
    mapped: Shmem,
    length: usize,
}

// SAFETY: the mapping is the same in every thread, and the methods below are all that use it.
unsafe impl Send for Memory {}
// SAFETY: the methods copy bytes or hand out atomics, in any number of threads at once.
unsafe impl Sync for Memory {}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("length", &self.length).finish_non_exhaustive()
    }
}

/// What the system or the bytes had against a segment.
#[derive(Debug)]
pub(super) enum Refusal {
    Exists,
    Corrupt(&'static str),
    System(std::io::Error),
}

impl From<ShmemError> for Refusal {
    fn from(error: ShmemError) -> Self {
        match error {
            ShmemError::MappingIdExists | ShmemError::LinkExists => Self::Exists,
            ShmemError::MapCreateFailed(code)
            | ShmemError::MapOpenFailed(code)
            | ShmemError::UnknownOsError(code) => {
                let code = i32::try_from(code).unwrap_or(0);
                Self::System(std::io::Error::from_raw_os_error(code))
            }
            other => Self::System(std::io::Error::other(other.to_string())),
        }
    }
}

impl Memory {
    /// Makes the file `name` with room for `length` bytes of the user. It may still lack memory:
    /// nothing may be written before [`brigade_sys::file::allocate`] has succeeded.
    pub(super) fn create(name: &str, length: usize) -> Result<Self, Refusal> {
        let mut mapped = ShmemConf::new().os_id(name).size(HEADER + length).create()?;
        // Who removes the file is our affair.
        mapped.set_owner(false);
        Ok(Self { mapped, length })
    }

    /// Maps the file `name`, and checks its header.
    ///
    /// `file` is the same file, whose length says whether there is anything to map.
    pub(super) fn open(name: &str, file: &File) -> Result<Self, Refusal> {
        let size = file.metadata().map_err(Refusal::System)?.len();
        if size < HEADER as u64 {
            return Err(Refusal::Corrupt("it is too short for a header"));
        }
        let mapped = ShmemConf::new().os_id(name).open()?;
        let mut memory = Self { mapped, length: 0 };
        if memory.mapped.len() < HEADER {
            return Err(Refusal::Corrupt("it is too short for a header"));
        }
        // PAIR magic: the rest of the header was written before.
        if memory.header().magic.load(Acquire) != MAGIC {
            return Err(Refusal::Corrupt("it is not a segment of brigade"));
        }
        if memory.header().version.load(Relaxed) != VERSION {
            return Err(Refusal::Corrupt("it was made by another version of brigade"));
        }
        let length = usize::try_from(memory.header().length.load(Relaxed)).ok();
        match length.filter(|&length| length <= memory.mapped.len() - HEADER) {
            Some(length) => memory.length = length,
            None => return Err(Refusal::Corrupt("it is shorter than its header says")),
        }
        Ok(memory)
    }

    /// Writes the header: from here on the file is a segment.
    pub(super) fn seal(&self, content: Content, id: u64) {
        let header = self.header();
        header.version.store(VERSION, Relaxed);
        header.content.store(content as u32, Relaxed);
        header.length.store(self.length as u64, Relaxed);
        header.id.store(id, Relaxed);
        kill_point("segment.seal");
        // PAIR magic: with the load in `open`.
        header.magic.store(MAGIC, Release);
    }

    pub(super) fn id(&self) -> u64 {
        self.header().id.load(Relaxed)
    }

    /// Whether the bytes are `content`.
    pub(crate) fn is(&self, content: Content) -> bool {
        self.header().content.load(Relaxed) == content as u32
    }

    /// How many bytes the user has.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Copies from `offset` to all of `bytes`; `None` when they are not all there.
    pub(crate) fn read(&self, offset: usize, bytes: &mut [u8]) -> Option<()> {
        let source = self.bytes(offset, bytes.len())?;
        // SAFETY: both ranges are valid for the length; `bytes` is not in the mapping, since no
        // reference to plain bytes of it exists.
        unsafe { ptr::copy_nonoverlapping(source.as_ptr(), bytes.as_mut_ptr(), bytes.len()) };
        Some(())
    }

    /// Copies `bytes` to `offset`; `None` when there is no room for all of them.
    pub(crate) fn write(&self, offset: usize, bytes: &[u8]) -> Option<()> {
        let target = self.bytes(offset, bytes.len())?;
        // SAFETY: as in `read`.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), target.as_ptr(), bytes.len()) };
        Some(())
    }

    /// The object at `offset`; `None` when it would not lie aligned among the user's bytes.
    pub(crate) fn get<T: Shareable>(&self, offset: usize) -> Option<&T> {
        let address = self.bytes(offset, size_of::<T>())?.cast::<T>();
        if !address.is_aligned() {
            return None;
        }
        // SAFETY: inside the mapping, which lives as long as `self`; aligned, as was checked;
        // valid for every bit pattern, as `T: Shareable`.
        Some(unsafe { address.as_ref() })
    }

    /// The `count` words from `offset` on; `None` as for [`get`](Self::get).
    pub(crate) fn words(&self, offset: usize, count: usize) -> Option<&[AtomicU64]> {
        let address = self.bytes(offset, count.checked_mul(8)?)?.cast::<AtomicU64>();
        if !address.is_aligned() {
            return None;
        }
        // SAFETY: as in `get`, for all `count` words.
        Some(unsafe { std::slice::from_raw_parts(address.as_ptr(), count) })
    }

    /// The address of `length` bytes at `offset` of the user's bytes.
    fn bytes(&self, offset: usize, length: usize) -> Option<NonNull<u8>> {
        let end = offset.checked_add(length)?;
        if end > self.length {
            return None;
        }
        NonNull::new(self.mapped.as_ptr().wrapping_add(HEADER + offset))
    }

    fn header(&self) -> &Header {
        let header = self.mapped.as_ptr().cast::<Header>();
        // SAFETY: every mapping is at least a header long, starts at a page, and lives as long as
        // `self`; any bytes are a header.
        unsafe { &*header }
    }
}
