//! What has begun to leave and has not left yet.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use brigade_sys::Error;
use brigade_sys::socket::send;

use crate::frame::GREETING;
use crate::inbox::Greeting;

/// The sending side of a stream.
///
/// A frame that has begun to leave must leave whole before the next, or the receiver would be out
/// of step. So a caller who gives up in between leaves the rest here.
#[derive(Debug)]
pub(crate) struct Outbox {
    greeting: Greeting,
    rest: Vec<u8>,
    sent: usize,
}

/// How far a frame came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// No byte of it has left.
    NotBegun,
    /// Some of it has left.
    Begun,
    /// It has left.
    Done,
}

impl Outbox {
    pub(crate) fn new(greeting: Greeting) -> Self {
        Self { greeting, rest: Vec::new(), sent: 0 }
    }

    pub(crate) fn greeting(&self) -> Greeting {
        self.greeting
    }

    /// Whether nothing is left of an earlier frame.
    pub(crate) fn is_empty(&self) -> bool {
        self.sent == self.rest.len()
    }

    /// Sends what `socket` takes now of an earlier frame, and says whether all of it has left.
    pub(crate) fn flush(&mut self, socket: BorrowedFd<'_>) -> Result<bool, Error> {
        while !self.is_empty() {
            match send(socket, &[IoSlice::new(&self.rest[self.sent..])], &[])? {
                0 => return Ok(false),
                taken => self.sent += taken,
            }
        }
        self.rest.clear();
        self.sent = 0;
        Ok(true)
    }

    /// Sends what `socket` takes now of a frame, after what is left of an earlier one.
    ///
    /// Unless the answer is [`Progress::NotBegun`], `frame` and its descriptors have been taken.
    pub(crate) fn begin(
        &mut self,
        socket: BorrowedFd<'_>,
        frame: &mut Vec<u8>,
        descriptors: &[OwnedFd],
    ) -> Result<Progress, Error> {
        if !self.flush(socket)? {
            return Ok(Progress::NotBegun);
        }
        let greeting: &[u8] = match self.greeting {
            Greeting::Awaited => &GREETING,
            Greeting::Done => &[],
        };
        let descriptors: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
        let parts = [IoSlice::new(greeting), IoSlice::new(frame)];
        let taken = send(socket, &parts, &descriptors)?;
        if taken == 0 {
            return Ok(Progress::NotBegun);
        }
        self.greeting = Greeting::Done;
        if taken == greeting.len() + frame.len() {
            return Ok(Progress::Done);
        }
        self.rest =
            if greeting.is_empty() { std::mem::take(frame) } else { [greeting, frame].concat() };
        self.sent = taken;
        Ok(if self.flush(socket)? { Progress::Done } else { Progress::Begun })
    }
}
