//! Sockets between machines.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrAny, SocketFlags, SocketType, bind, connect, getsockname, listen,
    socket_with, sockopt,
};

use super::ready::{Interest, ready};
use super::unix::BACKLOG;
use crate::error::Error;
use crate::time::Deadline;

/// Connects to `address` before `deadline`.
///
/// # Errors
///
/// [`Error`], with `ETIMEDOUT` if the deadline passed.
pub fn connect_tcp(address: SocketAddr, deadline: Deadline) -> Result<OwnedFd, Error> {
    let fail = |error: Errno| Error::new("connect to", address.to_string(), error);
    let socket = open(address).map_err(fail)?;
    match connect(&socket, &address) {
        Ok(()) => {}
        Err(Errno::INPROGRESS | Errno::INTR) => {
            if !ready(socket.as_fd(), Interest::Writable, deadline)? {
                return Err(fail(Errno::TIMEDOUT));
            }
            sockopt::socket_error(&socket).and_then(|outcome| outcome).map_err(fail)?;
        }
        Err(error) => return Err(fail(error)),
    }
    tune(socket.as_fd())?;
    Ok(socket)
}

/// Listens on `address`. Port 0 lets the kernel choose one: see [`local_tcp_address`].
///
/// # Errors
///
/// [`Error`], with `EADDRINUSE` if someone listens there.
pub fn listen_tcp(address: SocketAddr) -> Result<OwnedFd, Error> {
    let make = || {
        let socket = open(address)?;
        // A port whose last connections are still winding down can be used again at once. Two
        // listeners on one port remain impossible.
        sockopt::set_socket_reuseaddr(&socket, true)?;
        bind(&socket, &address)?;
        listen(&socket, BACKLOG)?;
        Ok(socket)
    };
    make().map_err(|error: Errno| Error::new("listen on", address.to_string(), error))
}

/// The address and port that a TCP socket has on this machine.
///
/// # Errors
///
/// [`Error`] if it is no TCP socket.
pub fn local_tcp_address(socket: BorrowedFd<'_>) -> Result<SocketAddr, Error> {
    getsockname(socket)
        .and_then(SocketAddr::try_from)
        .map_err(|error| Error::new("ask for the address of", "socket", error))
}

/// Sends small messages at once instead of waiting for more.
pub(super) fn tune(socket: BorrowedFd<'_>) -> Result<(), Error> {
    sockopt::set_tcp_nodelay(socket, true)
        .map_err(|error| Error::new("set options of", "socket", error))
}

fn open(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = match SocketAddrAny::from(address).address_family() {
        AddressFamily::INET6 => AddressFamily::INET6,
        _ => AddressFamily::INET,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(family, SocketType::STREAM, flags, None)
}
