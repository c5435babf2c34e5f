//! The segment: memory that unrelated programs share by name.
//!
//! A segment is made under a temporary name, shared (see [`janitor`]), filled, and then linked to
//! its name, which fails if there is a file of that name. So whoever finds the name finds a
//! complete segment that someone uses, or that a dead process has left.
//!
//! # What a dead process leaves
//!
//! A file under a temporary name, under its name or under both, which nobody shares.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};

use brigade_sys::file;
use brigade_sys::kill_point::kill_point;
use brigade_sys::memory::Shareable;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::draft::Draft;
use super::error::SharedMemoryError;
use super::janitor;
use super::memory::{Content, Memory};
use super::name::{Name, random_digits};
use crate::plain::Plain;

/// How often something is tried again because another process came between.
const TRIES: u32 = 64;

/// Memory that any program of the same user can open by its name.
///
/// A handle keeps the segment open; clones share it. The segment lives until the last process that
/// has it open has dropped its last handle, or until [`unlink`](Self::unlink) takes its name away.
/// Only programs of the same user can open it.
///
/// The bytes are shared as they are: two who write the same bytes at the same time need a lock, or
/// the atomics of [`atomic_u64`](Self::atomic_u64). For values shared among one program's processes
/// [`Value`](crate::Value), [`Array`](crate::Array) and [`List`](crate::List) do more.
///
/// # Process death
///
/// A process that dies just stops using the segment. If it was the last one, the segment's memory
/// is given back when any program next creates one, or at [`clean`](Self::clean). A process that
/// dies while it creates a segment leaves none that anyone could open.
///
/// What it was writing to the bytes may be half-written. A program of the same user that makes the
/// file in `/dev/shm` shorter ends every process that then uses the bytes that were cut off.
///
/// # Examples
///
/// ```
/// use brigade_shm::SharedMemory;
///
/// # let name = format!("doc-{}", std::process::id());
/// let memory = SharedMemory::create(&name, 1024)?;
/// memory.write(0, b"hello")?;
///
/// // In any other program:
/// let same = SharedMemory::open(&name)?;
/// let mut bytes = [0; 5];
/// same.read(0, &mut bytes)?;
/// assert_eq!(&bytes, b"hello");
/// # Ok::<(), brigade_shm::SharedMemoryError>(())
/// ```
#[derive(Clone)]
pub struct SharedMemory {
    segment: Arc<Segment>,
}

/// A segment that this process has open.
struct Segment {
    name: Name,
    path: PathBuf,
    memory: Memory,
    /// Shared for as long as it is open; gone only in the destructor.
    file: Option<File>,
}

