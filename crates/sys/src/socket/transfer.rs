//! Bytes and descriptors over a connected stream socket.
//!
//! Descriptors travel with the first byte of the [`send`] that passes them. A [`recv`] never
//! returns the bytes of two such sends at once, so at most [`DESCRIPTORS`] arrive with it and the
//! space for them always suffices. Should the kernel say that it had to leave some out, those that
//! came are closed and the receiver is told.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::cmsg_space;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use super::ready::{Interest, ready};
use crate::error::Error;
use crate::time::Deadline;

/// The most descriptors that Linux passes in one message.
pub const DESCRIPTORS: usize = 253;

/// What [`recv`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes were read.
    Bytes(usize),
    /// The other end has closed, and everything it sent has been read.
    End,
    /// There is nothing to read now.
    Nothing,
}

/// Sends what the socket takes now of `parts`, and with the first byte all of `descriptors`.
///
/// Returns how many bytes were taken; 0 says that there is no room now and nothing, no descriptor
/// either, has left.
///
/// # Errors
///
/// [`Error`], with `EPIPE` or `ECONNRESET` if the other end has closed. A signal is never sent.
pub fn send(
    socket: BorrowedFd<'_>,
    parts: &[IoSlice<'_>],
    descriptors: &[BorrowedFd<'_>],
) -> Result<usize, Error> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fits = descriptors.len() <= DESCRIPTORS
        && (descriptors.is_empty() || control.push(SendAncillaryMessage::ScmRights(descriptors)));
    if !fits {
        return Err(Error::new("send descriptors over", "socket", Errno::TOOBIG));
    }
    loop {
        match sendmsg(socket, parts, &mut control, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(sent) => return Ok(sent),
            Err(Errno::AGAIN) => return Ok(0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(Error::new("send to", "socket", error)),
        }
    }
}

/// Reads what is there into `bytes`, and appends the descriptors that came with it.
///
/// # Errors
///
/// [`Error`]; with `EMSGSIZE` if descriptors that belong to these bytes could not be received,
/// because this process may not open more.
pub fn recv(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> Result<Received, Error> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let message = loop {
        match recvmsg(socket, &mut [IoSliceMut::new(bytes)], &mut control, flags) {
            Ok(message) => break message,
            Err(Errno::AGAIN) => return Ok(Received::Nothing),
            Err(Errno::INTR) => {}
            Err(error) => return Err(Error::new("receive from", "socket", error)),
        }
    };
    if message.flags.contains(ReturnFlags::CTRUNC) {
        // What did arrive is owned by `control`, which closes it.
        return Err(Error::new("receive descriptors from", "socket", Errno::MSGSIZE));
    }
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(arrived) = part {
            descriptors.extend(arrived);
        }
    }
    match message.bytes {
        0 if !bytes.is_empty() => Ok(Received::End),
        read => Ok(Received::Bytes(read)),
    }
}

/// Sends all of `bytes`, and with the first of them `descriptors`, before `deadline`.
///
/// # Errors
///
/// [`Error`]; with `ETIMEDOUT` if the deadline passed: then some of the bytes may have been sent.
pub fn send_all(
    socket: BorrowedFd<'_>,
    mut bytes: &[u8],
    mut descriptors: &[BorrowedFd<'_>],
    deadline: Deadline,
) -> Result<(), Error> {
    while !bytes.is_empty() {
        match send(socket, &[IoSlice::new(bytes)], descriptors)? {
            0 => await_ready(socket, Interest::Writable, deadline, "send to")?,
            sent => {
                bytes = &bytes[sent..];
                descriptors = &[];
            }
        }
    }
    Ok(())
}

/// Fills all of `bytes` before `deadline`, and appends the descriptors that came with them.
///
/// Returns false if the other end closed before the first byte.
///
/// # Errors
///
/// [`Error`]; with `ETIMEDOUT` if the deadline passed and with `ECONNABORTED` if the other end
/// closed in between: then some of the bytes have been read.
pub fn recv_exact(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
    deadline: Deadline,
) -> Result<bool, Error> {
    let mut filled = 0;
    while filled < bytes.len() {
        match recv(socket, &mut bytes[filled..], descriptors)? {
            Received::Bytes(read) => filled += read,
            Received::Nothing => {
                await_ready(socket, Interest::Readable, deadline, "receive from")?;
            }
            Received::End if filled == 0 => return Ok(false),
            Received::End => return Err(Error::new("receive from", "socket", Errno::CONNABORTED)),
        }
    }
    Ok(true)
}

fn await_ready(
    socket: BorrowedFd<'_>,
    interest: Interest,
    deadline: Deadline,
    operation: &'static str,
) -> Result<(), Error> {
    if ready(socket, interest, deadline)? {
        return Ok(());
    }
    Err(Error::new(operation, "socket", Errno::TIMEDOUT))
}
