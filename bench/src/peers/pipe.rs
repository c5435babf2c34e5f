//! pipe(2): two of them, one for each direction.

use crate::Result;
use crate::partner::{Partner, standard_input, standard_output};
use crate::stream::{Connected, Plan, Receiving, Sending, Transport};
use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};

pub(crate) const KIND: &str = "pipe";

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
