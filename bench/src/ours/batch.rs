//! The queue, used for many messages at once.

use crate::Result;
use crate::case::Side;
use crate::ours::payload::Payload;
use crate::ours::worker::{Worker, exit_code};
use crate::stream::{Connected, Plan, Receiving, Sending, Transport, capacity};
use brigade::Queue;
use std::marker::PhantomData;
use std::process::ExitCode;
use std::vec;

/// How many messages are put, or asked for, in one call.
const BATCH: usize = 50;

/// Messages there by batches, and the answer at the end by itself.
pub(crate) struct Batches<P> {
    pub(crate) name: &'static str,
    pub(crate) payload: PhantomData<P>,
}

impl<P: Payload> Transport for Batches<P> {
    type Sender = Queue<P>;
    type Receiver = BatchReceiver<P>;

    fn name(&self) -> &'static str {
        self.name
    }

    fn side(&self) -> Side {
        Side::Brigade
    }

    fn start(&self, plan: Plan) -> Result<Connected<Queue<P>, BatchReceiver<P>>> {
        let there = Queue::bounded(capacity(plan.size))?;
        let back = Queue::bounded(capacity(plan.size))?;
        let partner = Worker::start(partner::<P>, (plan, back.clone(), there.clone()))?;
        let receiver = BatchReceiver { queue: back, taken: Vec::new().into_iter() };
        Ok(Connected { sender: there, receiver, partner: Box::new(partner) })
    }
}

fn partner<P: Payload>((plan, out, mut answer): (Plan, Queue<P>, Queue<P>)) -> ExitCode {
    let mut out = BatchSender { queue: out, waiting: Vec::new() };
    exit_code(plan.carry_out(&mut out, &mut answer))
}

struct BatchSender<P> {
    queue: Queue<P>,
    waiting: Vec<P>,
}

impl<P: Payload> Sending for BatchSender<P> {
    fn send(&mut self, message: &[u8]) -> Result<()> {
        self.waiting.push(P::of(message)?);
        if self.waiting.len() == BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let batch = self.waiting.drain(..);
        self.queue.put_all(batch).map_err(|error| error.to_string().into())
    }
}

pub(crate) struct BatchReceiver<P> {
    queue: Queue<P>,
    taken: vec::IntoIter<P>,
}

impl<P: Payload> Receiving for BatchReceiver<P> {
    fn receive(&mut self, message: &mut Vec<u8>, _size: usize) -> Result<()> {
        if self.taken.len() == 0 {
            let taken = self.queue.get_many(BATCH).map_err(|error| error.to_string())?;
            self.taken = taken.into_iter();
        }
        self.taken.next().ok_or("no message was taken")?.write_to(message);
        Ok(())
    }
}
