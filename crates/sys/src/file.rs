//! Files that processes share by name: opened with care, filled with memory, locked.
//!
//! Two kinds of lock lie on a file at the same time and do not see each other:
//!
//! * [`share`] and [`claim`]: many share a file, or one claims it. Forked children share their
//!   parent's lock, and it ends when the last of them has closed the descriptor or died.
//! * [`claim_name`]: who may remove the file's name.
//!
//! No lock is ever waited for.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::fcntl::{FcntlArg, fcntl};
use rustix::fs::{FallocateFlags, FlockOperation, Mode, OFlags, fallocate, flock, open};
use rustix::io::Errno;
use rustix::process::geteuid;

/// Opens the regular file at `path`, which belongs to this user, for reading and writing.
///
/// # Errors
///
/// Fails when there is none, when it is a link, a device or a pipe, or when it belongs to another
/// user: then it is not ours to trust.
pub fn open_own(path: &Path) -> io::Result<File> {
    // Without `NONBLOCK` a pipe in the file's place would make us wait.
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = File::from(open(path, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    if metadata.uid() != geteuid().as_raw() {
        let reason = "it belongs to another user";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
    }
    Ok(file)
}

/// Gives the first `length` bytes of the file memory of their own, so that no later write fails
/// for want of it.
///
/// # Errors
///
/// Fails when there is not enough.
pub fn allocate(file: &File, length: u64) -> io::Result<()> {
    loop {
        match fallocate(file, FallocateFlags::empty(), 0, length) {
            Err(Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
}

/// Shares the file, and says whether that was possible: someone may have claimed it.
///
/// # Errors
///
/// Fails when the system keeps no locks on such files.
pub fn share(file: &File) -> io::Result<bool> {
    granted(flock(file, FlockOperation::NonBlockingLockShared))
}

/// Claims the file, and says whether that was possible: someone may share it.
///
/// # Errors
///
/// Fails when the system keeps no locks on such files.
pub fn claim(file: &File) -> io::Result<bool> {
    granted(flock(file, FlockOperation::NonBlockingLockExclusive))
}

/// Claims the right to remove the file's name until `file` is closed, and says whether that was
/// possible: someone else may be about to remove it.
///
/// # Errors
///
/// Fails when the system keeps no locks on such files.
pub fn claim_name(file: &File) -> io::Result<bool> {
    let whole = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    match fcntl(file, FcntlArg::F_OFD_SETLK(&whole)) {
        Ok(_) => Ok(true),
        Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EACCES) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether `path` names this very file now.
///
/// # Errors
///
/// Fails when the system does not tell.
pub fn is_named(file: &File, path: &Path) -> io::Result<bool> {
    let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
    match path.symlink_metadata() {
        Ok(named) => Ok(identity(named) == identity(file.metadata()?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn granted(result: Result<(), Errno>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;
    use crate::time::Deadline;

    /// A file that goes when the test ends.
    struct Temporary(PathBuf);

    impl Temporary {
        fn new(name: &str) -> Self {
            let path = PathBuf::from(format!("/dev/shm/file-test-{}-{name}", std::process::id()));
            fs::write(&path, b"x").expect("a file can be written");
            Self(path)
        }

        fn open(&self) -> File {
            open_own(&self.0).expect("the file is ours")
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    /// Whether it is granted before long: a child that another test has forked keeps what we close.
    fn soon(granted: impl Fn() -> io::Result<bool>) -> bool {
        let deadline = Deadline::after(Duration::from_secs(10));
        while !deadline.is_past() {
            if granted().expect("locks") {
                return true;
            }
            std::thread::yield_now();
        }
        false
    }

    #[test]
    fn a_shared_file_cannot_be_claimed_until_it_is_closed() {
        let file = Temporary::new("share");
        let (one, two, three) = (file.open(), file.open(), file.open());
        assert!(share(&one).expect("locks"));
        assert!(share(&two).expect("locks"));
        assert!(!claim(&three).expect("locks"));
        drop((one, two));
        assert!(soon(|| claim(&three)));
        assert!(!share(&file.open()).expect("locks"));
    }

    #[test]
    fn one_at_a_time_may_remove_a_name_whoever_shares_the_file() {
        let file = Temporary::new("name");
        let (one, two) = (file.open(), file.open());
        assert!(share(&one).expect("locks"));
        assert!(claim_name(&two).expect("locks"));
        assert!(!claim_name(&one).expect("locks"));
        drop(two);
        assert!(soon(|| claim_name(&one)));
    }

    #[test]
    fn a_name_that_was_given_to_another_file_is_told_apart() {
        let file = Temporary::new("other");
        let first = file.open();
        assert!(is_named(&first, &file.0).expect("told"));
        fs::remove_file(&file.0).expect("removed");
        assert!(!is_named(&first, &file.0).expect("told"));
        fs::write(&file.0, b"y").expect("a file can be written");
        assert!(!is_named(&first, &file.0).expect("told"));
    }

    #[test]
    fn links_and_folders_are_not_opened() {
        let file = Temporary::new("target");
        let link = file.0.with_extension("link");
        std::os::unix::fs::symlink(&file.0, &link).expect("a link");
        let opened = open_own(&link);
        fs::remove_file(&link).expect("removed");
        assert!(opened.is_err());
        assert!(open_own(Path::new("/dev/shm")).is_err());
        assert!(open_own(Path::new("/dev/null")).is_err());
        let missing = open_own(Path::new("/dev/shm/file-test-missing"));
        assert_eq!(missing.map_err(|error| error.kind()).err(), Some(io::ErrorKind::NotFound));
    }

    #[test]
    fn more_memory_than_there_is_is_refused() {
        let file = Temporary::new("allocate");
        assert!(allocate(&file.open(), 1 << 20).is_ok());
        let error = allocate(&file.open(), 1 << 45).expect_err("nobody has so much");
        assert!(error.raw_os_error().is_some());
    }
}
