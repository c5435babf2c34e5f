//! Waiting for one descriptor.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::error::Error;
use crate::time::Deadline;

/// What a wait for a descriptor is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// There is something to read, or the other end has gone.
    Readable,
    /// There is room to write, or the other end has gone.
    Writable,
    /// Either.
    Both,
}

/// Waits until `descriptor` is ready or `deadline` has passed, and says whether it is ready.
///
/// A descriptor with an error or a hang-up is ready: the operation then says what is wrong.
///
/// # Errors
///
/// [`Error`] if the descriptor cannot be waited for.
pub fn ready(
    descriptor: BorrowedFd<'_>,
    interest: Interest,
    deadline: Deadline,
) -> Result<bool, Error> {
    let events = match interest {
        Interest::Readable => PollFlags::IN,
        Interest::Writable => PollFlags::OUT,
        Interest::Both => PollFlags::IN | PollFlags::OUT,
    };
    loop {
        let fd = descriptor.as_fd();
        let mut polled = [PollFd::new(&fd, events)];
        let left = deadline.remaining().map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        });
        match poll(&mut polled, left.as_ref()) {
            Ok(0) if deadline.is_past() => return Ok(false),
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) if polled[0].revents().contains(PollFlags::NVAL) => {
                return Err(Error::new("wait for", "descriptor", Errno::BADF));
            }
            Ok(_) => return Ok(true),
            Err(error) => return Err(Error::new("wait for", "descriptor", error)),
        }
    }
}
