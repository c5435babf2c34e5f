//! Memory that processes share: anonymous files, and their mappings.
//!
//! A mapping reserves far more address space than the file has bytes, so that the file can grow
//! without any address changing. It is never unmapped: a thread may be inside a lock in it.
//!
//! # Safety
//!
//! A [`Mapping`] hands out references only to types that are [`Shareable`], only inside the
//! committed part of the file, which is sealed against shrinking, and only at aligned addresses.
//! Bytes that are no atomics are only ever copied.
#![allow(unsafe_code)]

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use rustix::fs::{
    FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, fstat, memfd_create,
};
use rustix::mm::{MapFlags, ProtFlags, mmap};

use crate::Error;
use crate::bell::Bell;
use crate::robust::RobustLock;

/// A type that several processes may use at the same address of a shared file at once.
///
/// # Safety
///
/// Every bit pattern is a valid value, all zeros included. Every field is an atomic or made of
/// `Shareable` fields. It holds no address of another object and no destructor.
pub unsafe trait Shareable: Sync + 'static {}

// SAFETY: atomics are valid for every bit pattern and may be used by several processes at once.
unsafe impl Shareable for std::sync::atomic::AtomicU32 {}
// SAFETY: as above.
unsafe impl Shareable for std::sync::atomic::AtomicU64 {}
// SAFETY: as above.
unsafe impl Shareable for std::sync::atomic::AtomicU8 {}
// SAFETY: as above.
unsafe impl Shareable for std::sync::atomic::AtomicU16 {}
// SAFETY: atomics throughout. The addresses in it mean something only to the thread whose id is in
// the word, and that thread trusts its own note of what it linked.
unsafe impl Shareable for RobustLock {}
// SAFETY: one atomic.
unsafe impl Shareable for Bell {}
// SAFETY: elements of a shareable type, one after the other.
unsafe impl<T: Shareable, const N: usize> Shareable for [T; N] {}

/// Creates an anonymous file of `size` bytes whose memory is there: no later write fails for want
/// of it. The file cannot shrink and closes on exec.
///
/// # Errors
///
/// Fails when the system is out of memory or descriptors.
pub fn create(name: &str, size: u64) -> Result<OwnedFd, Error> {
    let failed = |errno: rustix::io::Errno| Error::new("create", name, errno);
    let file =
        memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).map_err(failed)?;
    provide(&file, size).map_err(failed)?;
    fcntl_add_seals(&file, SealFlags::SHRINK).map_err(failed)?;
    Ok(file)
}

/// Reads all of `bytes` from `offset` of a file that cannot shrink, without mapping it.
///
/// # Errors
///
/// Fails when the file can shrink, is no memory, or is shorter.
pub fn peek(file: &OwnedFd, offset: u64, bytes: &mut [u8]) -> Result<(), Error> {
    let failed = |errno: rustix::io::Errno| Error::new("read", "shared memory", errno);
    require_seal(file).map_err(failed)?;
    // Memory is read as a whole, or to its end.
    let count = rustix::io::retry_on_intr(|| rustix::io::pread(file, &mut *bytes, offset));
    match count.map_err(failed)? {
        count if count == bytes.len() => Ok(()),
        _ => Err(failed(rustix::io::Errno::NODATA)),
    }
}

/// Refuses a file that can shrink under us: it would kill this process at its next access.
fn require_seal(file: &OwnedFd) -> rustix::io::Result<()> {
    let seals = rustix::fs::fcntl_get_seals(file)?;
    if seals.contains(SealFlags::SHRINK) { Ok(()) } else { Err(rustix::io::Errno::PERM) }
}

/// A shared file in this process's address space, for the rest of the process's life.
pub struct Mapping {
    base: NonNull<u8>,
    reserved: usize,
    committed: AtomicUsize,
    file: OwnedFd,
}

