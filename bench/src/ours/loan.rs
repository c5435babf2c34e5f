//! The queue that lends its memory: messages that are made and checked in place.

use crate::case::Side;
use crate::ours::worker::{Worker, exit_code};
use crate::stream::{Connected, Plan, Receiving, Sending, Transport, capacity};
use crate::{Result, message};
use brigade::LoanQueue;
use std::process::ExitCode;

/// A queue for each direction.
pub(crate) struct Loans;

impl Transport for Loans {
    type Sender = LoanQueue<u64>;
    type Receiver = LoanQueue<u64>;

    fn name(&self) -> &'static str {
        "LoanQueue<u64>, in place"
    }

    fn side(&self) -> Side {
        Side::Brigade
    }

    fn start(&self, plan: Plan) -> Result<Connected<LoanQueue<u64>, LoanQueue<u64>>> {
        let queue = || LoanQueue::new(capacity(plan.size), plan.size / size_of::<u64>());
        let (there, back) = (queue()?, queue()?);
        let partner = Worker::start(partner, (plan, back.clone(), there.clone()))?;
        Ok(Connected { sender: there, receiver: back, partner: Box::new(partner) })
    }
}

fn partner((plan, mut out, mut into): (Plan, LoanQueue<u64>, LoanQueue<u64>)) -> ExitCode {
    exit_code(plan.carry_out(&mut out, &mut into))
}

impl Sending for LoanQueue<u64> {
    fn send(&mut self, message: &[u8]) -> Result<()> {
        let mut loan = self.loan()?;
        for (word, bytes) in loan.iter_mut().zip(message.chunks_exact(size_of::<u64>())) {
            *word = u64::from_ne_bytes(bytes.try_into()?);
        }
        loan.send(message.len() / size_of::<u64>()).map_err(|error| error.to_string().into())
    }

    fn produce(&mut self, _scratch: &mut Vec<u8>, size: usize, number: u64) -> Result<()> {
        let length = size / size_of::<u64>();
        let mut loan = self.loan()?;
        for (index, word) in loan[..length].iter_mut().enumerate() {
            *word = message::word(number, index);
        }
        loan.send(length).map_err(|error| error.to_string().into())
    }
}

impl Receiving for LoanQueue<u64> {
    fn receive(&mut self, message: &mut Vec<u8>, _size: usize) -> Result<()> {
        message.clear();
        message.extend(self.get()?.iter().flat_map(|word| word.to_ne_bytes()));
        Ok(())
    }

    fn check(&mut self, _scratch: &mut Vec<u8>, size: usize, number: u64) -> Result<()> {
        message::check_words(&self.get()?, size, number)
    }
}
