//! A unix stream socket, both ways.

use crate::Result;
use crate::partner::{Partner, standard_input};
use crate::stream::{Connected, Plan, Receiving, Sending, Transport};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

pub(crate) const KIND: &str = "socket";

pub(crate) struct Socket;

impl Transport for Socket {
    type Sender = UnixStream;
    type Receiver = UnixStream;

    fn name(&self) -> &'static str {
        "unix stream socket"
    }

    fn start(&self, plan: Plan) -> Result<Connected<UnixStream, UnixStream>> {
        let (sender, partners) = UnixStream::pair()?;
        let partner = Box::new(Partner::start(KIND, "", &plan, Some(partners.into()), None)?);
        Ok(Connected { receiver: sender.try_clone()?, sender, partner })
    }
}

pub(crate) fn take_part(plan: Plan) -> Result<()> {
    plan.carry_out(&mut standard_input()?, &mut standard_input()?)
}

impl Sending for UnixStream {
    fn send(&mut self, message: &[u8]) -> Result<()> {
        Ok(self.write_all(message)?)
    }
}

impl Receiving for UnixStream {
    fn receive(&mut self, message: &mut Vec<u8>, size: usize) -> Result<()> {
        message.resize(size, 0);
        Ok(self.read_exact(message)?)
    }
}
