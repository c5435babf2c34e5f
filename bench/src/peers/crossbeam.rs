//! crossbeam's bounded channel, between threads of one process: a bound.

use crate::Result;
use crate::case::Side;
use crate::partner::Ending;
use crate::stream::{Connected, Plan, Receiving, Sending, Transport, capacity};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::thread::{self, JoinHandle};

pub(crate) struct Crossbeam;

impl Transport for Crossbeam {
    type Sender = Sender<Vec<u8>>;
    type Receiver = Receiver<Vec<u8>>;

    fn name(&self) -> &'static str {
        "crossbeam bounded (threads)"
    }

    fn side(&self) -> Side {
        Side::Bound
    }

    fn start(&self, plan: Plan) -> Result<Connected<Sender<Vec<u8>>, Receiver<Vec<u8>>>> {
        let (sender, mut theirs) = bounded(capacity(plan.size));
        let (mut back, receiver) = bounded(capacity(plan.size));
        let running = thread::spawn(move || plan.carry_out(&mut back, &mut theirs));
        Ok(Connected { sender, receiver, partner: Box::new(Other(running)) })
    }
}

struct Other(JoinHandle<Result<()>>);

impl Ending for Other {
    fn finish(self: Box<Self>) -> Result<()> {
        self.0.join().map_err(|_| "the other thread panicked")?
    }
}

impl Sending for Sender<Vec<u8>> {
    fn send(&mut self, message: &[u8]) -> Result<()> {
        Ok(Sender::send(self, message.to_vec())?)
    }
}

impl Receiving for Receiver<Vec<u8>> {
    fn receive(&mut self, message: &mut Vec<u8>, _size: usize) -> Result<()> {
        *message = self.recv()?;
        Ok(())
    }
}
