//! Sleeping until one of many descriptors has something to say.

use std::io;
use std::os::fd::AsFd;

use brigade_sys::time::Deadline;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// Who a descriptor belongs to. The numbers are never used twice, so an event of a descriptor that
/// was closed meanwhile names nobody, whatever the kernel did with the descriptor's own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Token {
    /// Signals have arrived.
    Signals,
    /// The earliest timer has run out.
    Timer,
    /// Processes report.
    Notify,
    /// Someone connects to the control socket.
    Control,
    /// A client of the control socket.
    Client(u64),
    /// A process has ended, by its birth.
    Exit(u64),
    /// A process has written something.
    Output(u64),
}

/// What to be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// There is something to read, or the other end has gone.
    Read,
    /// There is room to write, or the other end has gone.
    Write,
    /// Only that the other end has gone.
    Hangup,
}

#[derive(Debug)]
pub(crate) struct Poller {
    epoll: Epoll,
    events: Vec<EpollEvent>,
}

/// So many events are taken at once.
const BATCH: usize = 64;

/// A token's kind stands in the highest byte.
const KIND_SHIFT: u32 = 56;

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Self { epoll, events: vec![EpollEvent::empty(); BATCH] })
    }

    pub(crate) fn add(
        &self,
        descriptor: impl AsFd,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        Ok(self.epoll.add(descriptor, event(token, interest))?)
    }

    pub(crate) fn change(
        &self,
        descriptor: impl AsFd,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        Ok(self.epoll.modify(descriptor, &mut event(token, interest))?)
    }

    /// Takes a descriptor out. Closing it would not do if another process has it too.
    pub(crate) fn remove(&self, descriptor: impl AsFd) {
        // It is only ever called for descriptors that were added and are still open.
        let _ = self.epoll.delete(descriptor);
    }

    /// Sleeps until something happens, and says whose descriptors are ready, in no order.
    pub(crate) fn wait(&mut self, deadline: Deadline) -> io::Result<Vec<Token>> {
        let timeout = u16::try_from(deadline.to_poll_timeout());
        let timeout = timeout.map_or(EpollTimeout::NONE, EpollTimeout::from);
        match self.epoll.wait(&mut self.events, timeout) {
            Ok(count) => {
                Ok(self.events[..count].iter().filter_map(|it| Token::decode(it.data())).collect())
            }
            Err(Errno::EINTR) => Ok(Vec::new()),
            Err(errno) => Err(errno.into()),
        }
    }
}

fn event(token: Token, interest: Interest) -> EpollEvent {
    let flags = match interest {
        Interest::Read => EpollFlags::EPOLLIN,
        Interest::Write => EpollFlags::EPOLLOUT,
        Interest::Hangup => EpollFlags::empty(),
    };
    EpollEvent::new(flags, token.encode())
}

impl Token {
    fn encode(self) -> u64 {
        let (kind, number) = match self {
            Token::Signals => (0, 0),
            Token::Timer => (1, 0),
            Token::Notify => (2, 0),
            Token::Control => (3, 0),
            Token::Client(number) => (4, number),
            Token::Exit(number) => (5, number),
            Token::Output(number) => (6, number),
        };
        kind << KIND_SHIFT | number
    }

    fn decode(data: u64) -> Option<Self> {
        let number = data & ((1 << KIND_SHIFT) - 1);
        Some(match data >> KIND_SHIFT {
            0 => Token::Signals,
            1 => Token::Timer,
            2 => Token::Notify,
            3 => Token::Control,
            4 => Token::Client(number),
            5 => Token::Exit(number),
            6 => Token::Output(number),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn every_token_survives_the_kernel() {
        let tokens = [
            Token::Signals,
            Token::Timer,
            Token::Notify,
            Token::Control,
            Token::Client(1),
            Token::Exit(u64::from(u32::MAX) + 7),
            Token::Output((1 << KIND_SHIFT) - 1),
        ];
        for token in tokens {
            assert_eq!(Token::decode(token.encode()), Some(token));
        }
        assert_eq!(Token::decode(u64::MAX), None);
    }

    #[test]
    fn a_descriptor_is_reported_under_its_token_until_it_is_removed() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let mut poller = Poller::new().unwrap();
        poller.add(&theirs, Token::Client(9), Interest::Read).unwrap();
        let now = || Deadline::after(std::time::Duration::ZERO);
        assert_eq!(poller.wait(now()).unwrap(), []);
        ours.write_all(b"x").unwrap();
        assert_eq!(poller.wait(Deadline::NEVER).unwrap(), [Token::Client(9)]);
        poller.change(&theirs, Token::Client(9), Interest::Hangup).unwrap();
        assert_eq!(poller.wait(now()).unwrap(), []);
        drop(ours);
        assert_eq!(poller.wait(Deadline::NEVER).unwrap(), [Token::Client(9)]);
        poller.remove(&theirs);
        assert_eq!(poller.wait(now()).unwrap(), []);
    }
}
