//! Queue and pipe, from one to one, and the queue between many.

use crate::Result;
use crate::case::Side;
use crate::companion::{Companion, Job, Joint};
use crate::exchange::{Exchange, Message};
use crate::ours::payload::Payload;
use crate::ours::worker::{self, Worker, exit_code};
use crate::stream::{Connected, Plan, Receiving, Sending, Transport, capacity};
use brigade::{Connection, Queue, pipe};
use std::marker::PhantomData;
use std::process::ExitCode;
use std::sync::Arc;

/// The bytes in the ring of a queue of long messages.
const LONG_RING: usize = 1 << 24;

/// A queue for each direction.
pub(crate) struct Queues<P>(pub(crate) PhantomData<P>);

impl<P: Payload> Transport for Queues<P> {
    type Sender = Queue<P>;
    type Receiver = Queue<P>;

    fn name(&self) -> &'static str {
        P::QUEUE
    }

    fn side(&self) -> Side {
        Side::Brigade
    }

    fn start(&self, plan: Plan) -> Result<Connected<Queue<P>, Queue<P>>> {
        let queue = || match capacity(plan.size) {
            1_000 => Queue::bounded(1_000),
            few => Queue::with_ring(few, LONG_RING),
        };
        let (there, back) = (queue()?, queue()?);
        let argument = (plan, back.clone(), there.clone());
        let partner = Worker::start(queue_partner::<P>, argument)?;
        Ok(Connected { sender: there, receiver: back, partner: Box::new(partner) })
    }
}

fn queue_partner<P: Payload>((plan, mut out, mut into): (Plan, Queue<P>, Queue<P>)) -> ExitCode {
    exit_code(plan.carry_out(&mut out, &mut into))
}

impl<P: Payload> Sending for Queue<P> {
    fn send(&mut self, message: &[u8]) -> Result<()> {
        self.put(P::of(message)?).map_err(|error| error.to_string().into())
    }
}

impl<P: Payload> Receiving for Queue<P> {
    fn receive(&mut self, message: &mut Vec<u8>, _size: usize) -> Result<()> {
        self.get()?.write_to(message);
        Ok(())
    }
}

/// A pipe, which has both directions.
pub(crate) struct Pipes<P>(pub(crate) PhantomData<P>);

impl<P: Payload> Transport for Pipes<P> {
    type Sender = Connection<P>;
    type Receiver = Connection<P>;

    fn name(&self) -> &'static str {
        P::PIPE
    }

    fn side(&self) -> Side {
        Side::Brigade
    }

    fn start(&self, plan: Plan) -> Result<Connected<Connection<P>, Connection<P>>> {
        let (here, there) = pipe()?;
        let partner = Worker::start(pipe_partner::<P>, (plan, there))?;
        Ok(Connected { sender: here.clone(), receiver: here, partner: Box::new(partner) })
    }
}

fn pipe_partner<P: Payload>((plan, there): (Plan, Connection<P>)) -> ExitCode {
    exit_code(plan.carry_out(&mut there.clone(), &mut there.clone()))
}

impl<P: Payload> Sending for Connection<P> {
    fn send(&mut self, message: &[u8]) -> Result<()> {
        Connection::send(self, P::of(message)?).map_err(|error| error.to_string().into())
    }
}

impl<P: Payload> Receiving for Connection<P> {
    fn receive(&mut self, message: &mut Vec<u8>, _size: usize) -> Result<()> {
        self.recv()?.write_to(message);
        Ok(())
    }
}

impl Joint for Queue<Message> {
    fn invite<J: Job<Self>>(self: &Arc<Self>, job: J) -> Result<Box<dyn Companion>> {
        worker::invite(&**self, job)
    }
}

impl Exchange for Queue<Message> {
    fn put(&self, message: Message) -> Result<()> {
        Ok(Queue::put(self, message)?)
    }

    fn get(&self) -> Result<Message> {
        Ok(Queue::get(self)?)
    }
}
