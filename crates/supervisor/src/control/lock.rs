//! One supervisor per control socket.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use brigade_sys::Error;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

/// The lock beside a control socket, held for as long as this lives.
///
/// # Process death
///
/// The kernel lets go of the lock with the process. The file stays and holds nobody up: what counts
/// is who has it locked, not that it is there.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    file: Flock<File>,
}

/// Why a control socket could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// A supervisor uses it.
    #[error("another supervisor{pid} uses the control socket {path}")]
    InUse {
        /// The socket.
        path: PathBuf,
        /// ` (process N)`, or nothing if it is not known.
        pid: String,
    },
    /// Its address cannot be used.
    #[error("{0}")]
    Unusable(String),
    /// The system refused.
    #[error(transparent)]
    System(#[from] Error),
}

impl Lock {
    /// Takes the lock of the control socket at `socket`, or says who has it. Does not wait.
    pub(crate) fn take(socket: &Path) -> Result<Self, ControlError> {
        let mut path = socket.to_path_buf().into_os_string();
        path.push(".lock");
        let path = PathBuf::from(path);
        let failed =
            |operation| move |source: io::Error| Error::new(operation, path_name(socket), source);
        if let Some(directory) = socket.parent() {
            let mut builder = DirBuilder::new();
            builder
                .recursive(true)
                .mode(0o700)
                .create(directory)
                .map_err(failed("make room for"))?;
        }
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags((OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW).bits())
                .open(&path)
                .map_err(failed("open the lock of"))?;
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(file) => {
                    // Whoever had it may have removed the file between our opening and locking it.
                    if is_at(&file, &path) {
                        let mut lock = Self { path, file };
                        lock.sign().map_err(failed("write the lock of"))?;
                        return Ok(lock);
                    }
                }
                Err((file, Errno::EWOULDBLOCK)) => {
                    return Err(ControlError::InUse { path: socket.into(), pid: signature(file) });
                }
                Err((_, errno)) => return Err(failed("lock")(errno.into()).into()),
            }
        }
    }

    /// For people who look at the file; nothing depends on it.
    fn sign(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        writeln!(self.file, "{}", std::process::id())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Still locked: nobody else can be between opening it and finding that it is the one.
        if is_at(&self.file, &self.path) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn path_name(path: &Path) -> String {
    path.display().to_string()
}

fn is_at(file: &File, path: &Path) -> bool {
    let identity = |it: std::fs::Metadata| (it.dev(), it.ino());
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(ours), Ok(there)) => identity(ours) == identity(there),
        _ => false,
    }
}

fn signature(mut file: File) -> String {
    let mut text = String::new();
    // Whoever holds the lock may be about to write it; then it is not known.
    let _ = Read::by_ref(&mut file).take(20).read_to_string(&mut text);
    match text.trim().parse::<u32>() {
        Ok(pid) => format!(" (process {pid})"),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

    use super::*;

    #[test]
    fn the_lock_is_held_by_one_and_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("deep/er/control.sock");
        let first = Lock::take(&socket).unwrap();
        let second = Lock::take(&socket).unwrap_err();
        assert!(matches!(second, ControlError::InUse { .. }));
        let pid = std::process::id().to_string();
        assert!(second.to_string().contains(&pid), "{second}");
        drop(first);
        drop(Lock::take(&socket).unwrap());
        let left = std::fs::read_dir(socket.parent().unwrap()).unwrap().count();
        assert_eq!(left, 0);
    }

    #[test]
    fn a_file_that_somebody_left_holds_nobody_up() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("control.sock");
        std::fs::write(directory.path().join("control.sock.lock"), "1\n").unwrap();
        drop(Lock::take(&socket).unwrap());
    }

    #[test]
    fn of_many_at_the_same_time_exactly_one_wins() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("control.sock");
        for _ in 0..200 {
            let start = std::sync::Barrier::new(4);
            let done = std::sync::Barrier::new(4);
            let winners: usize = std::thread::scope(|scope| {
                let attempts: Vec<_> = (0..4)
                    .map(|_| {
                        scope.spawn(|| {
                            start.wait();
                            let lock = Lock::take(&socket);
                            done.wait();
                            usize::from(lock.is_ok())
                        })
                    })
                    .collect();
                attempts.into_iter().map(|it| it.join().unwrap()).sum()
            });
            assert_eq!(winners, 1);
        }
    }
}
