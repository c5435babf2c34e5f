//! What processes report about themselves: systemd's notify protocol, the receiving side.
//!
//! A datagram holds lines of `KEY=VALUE`. The kernel attaches the sender's process id, which the
//! sender cannot choose without privilege, and only the process that the supervisor started is
//! listened to. As its zombie is not reaped before the datagrams that wait were read, the id cannot
//! have passed to another process meanwhile.
//!
//! The socket has an abstract address that the kernel chose: no file, nothing to clean up.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, UnixCredentials,
    bind, getsockname, recvmsg, setsockopt, socket, sockopt,
};

/// The longest datagram that is read; longer ones are ignored.
const LONGEST: usize = 4096;

/// The longest status text that is kept, in characters.
const LONGEST_STATUS: usize = 200;

/// The kernel lets a datagram carry no more descriptors.
const MOST_DESCRIPTORS: usize = 253;

/// The socket that processes report to.
#[derive(Debug)]
pub(crate) struct Receiver {
    descriptor: OwnedFd,
    address: String,
}

/// One thing that a process says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// It serves.
    Ready,
    /// It has begun to leave.
    Stopping,
    /// It is alive.
    Heartbeat,
    /// What it is doing.
    Status(String),
}

impl Receiver {
    pub(crate) fn bind() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let descriptor = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
        setsockopt(&descriptor, sockopt::PassCred, &true)?;
        bind(descriptor.as_raw_fd(), &UnixAddr::new_unnamed())?;
        let name: UnixAddr = getsockname(descriptor.as_raw_fd())?;
        let name = name.as_abstract().and_then(|name| str::from_utf8(name).ok());
        let name = name.ok_or_else(|| io::Error::other("the kernel chose no abstract name"))?;
        let address = format!("@{name}");
        Ok(Self { descriptor, address })
    }

    /// What processes find in `NOTIFY_SOCKET`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Takes the next datagram: who sent it, and what it says. Does not wait.
    pub(crate) fn receive(&self) -> io::Result<Option<(i32, Vec<Message>)>> {
        let mut bytes = [0; LONGEST];
        let mut control = cmsg_space!(UnixCredentials, [RawFd; MOST_DESCRIPTORS]);
        let mut slices = [IoSliceMut::new(&mut bytes)];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
        let received = loop {
            let descriptor = self.descriptor.as_raw_fd();
            match recvmsg::<()>(descriptor, &mut slices, Some(&mut control), flags) {
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(None),
                Err(errno) => return Err(errno.into()),
                Ok(received) => break received,
            }
        };
        let mut sender = 0;
        for message in received.cmsgs()? {
            match message {
                ControlMessageOwned::ScmCredentials(credentials) => sender = credentials.pid(),
                // Nobody asked for them. The sender of a barrier waits for exactly this.
                ControlMessageOwned::ScmRights(descriptors) => {
                    for descriptor in descriptors {
                        // It was just received and is open; there is nothing else to do with it.
                        let _ = nix::unistd::close(descriptor);
                    }
                }
                _ => {}
            }
        }
        let (len, cut) = (received.bytes, received.flags.contains(MsgFlags::MSG_TRUNC));
        let messages = if cut { Vec::new() } else { parse(&bytes[..len]) };
        Ok(Some((sender, messages)))
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// What a datagram says. Keys that mean nothing here are passed over.
fn parse(datagram: &[u8]) -> Vec<Message> {
    let lines = datagram.split(|&byte| byte == b'\n');
    let message = |line: &[u8]| match line {
        b"READY=1" => Some(Message::Ready),
        b"STOPPING=1" => Some(Message::Stopping),
        b"WATCHDOG=1" => Some(Message::Heartbeat),
        _ => line.strip_prefix(b"STATUS=").map(|text| Message::Status(plain(text))),
    };
    lines.filter_map(message).collect()
}

/// Text that does no harm on a terminal.
fn plain(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.chars().filter(|letter| !letter.is_control()).take(LONGEST_STATUS).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

    use nix::sys::socket::sendto;

    use super::*;

    fn send(to: &Receiver, bytes: &[u8]) {
        let name = to.address().strip_prefix('@').unwrap();
        let address = UnixAddr::new_abstract(name.as_bytes()).unwrap();
        let flags = SockFlag::SOCK_CLOEXEC;
        let from = socket(AddressFamily::Unix, SockType::Datagram, flags, None).unwrap();
        sendto(from.as_raw_fd(), bytes, &address, MsgFlags::empty()).unwrap();
    }

    #[test]
    fn a_datagram_arrives_with_its_sender() {
        let receiver = Receiver::bind().unwrap();
        assert_eq!(receiver.receive().unwrap(), None);
        send(&receiver, b"READY=1\nSTATUS=all is well\nX_OTHER=1\n");
        let (sender, messages) = receiver.receive().unwrap().unwrap();
        assert_eq!(u32::try_from(sender).unwrap(), std::process::id());
        assert_eq!(messages, [Message::Ready, Message::Status("all is well".into())]);
        assert_eq!(receiver.receive().unwrap(), None);
    }

    #[test]
    fn hostile_datagrams_say_nothing() {
        let receiver = Receiver::bind().unwrap();
        let too_long = vec![b'a'; LONGEST + 1];
        for bytes in [&b""[..], b"\n\n", b"READY=2", b"=", b"\xff\xfe", &too_long] {
            send(&receiver, bytes);
            assert_eq!(receiver.receive().unwrap().unwrap().1, [], "{bytes:?}");
        }
    }

    #[test]
    fn a_status_is_cut_and_stripped_of_control_characters() {
        let text = format!("STATUS=\x1b[31mred\x07{}", "x".repeat(1000));
        let [Message::Status(status)] = &parse(text.as_bytes())[..] else { panic!("no status") };
        assert!(status.starts_with("[31mredxxx"));
        assert_eq!(status.chars().count(), LONGEST_STATUS);
    }

    #[test]
    fn descriptors_that_come_along_are_closed() {
        use nix::sys::socket::{ControlMessage, sendmsg};
        let receiver = Receiver::bind().unwrap();
        let name = receiver.address().strip_prefix('@').unwrap();
        let address = UnixAddr::new_abstract(name.as_bytes()).unwrap();
        let (read_end, write_end) = nix::unistd::pipe().unwrap();
        let from =
            socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).unwrap();
        let parts = [io::IoSlice::new(b"FDSTORE=1")];
        let rights = [write_end.as_raw_fd(); MOST_DESCRIPTORS];
        let control = [ControlMessage::ScmRights(&rights)];
        let flags = MsgFlags::empty();
        sendmsg(from.as_raw_fd(), &parts, &control, flags, Some(&address)).unwrap();
        drop(write_end);
        assert_eq!(receiver.receive().unwrap().unwrap().1, []);
        let mut byte = [0];
        // The pipe is at its end only if no copy of its write end is open anywhere.
        assert_eq!(nix::unistd::read(&read_end, &mut byte), Ok(0));
    }
}
