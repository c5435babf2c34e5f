//! What has arrived and was not received yet: bytes go in, whole frames come out.
//!
//! This module does no system call, so every way of cutting a stream can be tried in a test. It
//! never holds more than about twice the bytes that have really arrived: a length that a peer only
//! claims costs no memory.

use std::collections::VecDeque;
use std::ops::Range;
use std::os::fd::OwnedFd;

use brigade_sys::socket::DESCRIPTORS;

use crate::frame::{GREETING, HEADER, Header, Malformed, check_greeting};

/// How much is read at once, at least.
const CHUNK: usize = 16 << 10;

/// The most memory that is reserved on a peer's word, and that an idle connection keeps.
const TRUST: usize = 1 << 20;

/// One message.
#[derive(Debug)]
pub(crate) struct Frame {
    buffer: Vec<u8>,
    message: Range<usize>,
    pub(crate) descriptors: Vec<OwnedFd>,
}

impl Frame {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.message.clone()]
    }

    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        self.buffer.truncate(self.message.end);
        self.buffer.drain(..self.message.start);
        self.buffer
    }

    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }
}

/// The receiving side of a stream.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// All of it is initialized; `held` is what has arrived and was not taken.
    buffer: Vec<u8>,
    held: Range<usize>,
    descriptors: VecDeque<OwnedFd>,
    greeting: Greeting,
    limit: usize,
}

/// Whether the other side's greeting has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Greeting {
    Awaited,
    Done,
}

impl Inbox {
    pub(crate) fn new(greeting: Greeting, limit: usize) -> Self {
        Self { buffer: Vec::new(), held: 0..0, descriptors: VecDeque::new(), greeting, limit }
    }

    pub(crate) fn greeting(&self) -> Greeting {
        self.greeting
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Whether nothing is held, so that a stream which ends now ends between messages.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.descriptors.is_empty()
    }

    /// Room for what arrives next; never empty.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        let missing = self.missing().max(1);
        if self.held.is_empty() {
            self.held = 0..0;
        }
        if self.buffer.len() - self.held.end < missing.min(CHUNK) {
            self.buffer.copy_within(self.held.clone(), 0);
            self.held = 0..self.held.len();
        }
        let target = self.held.end + missing;
        if self.buffer.len() < target {
            let grown = target.min((self.held.len() * 2).max(TRUST)).max(CHUNK);
            if grown > self.buffer.len() {
                self.buffer.resize(grown, 0);
            }
        }
        &mut self.buffer[self.held.end..]
    }

    /// Takes note of `len` bytes in the room and of the descriptors that came with them.
    pub(crate) fn arrived(
        &mut self,
        len: usize,
        descriptors: Vec<OwnedFd>,
    ) -> Result<(), Malformed> {
        self.held.end += len;
        self.descriptors.extend(descriptors);
        // One frame that is not whole yet, and one batch ahead of its frame.
        if self.descriptors.len() > 2 * DESCRIPTORS {
            return Err(Malformed::Descriptors);
        }
        self.greet()
    }

    /// Whether a whole frame is held.
    pub(crate) fn has_frame(&self) -> Result<bool, Malformed> {
        Ok(self.header()?.is_some_and(|header| self.held.len() - HEADER >= header.len))
    }

    /// Takes the next frame out, if it is whole.
    pub(crate) fn take(&mut self) -> Result<Option<Frame>, Malformed> {
        let Some(header) = self.header()? else { return Ok(None) };
        if self.held.len() - HEADER < header.len {
            return Ok(None);
        }
        if self.descriptors.len() < header.descriptors {
            return Err(Malformed::Descriptors);
        }
        let descriptors = self.descriptors.drain(..header.descriptors).collect();
        let start = self.held.start + HEADER;
        let end = start + header.len;
        self.held.start = end;
        if !self.held.is_empty() {
            let message = self.buffer[start..end].to_vec();
            return Ok(Some(Frame { message: 0..message.len(), buffer: message, descriptors }));
        }
        // Nothing follows, so the message keeps the buffer, and no byte is copied.
        self.held = 0..0;
        Ok(Some(Frame {
            buffer: std::mem::take(&mut self.buffer),
            message: start..end,
            descriptors,
        }))
    }

    /// Takes back the buffer of a frame that is no longer needed.
    pub(crate) fn recycle(&mut self, buffer: Vec<u8>) {
        if self.buffer.is_empty() && buffer.len() <= TRUST {
            self.buffer = buffer;
        }
    }

    fn greet(&mut self) -> Result<(), Malformed> {
        if self.greeting == Greeting::Done {
            return Ok(());
        }
        let held = &self.buffer[self.held.clone()];
        check_greeting(held)?;
        if held.len() >= GREETING.len() {
            self.held.start += GREETING.len();
            self.greeting = Greeting::Done;
        }
        Ok(())
    }

    fn header(&self) -> Result<Option<Header>, Malformed> {
        if self.greeting == Greeting::Awaited {
            return Ok(None);
        }
        match self.buffer[self.held.clone()].first_chunk::<HEADER>() {
            Some(bytes) => Header::decode(*bytes, self.limit).map(Some),
            None => Ok(None),
        }
    }

    /// How many bytes the next frame lacks, as far as is known.
    fn missing(&self) -> usize {
        match self.header() {
            Ok(Some(header)) => (HEADER + header.len).saturating_sub(self.held.len()),
            _ => HEADER.saturating_sub(self.held.len()),
        }
    }
}

#[cfg(test)]
#[path = "inbox_tests.rs"]
mod tests;
