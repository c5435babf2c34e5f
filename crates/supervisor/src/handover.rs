//! The listening sockets: bound once, kept across every reload, handed to the workers.
//!
//! A listening socket belongs to the supervisor for as long as its address stands in the
//! configuration. Workers come and go and hold copies; because this one stays open, no connection
//! that waits to be accepted is ever reset.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, UnixAddr, bind, connect,
    getsockname, listen, setsockopt, socket, sockopt,
};
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat};
use nix::unistd::{Gid, Uid, fchownat};

use crate::config::{Address, Diagnostic, Socket};

/// The sockets of the configuration that holds.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    bound: Vec<Bound>,
}

/// One socket, listening.
#[derive(Debug)]
pub(crate) struct Bound {
    /// What the configuration says about it.
    pub(crate) socket: Socket,
    descriptor: OwnedFd,
    file: Option<SocketFile>,
}

/// Sockets that were bound for a configuration that is to hold. Dropped, they were never there.
#[derive(Debug)]
pub(crate) struct Prepared(Vec<Bound>);

/// The file of a unix socket, removed when it is no longer wanted, if it is still the one that was
/// made here.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Listeners {
    /// Binds what is new among `wanted`. Nothing changes for what there is.
    ///
    /// # Errors
    ///
    /// What could not be bound, and why; then nothing new stays bound.
    pub(crate) fn prepare(&self, wanted: &[Socket]) -> Result<Prepared, Vec<Diagnostic>> {
        let (mut new, mut problems) = (Vec::new(), Vec::new());
        for socket in wanted.iter().filter(|socket| self.position(socket).is_none()) {
            match Bound::bind(socket) {
                Ok(bound) => new.push(bound),
                Err(message) => problems.push(socket.origin.diagnose(message)),
            }
        }
        if problems.is_empty() { Ok(Prepared(new)) } else { Err(problems) }
    }

    /// Makes room for the new sockets beside those that there are, so that processes of either
    /// configuration can be started.
    pub(crate) fn admit(&mut self, prepared: Prepared) {
        self.bound.extend(prepared.0);
    }

    /// Lets go of every socket that `wanted` does not have.
    pub(crate) fn retain(&mut self, wanted: &[Socket]) {
        let keep: HashSet<usize> =
            wanted.iter().filter_map(|socket| self.position(socket)).collect();
        let mut index = 0;
        self.bound.retain(|_| {
            index += 1;
            keep.contains(&(index - 1))
        });
        for socket in wanted {
            if let Some(index) = self.position(socket) {
                self.bound[index].adapt(socket);
            }
        }
    }

    /// A copy of the descriptor for a process to be started.
    pub(crate) fn copy(&self, socket: &Socket) -> io::Result<OwnedFd> {
        match self.position(socket) {
            Some(index) => self.bound[index].copy(),
            None => Err(io::Error::new(io::ErrorKind::NotFound, "the socket is not bound")),
        }
    }

    /// Every socket, and where it really listens.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = (&Socket, String)> {
        self.bound.iter().map(|bound| (&bound.socket, bound.address()))
    }

    /// The same socket is the one with the same address; where the system chooses the port, the
    /// name has to be the same as well.
    fn position(&self, socket: &Socket) -> Option<usize> {
        let any_port = matches!(socket.address, Address::Tcp(address) if address.port() == 0);
        self.bound.iter().position(|bound| {
            bound.socket.address == socket.address
                && (!any_port || bound.socket.name == socket.name)
        })
    }
}

impl Bound {
    /// Binds the socket and listens; the text of an error names the address.
    pub(crate) fn bind(socket: &Socket) -> Result<Self, String> {
        let bound = match &socket.address {
            Address::Tcp(address) => bind_tcp(address, socket)
                .map(|descriptor| Self { socket: socket.clone(), descriptor, file: None })
                .map_err(|errno| errno.desc().to_lowercase()),
            Address::Unix(path) => bind_unix(path, socket),
        };
        bound.map_err(|reason| {
            format!("cannot listen on {} for socket `{}`: {reason}", socket.address, socket.name)
        })
    }

    /// A copy of the descriptor.
    pub(crate) fn copy(&self) -> io::Result<OwnedFd> {
        self.descriptor.try_clone()
    }

