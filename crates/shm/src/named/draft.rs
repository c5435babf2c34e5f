//! A draft: a segment that has only its temporary name, while it is being made.
//!
//! # What a dead process leaves
//!
//! A file under a temporary name, under its name or under both, which nobody shares.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use brigade_sys::file;
use brigade_sys::kill_point::kill_point;

use super::error::SharedMemoryError;
use super::memory::{Content, HEADER, Memory, Refusal};
use super::name::{Name, TEMPORARY, path, random_digits};

/// How many temporary names are tried.
const TRIES: u32 = 64;

/// A file that is removed when dropped.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // If the janitor was faster, all is well too.
        let _ = fs::remove_file(&self.0);
        kill_point("draft.removed");
    }
}

/// A segment with memory of its own, shared by this process, and not to be found by others.
pub(super) struct Draft {
    temporary: Temporary,
    pub(super) memory: Memory,
    file: File,
}

impl Draft {
    /// Makes a segment of `size` zero bytes that is to be called `name`.
    pub(super) fn new(name: &Name, size: usize) -> Result<Self, SharedMemoryError> {
        let total = check_size(size)?;
        for _ in 0..TRIES {
            let temporary = format!("{TEMPORARY}{}", random_digits()?);
            let made = match Memory::create(&temporary, size) {
                Err(Refusal::Exists) => continue,
                made => made,
            };
            let memory = made.map_err(|refusal| no_room(name, size, refusal))?;
            kill_point("draft.created");
            let temporary = Temporary(path(&temporary));
            let shared = share(&temporary).map_err(|error| name.failed("create", error))?;
            // A janitor may have found the file before it was shared, and thought it left.
            let Some(file) = shared else { continue };
            kill_point("draft.shared");
            file::allocate(&file, total)
                .map_err(|error| no_room(name, size, Refusal::System(error)))?;
            kill_point("draft.allocated");
            return Ok(Self { temporary, memory, file });
        }
        Err(name.exists())
    }

    /// Gives the segment its name: from here on it can be found.
    pub(super) fn publish(
        self,
        name: &Name,
        content: Content,
    ) -> Result<(Memory, File), SharedMemoryError> {
        let mut id = [0; 8];
        brigade_sys::random::fill(&mut id)?;
        self.memory.seal(content, u64::from_ne_bytes(id));
        kill_point("draft.sealed");
        let linked = fs::hard_link(&self.temporary.0, name.path());
        linked.map_err(|error| name.failed("create", error))?;
        kill_point("draft.linked");
        Ok((self.memory, self.file))
    }
}

/// Opens and shares the file; `None` when a janitor has removed it or is about to.
fn share(temporary: &Temporary) -> io::Result<Option<File>> {
    let opened = match file::open_own(&temporary.0) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    kill_point("draft.opened");
    let is_safe = file::share(&opened)? && file::is_named(&opened, &temporary.0)?;
    Ok(is_safe.then_some(opened))
}

/// The size of the file for a segment of `size` bytes.
fn check_size(size: usize) -> Result<u64, SharedMemoryError> {
    let invalid = |expectation| SharedMemoryError::InvalidSize { size, expectation };
    if size == 0 {
        return Err(invalid("expected at least one"));
    }
    let total = size.checked_add(HEADER).and_then(|total| i64::try_from(total).ok());
    total.map(i64::cast_unsigned).ok_or(invalid("expected a size that fits in an address space"))
}

fn no_room(name: &Name, size: usize, refusal: Refusal) -> SharedMemoryError {
    match refusal {
        Refusal::System(error)
            if matches!(
                error.kind(),
                io::ErrorKind::StorageFull
                    | io::ErrorKind::OutOfMemory
                    | io::ErrorKind::FileTooLarge
                    | io::ErrorKind::QuotaExceeded
            ) =>
        {
            SharedMemoryError::NoSpace { name: name.as_str().to_owned(), size }
        }
        refusal => name.refused("create", refusal),
    }
}
