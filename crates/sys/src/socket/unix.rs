//! Sockets of this machine: in the file system, in the abstract name space, and unnamed pairs.
//!
//! A path that a killed process has left behind is no obstacle: whoever listens there next finds
//! that nobody answers, removes it and takes its place. Two that come at once take turns by a lock
//! on the directory, which the kernel releases when its holder dies. Anything that is not a dead
//! socket is left alone.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, fs};

use rustix::event::{Timespec, poll};
use rustix::fs::{FlockOperation, Mode, fchmod, flock};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
    socketpair, sockopt,
};

use crate::error::Error;
use crate::time::Deadline;

/// How many connections may wait to be accepted, if the system allows that many.
pub const BACKLOG: i32 = 4096;

/// How long a listener waits for another that is looking at the same directory.
const TURN: Duration = Duration::from_secs(1);

/// The name of a unix socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UnixName {
    /// A place in the file system.
    Path(PathBuf),
    /// A name that lives as long as the socket, and that everyone in the network namespace may
    /// connect to.
    Abstract(String),
}

impl UnixName {
    fn address(&self) -> Result<SocketAddrUnix, Errno> {
        match self {
            Self::Path(path) => SocketAddrUnix::new(path.as_path()),
            Self::Abstract(name) => SocketAddrUnix::new_abstract_name(name.as_bytes()),
        }
    }
}

impl fmt::Display for UnixName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "unix:{}", path.display()),
            Self::Abstract(name) => write!(f, "abstract:{name}"),
        }
    }
}

/// The file that a listening socket has made, by which it knows its own again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Binding {
    fn of(path: &Path) -> Option<Self> {
        let file = fs::symlink_metadata(path).ok()?;
        // The directory that a relative path starts from may be another when it is removed.
        let path = std::path::absolute(path).ok()?;
        Some(Self { path, device: file.dev(), inode: file.ino() })
    }

    /// Removes the file if it is still the one that was made.
    ///
    /// # Errors
    ///
    /// [`Error`] if it cannot be removed. That it has gone, or that the name now belongs to
    /// something else, is none.
    pub fn remove(&self) -> Result<(), Error> {
        if Self::of(&self.path).as_ref() != Some(self) {
            return Ok(());
        }
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::new("remove", self.path.display().to_string(), error))
            }
            _ => Ok(()),
        }
    }
}

/// Makes two sockets that are connected to each other.
///
/// # Errors
///
/// [`Error`] if the process or the system may not open more.
pub fn pair() -> Result<(OwnedFd, OwnedFd), Error> {
    socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .map_err(|error| Error::new("make", "socket pair", error))
}

/// Connects to `name` before `deadline`. It waits while the listener's queue is full.
///
/// # Errors
///
/// [`Error`], with `ETIMEDOUT` if the deadline passed.
pub fn connect_unix(name: &UnixName, deadline: Deadline) -> Result<OwnedFd, Error> {
    let make = || {
        let address = name.address()?;
        let socket = open()?;
        loop {
            // Only the blocking connect waits for room in the queue; its bound is this option.
            // Zero would mean to wait for ever.
            let left = deadline.remaining().map(|left| left.max(Duration::from_micros(1)));
            sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, left)?;
            match connect(&socket, &address) {
                Ok(()) => break,
                Err(Errno::AGAIN | Errno::INTR) if !deadline.is_past() => {}
                Err(Errno::AGAIN | Errno::INTR) => return Err(Errno::TIMEDOUT),
                Err(error) => return Err(error),
            }
        }
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, None)?;
        Ok(socket)
    };
    make().map_err(|error| Error::new("connect to", name.to_string(), error))
}

/// Listens on `name`. A path gets mode 0600, and a dead socket at that path is replaced.
///
/// # Errors
///
/// [`Error`], with `EADDRINUSE` if someone listens there, and with `EEXIST` if there is something
/// at the path that is not a socket.
pub fn listen_unix(name: &UnixName) -> Result<(OwnedFd, Option<Binding>), Error> {
    let fail = |error: Errno| Error::new("listen on", name.to_string(), error);
    let address = name.address().map_err(fail)?;
    let UnixName::Path(path) = name else {
        return try_listen(&address).map(|socket| (socket, None)).map_err(fail);
    };
    // Also held while the path is free: a socket that is bound and does not listen yet looks dead.
    let turn = take_turn(path);
    let socket = match try_listen(&address) {
        Err(Errno::ADDRINUSE) => turn
            .as_ref()
            .map_err(|error| *error)
            .and_then(|_turn| remove_dead(path, &address))
            .and_then(|()| try_listen(&address)),
        other => other,
    };
    socket.map(|socket| (socket, Binding::of(path))).map_err(fail)
}

fn open() -> Result<OwnedFd, Errno> {
    socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
}

fn try_listen(address: &SocketAddrUnix) -> Result<OwnedFd, Errno> {
    let socket = open()?;
    // The file that bind makes takes its mode from the socket, so it is never open to others, not
    // even for a moment.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    bind(&socket, address)?;
    listen(&socket, BACKLOG)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    Ok(socket)
}

/// Locks the directory of `path` against others who want to remove a dead socket from it.
fn take_turn(path: &Path) -> Result<OwnedFd, Errno> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let flags =
        rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
    let directory = rustix::fs::open(directory, flags, Mode::empty())?;
    let deadline = Deadline::after(TURN);
    loop {
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(directory),
            Err(Errno::AGAIN | Errno::INTR) if !deadline.is_past() => {
                // A lock on a file has no wait with an end, so this looks again now and then.
                let nap = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
                let _ = poll(&mut [], Some(&nap));
            }
            Err(Errno::AGAIN | Errno::INTR) => return Err(Errno::ADDRINUSE),
            Err(error) => return Err(error),
        }
    }
}

/// Removes the file at `path` if it is a socket and nobody answers.
fn remove_dead(path: &Path, address: &SocketAddrUnix) -> Result<(), Errno> {
    match fs::symlink_metadata(path) {
        Ok(file) if file.file_type().is_socket() => {}
        Ok(_) => return Err(Errno::EXIST),
        Err(_) => return Ok(()),
    }
    let probe = open()?;
    rustix::io::ioctl_fionbio(probe.as_fd(), true)?;
    match connect(&probe, address) {
        Err(Errno::CONNREFUSED) => {}
        Err(Errno::NOENT) => return Ok(()),
        // It answers, its queue is full, it is no stream, or it is none of our business.
        _ => return Err(Errno::ADDRINUSE),
    }
    match rustix::fs::unlink(path) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error),
    }
}