    /// Applies what can be changed about a socket that already listens.
    fn adapt(&mut self, socket: &Socket) {
        if socket.backlog != self.socket.backlog {
            // To listen again is how a backlog is changed; it fails on no socket that listens.
            let _ = listen(&self.descriptor, backlog(socket));
        }
        if let Some(file) = &self.file
            && (socket.mode, socket.owner) != (self.socket.mode, self.socket.owner)
            && file.is_ours()
        {
            let _ = set_rights(&file.path, socket);
        }
        self.socket = socket.clone();
    }

    fn address(&self) -> String {
        match &self.socket.address {
            Address::Unix(_) => self.socket.address.to_string(),
            Address::Tcp(configured) => getsockname::<SockaddrStorage>(self.descriptor.as_raw_fd())
                .map_or_else(|_| configured.to_string(), |address| address.to_string()),
        }
    }
}

fn backlog(socket: &Socket) -> Backlog {
    Backlog::new(i32::try_from(socket.backlog).unwrap_or(i32::MAX)).unwrap_or(Backlog::MAXCONN)
}

fn bind_tcp(address: &SocketAddr, config: &Socket) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let descriptor = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&descriptor, sockopt::ReuseAddr, &true)?;
    if address.is_ipv6() {
        setsockopt(&descriptor, sockopt::Ipv6V6Only, &true)?;
    }
    bind(descriptor.as_raw_fd(), &SockaddrStorage::from(*address))?;
    listen(&descriptor, backlog(config))?;
    Ok(descriptor)
}

fn bind_unix(path: &Path, config: &Socket) -> Result<Bound, String> {
    let told = |errno: Errno| errno.desc().to_lowercase();
    let address = UnixAddr::new(path).map_err(told)?;
    let descriptor = unix_socket().map_err(told)?;
    match bind(descriptor.as_raw_fd(), &address) {
        Err(Errno::EADDRINUSE) => {
            remove_stale(path)?;
            bind(descriptor.as_raw_fd(), &address).map_err(told)?;
        }
        result => result.map_err(told)?,
    }
    let failed = |error: io::Error| error.to_string();
    // From here on the file is ours, and goes when it is dropped.
    let metadata = std::fs::symlink_metadata(path).map_err(failed)?;
    let file = SocketFile { path: path.into(), device: metadata.dev(), inode: metadata.ino() };
    set_rights(path, config).map_err(told)?;
    listen(&descriptor, backlog(config)).map_err(told)?;
    Ok(Bound { socket: config.clone(), descriptor, file: Some(file) })
}

fn unix_socket() -> Result<OwnedFd, Errno> {
    socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)
}

/// Nobody can connect before the socket listens, so the rights are in place before the first does.
fn set_rights(path: &Path, config: &Socket) -> Result<(), Errno> {
    if let Some(mode) = config.mode {
        fchmodat(AT_FDCWD, path, Mode::from_bits_truncate(mode), FchmodatFlags::FollowSymlink)?;
    }
    if let Some(owner) = config.owner {
        let (user, group) = (owner.uid.map(Uid::from_raw), owner.gid.map(Gid::from_raw));
        fchownat(AT_FDCWD, path, user, group, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

/// Removes a socket's file that nobody listens on any more; refuses everything else.
fn remove_stale(path: &Path) -> Result<(), String> {
    let metadata = std::fs::symlink_metadata(path).map_err(|error| error.to_string())?;
    if !metadata.file_type().is_socket() {
        let kind = if metadata.is_symlink() { "a symbolic link" } else { "not a socket" };
        return Err(format!("there is something else: {} is {kind}", path.display()));
    }
    match is_answered(path) {
        Err(Errno::ECONNREFUSED) => {}
        Ok(()) | Err(Errno::EAGAIN) => return Err("another process listens on it".into()),
        Err(errno) => {
            return Err(format!("whether another process listens on it is unknown: {errno}"));
        }
    }
    std::fs::remove_file(path).map_err(|error| format!("its stale file cannot be removed: {error}"))
}

fn is_answered(path: &Path) -> Result<(), Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let probe = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(probe.as_fd().as_raw_fd(), &UnixAddr::new(path)?)
}

impl SocketFile {
    fn is_ours(&self) -> bool {
        std::fs::symlink_metadata(&self.path)
            .is_ok_and(|it| (it.dev(), it.ino()) == (self.device, self.inode))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_ours() {
            // If it cannot be removed it is stale, and the next start replaces it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
