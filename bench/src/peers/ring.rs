//! A bare ring in shared memory, for one sender and one receiver who never sleep: the bound of all
//! that copies messages from one process to another.

use crate::Result;
use crate::case::Side;
use crate::partner::{Partner, standard_input};
use crate::stream::{Connected, Plan, Receiving, Sending, Transport, capacity};
use brigade_sys::memory::{self, Mapping};
use std::hint::spin_loop;
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::thread;

pub(crate) const KIND: &str = "ring";

/// The words before the messages: the two positions, on lines of their own.
const HEAD: usize = 64;
const TAIL: usize = 128;
const MESSAGES: usize = 192;

/// How often one side looks before it lets others run.
const LOOKS: u32 = 1_000;

pub(crate) struct BareRing;

impl Transport for BareRing {
    type Sender = End;
    type Receiver = End;

    fn name(&self) -> &'static str {
        "bare ring, spinning"
    }

    fn side(&self) -> Side {
        Side::Bound
    }

    fn start(&self, plan: Plan) -> Result<Connected<End, End>> {
        let file = memory::create("brigade-bench", 2 * length(plan.size) as u64)?;
        let (sender, receiver) = both(file.try_clone()?, plan.size)?;
        let partner = Box::new(Partner::start(KIND, "", &plan, Some(file), None)?);
        Ok(Connected { sender, receiver, partner })
    }
}

pub(crate) fn take_part(plan: Plan) -> Result<()> {
    let (mut receiver, mut sender) = both(standard_input()?.into(), plan.size)?;
    plan.carry_out(&mut sender, &mut receiver)
}

/// The bytes of one direction.
fn length(size: usize) -> usize {
    MESSAGES + capacity(size) * size.next_multiple_of(64)
}

/// The ring there and the ring back.
fn both(file: OwnedFd, size: usize) -> Result<(End, End)> {
    let length = length(size);
    let mapping = Mapping::new(file, 2 * length)?;
    Ok((End::open(mapping, 0, size)?, End::open(mapping, length, size)?))
}

/// One side of one direction.
pub(crate) struct End {
    head: &'static AtomicU64,
    tail: &'static AtomicU64,
    words: &'static [AtomicU64],
    capacity: u64,
    /// The words from one message to the next.
    stride: usize,
    /// This side's own position, and the other's when it was last looked at.
    here: u64,
    there: u64,
}

impl End {
    fn open(mapping: &'static Mapping, offset: usize, size: usize) -> Result<Self> {
        let missing = "the shared memory is too small";
        let word = |at: usize| mapping.get(offset + at).ok_or(missing);
        // One message of eight bytes is one word of a line, as in any ring.
        let stride = if size == 8 { 1 } else { size.next_multiple_of(64) / 8 };
        let words = mapping.slice(offset + MESSAGES, capacity(size) * stride).ok_or(missing)?;
        let capacity = capacity(size) as u64;
        Ok(Self {
            head: word(HEAD)?,
            tail: word(TAIL)?,
            words,
            capacity,
            stride,
            here: 0,
            there: 0,
        })
    }

    fn slot(&self, length: usize) -> &'static [AtomicU64] {
        let start = (self.here % self.capacity) as usize * self.stride;
        &self.words[start..start + length]
    }
}

/// Looks until `is_there`.
fn wait(mut is_there: impl FnMut() -> bool) {
    let mut looks = 0_u32;
    while !is_there() {
        looks = looks.wrapping_add(1);
        if looks.is_multiple_of(LOOKS) { thread::yield_now() } else { spin_loop() }
    }
}

impl Sending for End {
    fn send(&mut self, message: &[u8]) -> Result<()> {
        if self.here - self.there == self.capacity {
            wait(|| {
                self.there = self.head.load(Acquire); // PAIR head: the message there has been read.
                self.here - self.there < self.capacity
            });
        }
        let (words, _nothing) = message.as_chunks();
        for (word, bytes) in self.slot(words.len()).iter().zip(words) {
            word.store(u64::from_ne_bytes(*bytes), Relaxed);
        }
        self.here += 1;
        self.tail.store(self.here, Release); // PAIR tail: the words of the message.
        Ok(())
    }
}

impl Receiving for End {
    fn receive(&mut self, message: &mut Vec<u8>, size: usize) -> Result<()> {
        if self.here == self.there {
            wait(|| {
                self.there = self.tail.load(Acquire); // PAIR tail: with the store in `send`.
                self.here != self.there
            });
        }
        message.resize(size, 0);
        let (chunks, _nothing) = message.as_chunks_mut();
        for (bytes, word) in chunks.iter_mut().zip(self.slot(size / 8)) {
            *bytes = word.load(Relaxed).to_ne_bytes();
        }
        self.here += 1;
        self.head.store(self.here, Release); // PAIR head: with the load in `send`.
        Ok(())
    }
}
