//! The janitor: files of segments that nobody uses are removed.
//!
//! | the file is          | means                                         |
//! |----------------------|-----------------------------------------------|
//! | shared by someone    | a process uses the segment                    |
//! | claimed by someone   | it is about to be removed                     |
//! | neither              | nobody uses it: whoever did has died          |
//!
//! Whoever removes a name holds the claim to the name of the file that it names, and has looked
//! after the claim whether it still does. So a name that was given to a new segment meanwhile is
//! never removed for the old one's sake.
//!
//! # What a dead process leaves
//!
//! The kernel takes its locks back at once, and the next janitor finds the files that only it
//! used: also those of a segment half made, and of a removal half done.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use brigade_sys::file;
use brigade_sys::kill_point::kill_point;

use super::memory::MAGIC;
use super::name::{DIRECTORY, PREFIX, TEMPORARY};

/// How often, and for how long, one looks whether another has done with the file that it claimed.
const PATIENCE: u32 = 100;
const MOMENT: Duration = Duration::from_millis(1);

/// Removes every segment of this user that no living process uses, and says how many.
///
/// # Errors
///
/// Fails when the directory of the segments cannot be read.
pub(super) fn clean() -> Result<usize, brigade_sys::Error> {
    let failed = |error| brigade_sys::Error::new("read", DIRECTORY, error);
    let mut removed = 0;
    for entry in fs::read_dir(DIRECTORY).map_err(failed)? {
        let Ok(entry) = entry else { continue };
        let name = entry.file_name();
        let bytes = name.as_encoded_bytes();
        let is_ours =
            bytes.starts_with(PREFIX.as_bytes()) || bytes.starts_with(TEMPORARY.as_bytes());
        // One that cannot be looked at belongs to someone else, or is gone already.
        if is_ours && remove_if_unused(&entry.path()).unwrap_or(false) {
            removed += 1;
        }
    }
    Ok(removed)
}

/// Removes the file at `path` if it is a segment that nobody uses, and says whether it did.
pub(super) fn remove_if_unused(path: &Path) -> io::Result<bool> {
    let opened = file::open_own(path)?;
    if !file::claim(&opened)? || !is_segment(&opened, path) {
        return Ok(false);
    }
    kill_point("janitor.claimed");
    remove(path, &opened)
}

/// Whether there is a file at `path` that stays: a segment that somebody uses, or something else.
///
/// One that another janitor has just claimed is waited for, but not for long: that janitor may have
/// been stopped.
pub(super) fn is_in_use(path: &Path) -> bool {
    let mut seen_shared = false;
    for _ in 0..PATIENCE {
        if path.symlink_metadata().is_err() || remove_if_unused(path).unwrap_or(false) {
            return false;
        }
        let can_share = file::open_own(path).and_then(|opened| file::share(&opened));
        match can_share {
            // Looked at once more: the one who had claimed it may have let go in between.
            Ok(true) if !seen_shared => seen_shared = true,
            Ok(false) => std::thread::park_timeout(MOMENT),
            Ok(true) | Err(_) => return path.symlink_metadata().is_ok(),
        }
    }
    true
}

/// Removes the name `path` of the file `opened` if it still is its name, and says whether it did.
pub(super) fn remove(path: &Path, opened: &File) -> io::Result<bool> {
    if !file::claim_name(opened)? || !file::is_named(opened, path)? {
        return Ok(false);
    }
    kill_point("janitor.remove");
    fs::remove_file(path)?;
    kill_point("janitor.removed");
    Ok(true)
}

/// Whether the file is one that brigade has made; one that is being made may hold anything.
fn is_segment(opened: &File, path: &Path) -> bool {
    let is_temporary = path
        .file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes()));
    let mut magic = [0; 8];
    is_temporary
        || (opened.read_exact_at(&mut magic, 0).is_ok() && u64::from_le_bytes(magic) == MAGIC)
}
