//! Who is at the other end of a socket.

use std::os::fd::{BorrowedFd, OwnedFd};

use nix::sys::socket::{getsockopt, sockopt};
use rustix::net::AddressFamily;

use crate::error::Error;

/// The process that connected, or listened, at the other end of a unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Its pid then; 0 if it lives in a pid namespace that this process cannot see.
    pub pid: i32,
    /// Its effective user then.
    pub uid: u32,
    /// Its effective group then.
    pub gid: u32,
}

/// What kind of network a socket belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// This machine only. Descriptors can be passed.
    Unix,
    /// Any machine.
    Tcp,
}

impl Family {
    /// The family of `socket`.
    ///
    /// # Errors
    ///
    /// [`Error`] if it is no socket, or of a family that brigade does not use.
    pub fn of(socket: BorrowedFd<'_>) -> Result<Self, Error> {
        match rustix::net::sockopt::socket_domain(socket) {
            Ok(AddressFamily::UNIX) => Ok(Self::Unix),
            Ok(AddressFamily::INET | AddressFamily::INET6) => Ok(Self::Tcp),
            Ok(_) => Err(Error::new("use", "socket", rustix::io::Errno::AFNOSUPPORT)),
            Err(error) => Err(Error::new("use", "descriptor", error)),
        }
    }
}

/// Asks the kernel who is at the other end of a unix socket.
///
/// The answer was recorded when the connection was made and cannot be forged.
///
/// # Errors
///
/// [`Error`] if `socket` is not a unix socket.
pub fn peer_credentials(socket: BorrowedFd<'_>) -> Result<Credentials, Error> {
    // Asked about another socket, the kernel answers with nobody instead of an error.
    if Family::of(socket)? != Family::Unix {
        let error = rustix::io::Errno::OPNOTSUPP;
        return Err(Error::new("ask who is behind", "socket", error));
    }
    getsockopt(&socket, sockopt::PeerCredentials)
        .map(|peer| Credentials { pid: peer.pid(), uid: peer.uid(), gid: peer.gid() })
        .map_err(|error| Error::new("ask who is behind", "socket", error))
}

/// Opens a pidfd for the process at the other end of a unix socket.
///
/// Unlike its pid this stays that process, and becomes readable when it ends.
///
/// # Errors
///
/// [`Error`] if `socket` is not a unix socket, the process has been reaped, or the kernel is older
/// than 6.5.
pub fn peer_pidfd(socket: BorrowedFd<'_>) -> Result<OwnedFd, Error> {
    getsockopt(&socket, sockopt::PeerPidfd)
        .map_err(|error| Error::new("open the process behind", "socket", error))
}
