//! pipe(2): two of them, one for each direction; and one that many write to and read from.

use crate::Result;
use crate::companion::{self, Companion, Job, Joint};
use crate::exchange::{Exchange, Message, Seat};
use crate::partner::{Partner, standard_input, standard_output};
use crate::stream::{Connected, Plan, Receiving, Sending, Transport};
use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::AsRawFd;
use std::sync::Arc;

pub(crate) const KIND: &str = "pipe";
pub(crate) const BOTH: &str = "pipe-of-many";

pub(crate) struct Pipe;

impl Transport for Pipe {
    type Sender = PipeWriter;
    type Receiver = PipeReader;

    fn name(&self) -> &'static str {
        "pipe(2)"
    }

    fn start(&self, plan: Plan) -> Result<Connected<PipeWriter, PipeReader>> {
        let (partners_receiver, sender) = pipe()?;
        let (receiver, partners_sender) = pipe()?;
        let ends = (Some(partners_receiver.into()), Some(partners_sender.into()));
        let partner = Box::new(Partner::start(KIND, "", &plan, ends.0, ends.1)?);
        Ok(Connected { sender, receiver, partner })
    }
}

pub(crate) fn take_part(plan: Plan) -> Result<()> {
    plan.carry_out(&mut standard_output()?, &mut standard_input()?)
}

impl Sending for PipeWriter {
    fn send(&mut self, message: &[u8]) -> Result<()> {
        Ok(self.write_all(message)?)
    }
}

impl Receiving for PipeReader {
    fn receive(&mut self, message: &mut Vec<u8>, size: usize) -> Result<()> {
        message.resize(size, 0);
        Ok(self.read_exact(message)?)
    }
}

impl Sending for File {
    fn send(&mut self, message: &[u8]) -> Result<()> {
        Ok(self.write_all(message)?)
    }
}

impl Receiving for File {
    fn receive(&mut self, message: &mut Vec<u8>, size: usize) -> Result<()> {
        message.resize(size, 0);
        Ok(self.read_exact(message)?)
    }
}

/// A pipe of which everybody has both ends. What is at most `PIPE_BUF` bytes long is written and
/// read as a whole.
#[derive(Debug)]
pub(crate) struct Both(File);

impl Both {
    pub(crate) fn create() -> Result<Self> {
        let (reader, _writer) = pipe()?;
        let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
        Ok(Self(File::options().read(true).write(true).open(path)?))
    }
}

pub(crate) fn take_part_in_both(job: &str) -> Result<()> {
    companion::take_part::<_, Seat>(&Both(standard_input()?), job)
}

impl Joint for Both {
    fn invite<J: Job<Self>>(self: &Arc<Self>, job: J) -> Result<Box<dyn Companion>> {
        companion::partner(BOTH, "", job, Some(self.0.try_clone()?.into()))
    }
}

impl Exchange for Both {
    fn put(&self, message: Message) -> Result<()> {
        let mut bytes = [0; size_of::<Message>()];
        for (bytes, word) in bytes.chunks_exact_mut(8).zip(message) {
            bytes.copy_from_slice(&word.to_ne_bytes());
        }
        Ok((&self.0).write_all(&bytes)?)
    }

    fn get(&self) -> Result<Message> {
        let mut bytes = [0; size_of::<Message>()];
        (&self.0).read_exact(&mut bytes)?;
        let (words, _nothing) = bytes.as_chunks();
        let mut message = Message::default();
        message.iter_mut().zip(words).for_each(|(word, bytes)| *word = u64::from_ne_bytes(*bytes));
        Ok(message)
    }
}