impl fmt::Debug for SharedMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedMemory")
            .field("name", &self.name())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl SharedMemory {
    /// Creates a segment of `size` zero bytes that others can open as `name`.
    ///
    /// If a segment of this name was left by processes that have died, it is removed first.
    ///
    /// # Errors
    ///
    /// [`Exists`](SharedMemoryError::Exists) when a segment of this name is in use,
    /// [`InvalidName`](SharedMemoryError::InvalidName), [`InvalidSize`] when `size` is zero or too
    /// large for an address space, [`NoSpace`](SharedMemoryError::NoSpace), or another refusal of
    /// the system.
    ///
    /// [`InvalidSize`]: SharedMemoryError::InvalidSize
    #[doc(alias = "SharedMemory(name, create=True, size)")]
    pub fn create(name: &str, size: usize) -> Result<Self, SharedMemoryError> {
        Self::create_with(name, size, Content::Bytes, |_| ())
    }

    /// Creates a segment of `size` zero bytes under a random name that no other has.
    ///
    /// # Errors
    ///
    /// As for [`create`](Self::create).
    pub fn create_unnamed(size: usize) -> Result<Self, SharedMemoryError> {
        Self::create_random(size, Content::Bytes, |_| ())
    }

    /// Opens the segment that has this name.
    ///
    /// # Errors
    ///
    /// [`Missing`](SharedMemoryError::Missing) when there is none,
    /// [`InvalidName`](SharedMemoryError::InvalidName), [`Corrupt`](SharedMemoryError::Corrupt)
    /// when the file is not a segment, or a refusal of the system. An attempt that fails leaves the
    /// segment as it is.
    #[doc(alias = "SharedMemory(name)")]
    #[doc(alias = "attach")]
    pub fn open(name: &str) -> Result<Self, SharedMemoryError> {
        let name = Name::new(name)?;
        let path = name.path();
        for _ in 0..TRIES {
            let opened = match file::open_own(&path) {
                Ok(opened) => opened,
                Err(error) => return Err(name.failed("open", error)),
            };
            kill_point("segment.opened");
            if !file::share(&opened).map_err(|error| name.failed("open", error))? {
                // It is about to be removed: nobody used it.
                return Err(name.missing());
            }
            kill_point("segment.shared");
            let memory = Memory::open(&name.file(), &opened);
            // The name may have come to another file between the two openings.
            if !file::is_named(&opened, &path).map_err(|error| name.failed("open", error))? {
                continue;
            }
            let memory = memory.map_err(|refusal| name.refused("open", refusal))?;
            let segment = Segment { name, path, memory, file: Some(opened) };
            return Ok(Self { segment: Arc::new(segment) });
        }
        Err(name.missing())
    }

    /// Removes every segment of this user that no living process has open, and says how many.
    ///
    /// Creating a segment does the same, so there is seldom a need to call it.
    ///
    /// # Errors
    ///
    /// A refusal of the system.
    pub fn clean() -> Result<usize, SharedMemoryError> {
        Ok(janitor::clean()?)
    }

    /// The segment's name.
    pub fn name(&self) -> &str {
        self.segment.name.as_str()
    }

    /// How many bytes the segment has: those it was created with.
    pub fn len(&self) -> usize {
        self.memory().len()
    }

    /// Whether the segment has no bytes, which none has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies the bytes from `offset` on to all of `bytes`.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](SharedMemoryError::OutOfRange).
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> Result<(), SharedMemoryError> {
        let length = bytes.len();
        self.memory().read(offset, bytes).ok_or(self.out_of_range(offset, length))
    }

    /// Copies `bytes` to `offset`.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](SharedMemoryError::OutOfRange); then nothing is written.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), SharedMemoryError> {
        let length = bytes.len();
        self.memory().write(offset, bytes).ok_or(self.out_of_range(offset, length))
    }

    /// The plain value whose bytes start at `offset`, which need not be aligned.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](SharedMemoryError::OutOfRange).
    pub fn get<T: Plain>(&self, offset: usize) -> Result<T, SharedMemoryError> {
        let mut value = T::new_zeroed();
        self.read(offset, value.as_mut_bytes())?;
        Ok(value)
    }

    /// Writes the bytes of a plain value to `offset`, which need not be aligned.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](SharedMemoryError::OutOfRange); then nothing is written.
    pub fn set<T: Plain>(&self, offset: usize, value: T) -> Result<(), SharedMemoryError> {
        self.write(offset, value.as_bytes())
    }

    /// All bytes, copied.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len()];
        self.memory().read(0, &mut bytes).expect("the segment has as many bytes as it has");
        bytes
    }

    /// The four bytes at `offset` as an atomic.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](SharedMemoryError::OutOfRange), or
    /// [`Misaligned`](SharedMemoryError::Misaligned) when `offset` is no multiple of four.
    pub fn atomic_u32(&self, offset: usize) -> Result<&AtomicU32, SharedMemoryError> {
        self.atomic(offset)
    }

    /// The eight bytes at `offset` as an atomic.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](SharedMemoryError::OutOfRange), or
    /// [`Misaligned`](SharedMemoryError::Misaligned) when `offset` is no multiple of eight.
    ///
    /// # Examples
    ///
    /// ```
    /// use brigade_shm::SharedMemory;
    /// use std::sync::atomic::Ordering::Relaxed;
    ///
    /// let memory = SharedMemory::create_unnamed(64)?;
    /// memory.atomic_u64(8)?.fetch_add(3, Relaxed);
    /// assert_eq!(memory.get::<u64>(8)?, 3);
    /// # Ok::<(), brigade_shm::SharedMemoryError>(())
    /// ```
    pub fn atomic_u64(&self, offset: usize) -> Result<&AtomicU64, SharedMemoryError> {
        self.atomic(offset)
    }

    /// Takes the segment's name away: nobody can open it any more, and another segment can get the
    /// name. Who has it open goes on using it, and its memory goes with the last of them.
    ///
    /// # Errors
    ///
    /// [`Missing`](SharedMemoryError::Missing) when it has no name any more.
    pub fn unlink(&self) -> Result<(), SharedMemoryError> {
        let Segment { name, path, .. } = &*self.segment;
        let remove = || -> io::Result<bool> {
            let opened = file::open_own(path)?;
            // The name may have come to another segment since this one lost it.
            let is_ours = match &self.segment.file {
                Some(own) => file::is_named(own, path)?,
                None => false,
            };
            Ok(is_ours && janitor::remove(path, &opened)?)
        };
        match remove().map_err(|error| name.failed("unlink", error))? {
            true => Ok(()),
            false => Err(name.missing()),
        }
    }

    /// Creates a segment whose bytes `fill` has filled before anyone can open it.
    pub(crate) fn create_with(
        name: &str,
        size: usize,
        content: Content,
        fill: impl Fn(&Memory),
    ) -> Result<Self, SharedMemoryError> {
        let name = Name::new(name)?;
        janitor::clean()?;
        let path = name.path();
        if janitor::is_in_use(&path) {
            return Err(name.exists());
        }
        let draft = Draft::new(&name, size)?;
        fill(&draft.memory);
        let (memory, opened) = draft.publish(&name, content)?;
        let segment = Segment { name, path, memory, file: Some(opened) };
        Ok(Self { segment: Arc::new(segment) })
    }

    /// Creates a filled segment under a random name that no other has.
    pub(crate) fn create_random(
        size: usize,
        content: Content,
        fill: impl Fn(&Memory),
    ) -> Result<Self, SharedMemoryError> {
        Self::create_with_names(size, content, fill, random_digits)
    }

    /// Creates a segment under the first name from `names` that is free.
    fn create_with_names(
        size: usize,
        content: Content,
        fill: impl Fn(&Memory),
        mut names: impl FnMut() -> Result<String, brigade_sys::Error>,
    ) -> Result<Self, SharedMemoryError> {
        for _ in 1..TRIES {
            match Self::create_with(&names()?, size, content, &fill) {
                Err(SharedMemoryError::Exists { .. }) => {}
                result => return result,
            }
        }
        Self::create_with(&names()?, size, content, fill)
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.segment.memory
    }

    fn atomic<T: Shareable>(&self, offset: usize) -> Result<&T, SharedMemoryError> {
        if !offset.is_multiple_of(align_of::<T>()) {
            let alignment = align_of::<T>();
            return Err(SharedMemoryError::Misaligned { offset, alignment });
        }
        self.memory().get(offset).ok_or(self.out_of_range(offset, size_of::<T>()))
    }

    fn out_of_range(&self, offset: usize, length: usize) -> SharedMemoryError {
        SharedMemoryError::OutOfRange { offset, length, size: self.len() }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // Closed first, so that only others are left to share the file.
        self.file = None;
        kill_point("segment.closed");
        // If it cannot be looked at, it is gone or in use: then there is nothing to do.
        let _ = janitor::remove_if_unused(&self.path);
    }
}

/// What travels: the name, and which of its segments.
#[derive(Serialize, Deserialize)]
struct Travelling {
    name: String,
    id: u64,
}

impl Serialize for SharedMemory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Travelling { name: self.name().to_owned(), id: self.memory().id() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SharedMemory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Travelling { name, id } = Travelling::deserialize(deserializer)?;
        let opened = Self::open(&name).map_err(D::Error::custom)?;
        if opened.memory().id() == id {
            Ok(opened)
        } else {
            Err(D::Error::custom(SharedMemoryError::Missing { name }))
        }
    }
}

#[cfg(test)]
#[path = "segment_tests.rs"]
mod tests;