// SAFETY: the mapping is never moved or unmapped, and its methods hand out only what several
// processes, and so several threads, may use at once.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapping")
            .field("committed", &self.committed)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl Mapping {
    /// Maps `file` and reserves address space for it to grow to `reserve` bytes.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot shrink-sealed be mapped: not a memory file, or no address space.
    pub fn new(file: OwnedFd, reserve: usize) -> Result<&'static Self, Error> {
        let failed = |errno: rustix::io::Errno| Error::new("map", "shared memory", errno);
        require_seal(&file).map_err(failed)?;
        let length = length_of(&file)?;
        let mut reserved = reserve.max(length);
        let base = loop {
            // SAFETY: a new mapping at an address of the kernel's choice touches no existing one.
            let mapped = unsafe {
                mmap(
                    ptr::null_mut(),
                    reserved,
                    ProtFlags::READ | ProtFlags::WRITE,
                    MapFlags::SHARED | MapFlags::NORESERVE,
                    &file,
                    0,
                )
            };
            match mapped {
                Ok(base) => break base,
                // Less address space may be allowed than we would like to reserve.
                Err(_) if reserved / 4 > length => reserved /= 4,
                Err(errno) => return Err(failed(errno)),
            }
        };
        let base = NonNull::new(base.cast()).expect("the kernel maps nothing at address zero");
        let committed = AtomicUsize::new(length);
        Ok(Box::leak(Box::new(Self { base, reserved, committed, file })))
    }

    /// The file behind the mapping.
    pub fn file(&'static self) -> BorrowedFd<'static> {
        self.file.as_fd()
    }

    /// Makes the file at least `size` bytes long, with memory behind every byte.
    ///
    /// # Errors
    ///
    /// Fails when the system is out of memory or `size` exceeds the reserved address space.
    pub fn grow(&self, size: usize) -> Result<(), Error> {
        if self.has(0, size) {
            return Ok(());
        }
        let failed = |errno: rustix::io::Errno| Error::new("grow", "shared memory", errno);
        if size > self.reserved {
            return Err(failed(rustix::io::Errno::NOMEM));
        }
        let length = u64::try_from(size).map_err(|_| failed(rustix::io::Errno::NOMEM))?;
        provide(&self.file, length).map_err(failed)?;
        self.committed.fetch_max(size, Relaxed);
        Ok(())
    }

    /// The object of type `T` at `offset`; `None` when it would not lie aligned inside the file.
    #[inline]
    pub fn get<T: Shareable>(&'static self, offset: usize) -> Option<&'static T> {
        if !offset.is_multiple_of(align_of::<T>()) || !self.has(offset, size_of::<T>()) {
            return None;
        }
        let address = self.base.as_ptr().wrapping_add(offset).cast::<T>();
        // SAFETY: inside the committed part of a mapping that is never unmapped and cannot shrink,
        // aligned (the base is page-aligned), and valid for every bit pattern, as `T: Shareable`.
        Some(unsafe { &*address })
    }

    /// The offset at which `object` lies; `None` when it does not lie in this mapping.
    #[inline]
    pub fn offset_of<T: Shareable>(&self, object: &T) -> Option<usize> {
        let offset = ptr::from_ref(object).addr().checked_sub(self.base.as_ptr().addr())?;
        self.has(offset, size_of::<T>()).then_some(offset)
    }

    /// The `count` objects of type `T` from `offset` on; `None` as for [`get`](Self::get).
    #[inline]
    pub fn slice<T: Shareable>(&'static self, offset: usize, count: usize) -> Option<&'static [T]> {
        let length = count.checked_mul(size_of::<T>())?;
        if !offset.is_multiple_of(align_of::<T>()) || !self.has(offset, length) {
            return None;
        }
        let address = self.base.as_ptr().wrapping_add(offset).cast::<T>();
        // SAFETY: as in `get`, for all `count` elements.
        Some(unsafe { std::slice::from_raw_parts(address, count) })
    }

    /// Copies `bytes` to `offset`; `None` when they would not lie inside the file.
    #[inline]
    #[must_use]
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Option<()> {
        let target = self.bytes(offset, bytes.len())?;
        // SAFETY: both ranges are valid for the length; a caller's slice never lies in the
        // mapping, since no reference to its bytes is handed out.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) };
        Some(())
    }

    /// Copies from `offset` to all of `bytes`; `None` when they would not lie inside the file.
    #[inline]
    #[must_use]
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> Option<()> {
        let source = self.bytes(offset, bytes.len())?;
        // SAFETY: as in `write`.
        unsafe { ptr::copy_nonoverlapping(source, bytes.as_mut_ptr(), bytes.len()) };
        Some(())
    }

    /// Copies `length` bytes from `offset` on to the end of `bytes`; `None` when they would not lie
    /// inside the file.
    #[inline]
    #[must_use]
    pub fn append_to(&self, bytes: &mut Vec<u8>, offset: usize, length: usize) -> Option<()> {
        let source = self.bytes(offset, length)?;
        bytes.reserve(length);
        let target = bytes.spare_capacity_mut().as_mut_ptr().cast();
        // SAFETY: as in `write`; the vector has room for `length` bytes more, which are its own.
        unsafe { ptr::copy_nonoverlapping(source, target, length) };
        // SAFETY: the bytes up to there have just been written.
        unsafe { bytes.set_len(bytes.len() + length) };
        Some(())
    }

    /// Sets `length` bytes from `offset` on to zero; `None` when they would not lie in the file.
    #[must_use]
    pub fn clear(&self, offset: usize, length: usize) -> Option<()> {
        let target = self.bytes(offset, length)?;
        // SAFETY: the range is valid for writes.
        unsafe { ptr::write_bytes(target, 0, length) };
        Some(())
    }

    /// The address of `length` bytes at `offset`; `None` when they would not lie inside the file.
    ///
    /// For callers that hold the lock over these bytes and build a reference from it.
    #[inline]
    pub fn bytes(&self, offset: usize, length: usize) -> Option<*mut u8> {
        self.has(offset, length).then(|| self.base.as_ptr().wrapping_add(offset))
    }

    #[inline]
    fn has(&self, offset: usize, length: usize) -> bool {
        let Some(end) = offset.checked_add(length) else { return false };
        end <= self.committed.load(Relaxed) || self.has_grown_to(end)
    }

    /// Asks the file, since another process may have made it longer.
    #[cold]
    fn has_grown_to(&self, end: usize) -> bool {
        let length = length_of(&self.file).unwrap_or(0).min(self.reserved);
        self.committed.fetch_max(length, Relaxed);
        end <= length
    }
}

/// Puts memory behind the first `size` bytes of `file`.
fn provide(file: &OwnedFd, size: u64) -> rustix::io::Result<()> {
    // A signal ends the call before it has done anything.
    rustix::io::retry_on_intr(|| fallocate(file, FallocateFlags::empty(), 0, size))
}

fn length_of(file: &OwnedFd) -> Result<usize, Error> {
    let stat = fstat(file).map_err(|errno| Error::new("measure", "shared memory", errno))?;
    Ok(usize::try_from(stat.st_size).unwrap_or(0))
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
