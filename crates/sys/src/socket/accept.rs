//! Listening sockets in use, sockets that come from elsewhere, and half-closing.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, Shutdown, SocketFlags, SocketType, accept_with, shutdown, sockopt,
};

use super::ready::{Interest, ready};
use super::tcp::tune;
use crate::error::Error;
use crate::time::Deadline;

/// Accepts a connection before `deadline`; `None` if none came.
///
/// The listening socket must be non-blocking, as those made here are: another process that accepts
/// from the same socket may be faster.
///
/// # Errors
///
/// [`Error`] if no connection can be accepted. One that was aborted by its client is passed over.
pub fn accept(listener: BorrowedFd<'_>, deadline: Deadline) -> Result<Option<OwnedFd>, Error> {
    loop {
        match accept_with(listener, SocketFlags::CLOEXEC) {
            Ok(socket) => {
                if sockopt::socket_domain(&socket).is_ok_and(|it| it != AddressFamily::UNIX) {
                    tune(socket.as_fd())?;
                }
                return Ok(Some(socket));
            }
            Err(Errno::INTR | Errno::CONNABORTED | Errno::PROTO) => {}
            Err(Errno::AGAIN) => {
                if !ready(listener, Interest::Readable, deadline)? {
                    return Ok(None);
                }
            }
            Err(error) => return Err(Error::new("accept from", "listening socket", error)),
        }
    }
}

/// Takes over a listening socket that another process, or another part of this one, has opened.
///
/// It becomes non-blocking, for all who share it.
///
/// # Errors
///
/// [`Error`] if it is not a listening stream socket.
pub fn adopt_listener(socket: OwnedFd) -> Result<OwnedFd, Error> {
    check_stream(&socket, "adopt listening socket")?;
    match sockopt::socket_acceptconn(&socket) {
        Ok(true) => {}
        Ok(false) => return Err(Error::new("adopt listening socket", "socket", Errno::INVAL)),
        Err(error) => return Err(Error::new("adopt listening socket", "socket", error)),
    }
    prepare(&socket, "adopt listening socket")?;
    rustix::io::ioctl_fionbio(&socket, true)
        .map_err(|error| Error::new("adopt listening socket", "socket", error))?;
    Ok(socket)
}

/// Takes over a connected stream socket that came from elsewhere.
///
/// # Errors
///
/// [`Error`] if it is not a connected stream socket.
pub fn adopt_stream(socket: OwnedFd) -> Result<OwnedFd, Error> {
    check_stream(&socket, "adopt socket")?;
    if let Err(error @ Errno::NOTCONN) = rustix::net::getpeername(&socket) {
        return Err(Error::new("adopt socket", "socket", error));
    }
    prepare(&socket, "adopt socket")?;
    Ok(socket)
}

/// Says that nothing more will be sent: the other end comes to the end of the stream.
///
/// # Errors
///
/// [`Error`] if the socket is not connected.
pub fn finish_sending(socket: BorrowedFd<'_>) -> Result<(), Error> {
    shutdown(socket, Shutdown::Write).map_err(|error| Error::new("shut down", "socket", error))
}

fn check_stream(socket: &OwnedFd, operation: &'static str) -> Result<(), Error> {
    match sockopt::socket_type(socket) {
        Ok(SocketType::STREAM) => Ok(()),
        Ok(_) => Err(Error::new(operation, "socket", Errno::PROTOTYPE)),
        Err(error) => Err(Error::new(operation, "descriptor", error)),
    }
}

fn prepare(socket: &OwnedFd, operation: &'static str) -> Result<(), Error> {
    rustix::io::fcntl_setfd(socket, rustix::io::FdFlags::CLOEXEC)
        .map_err(|error| Error::new(operation, "socket", error))
}
