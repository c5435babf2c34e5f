//! Messages between two processes: one way, and there and back.

use crate::case::{Case, Effort, Sample, Side, Unit};
use crate::contention::work;
use crate::machine::{Placement, pin};
use crate::partner::Ending;
use crate::statistics::percentile;
use crate::{Result, message};
use brigade_sys::time::now;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The share of messages that are sent before the clock starts: one in ten.
const WARM_UP: u64 = 10;

/// How many messages of a size a queue holds: as many as ZeroMQ's high-water mark, but no more
/// than a few megabytes of them.
pub(crate) fn capacity(size: usize) -> usize {
    match size {
        0..=1_024 => 1_000,
        1_025..=65_536 => 64,
        _ => 16,
    }
}

/// In what messages of a size are counted.
pub(crate) fn unit(size: usize) -> Unit {
    if size <= 1_024 { Unit::MillionPerSecond } else { Unit::Gigabytes }
}

pub(crate) trait Sending {
    /// Sends one message.
    fn send(&mut self, message: &[u8]) -> Result<()>;

    /// Sends what waits for a batch to be full.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    /// Sends message `number`: fills `scratch` and sends that, unless it can be filled in place.
    fn produce(&mut self, scratch: &mut Vec<u8>, size: usize, number: u64) -> Result<()> {
        scratch.resize(size, 0);
        message::fill(scratch, number);
        self.send(scratch)
    }
}

pub(crate) trait Receiving {
    /// Receives one message of `size` bytes into `message`, whose old content does not matter.
    fn receive(&mut self, message: &mut Vec<u8>, size: usize) -> Result<()>;

    /// Receives message `number` and checks it: in `scratch`, unless it can be read in place.
    fn check(&mut self, scratch: &mut Vec<u8>, size: usize, number: u64) -> Result<()> {
        self.receive(scratch, size)?;
        message::check(scratch, size, number)
    }
}

/// A mechanism that carries messages both ways between this process and a new one.
pub(crate) trait Transport {
    type Sender: Sending;
    type Receiver: Receiving;

    fn name(&self) -> &'static str;

    fn side(&self) -> Side {
        Side::Peer
    }

    /// Opens both directions and starts the partner, which does what the plan says.
    fn start(&self, plan: Plan) -> Result<Connected<Self::Sender, Self::Receiver>>;
}

pub(crate) struct Connected<S, R> {
    pub(crate) sender: S,
    pub(crate) receiver: R,
    pub(crate) partner: Box<dyn Ending>,
}

/// What the partner does.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) job: Job,
    pub(crate) cpus: Placement,
    pub(crate) size: usize,
    pub(crate) count: u64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Job {
    /// Sends every message.
    Produce,
    /// Sends every message back.
    Echo,
}

impl Plan {
    /// The partner's side.
    pub(crate) fn carry_out(
        self,
        sender: &mut impl Sending,
        receiver: &mut impl Receiving,
    ) -> Result<()> {
        pin(self.cpus.there)?;
        let mut bytes = vec![0; self.size];
        for number in 0..self.count {
            match self.job {
                Job::Produce => sender.produce(&mut bytes, self.size, number)?,
                Job::Echo => {
                    receiver.receive(&mut bytes, self.size)?;
                    sender.send(&bytes)?;
                }
            }
        }
        sender.flush()?;
        match self.job {
            // Everything has arrived when the answer comes. ZeroMQ loses what is under way to a
            // receiver whose queue is full when the sender disconnects.
            Job::Produce => receiver.receive(&mut bytes, self.size),
            Job::Echo => Ok(()),
        }
    }
}

/// The partner sends, this process receives: millions of messages in a second, or gigabytes.
pub(crate) struct OneWay<T> {
    pub(crate) transport: T,
    pub(crate) size: usize,
    pub(crate) count: u64,
}

impl<T: Transport> Case for OneWay<T> {
    fn name(&self) -> &str {
        self.transport.name()
    }

    fn side(&self) -> Side {
        self.transport.side()
    }

    fn measure(&self, placement: Placement, effort: Effort) -> Result<Sample> {
        let count = effort.repetitions(self.count);
        let plan = Plan { job: Job::Produce, cpus: placement, size: self.size, count };
        let mut connected = self.transport.start(plan)?;
        pin(placement.here)?;
        let mut bytes = Vec::with_capacity(self.size);
        let warm_up = count / WARM_UP;
        let mut start = now();
        for number in 0..count {
            if number == warm_up {
                start = now();
            }
            let received = connected.receiver.check(&mut bytes, self.size, number);
            received.map_err(|error| format!("message {number} of {count}: {error}"))?;
        }
        let taken = now() - start;
        connected.sender.produce(&mut bytes, self.size, count)?;
        connected.partner.finish()?;
        let rate = (count - warm_up) as f64 / taken.as_secs_f64();
        Ok(Sample::of(match unit(self.size) {
            Unit::Gigabytes => rate * self.size as f64 / 1e9,
            _ => rate / 1e6,
        }))
    }
}

/// There and back, one message at a time: microseconds.
pub(crate) struct RoundTrip<T> {
    pub(crate) transport: T,
    pub(crate) size: usize,
    pub(crate) count: u64,
    /// How long nothing is sent before each message, so that the other process falls asleep.
    pub(crate) silence: Duration,
}

impl<T: Transport> Case for RoundTrip<T> {
    fn name(&self) -> &str {
        self.transport.name()
    }

    fn side(&self) -> Side {
        self.transport.side()
    }

    fn measure(&self, placement: Placement, effort: Effort) -> Result<Sample> {
        let count = effort.repetitions(self.count);
        let plan = Plan { job: Job::Echo, cpus: placement, size: self.size, count };
        let mut connected = self.transport.start(plan)?;
        pin(placement.here)?;
        let mut sent = vec![0; self.size];
        let mut received = Vec::with_capacity(self.size);
        let mut taken = Vec::new();
        for number in 0..count {
            message::fill(&mut sent, number);
            // Not asleep, so that only the partner falls asleep.
            work(self.silence);
            let start = now();
            connected.sender.send(&sent)?;
            connected.receiver.receive(&mut received, self.size)?;
            taken.push((now() - start).as_nanos() as u64);
            message::check(&received, self.size, number)?;
        }
        connected.partner.finish()?;
        microseconds(taken)
    }
}

/// The median of round trips in nanoseconds, and their 99th percentile, without the warm-up.
pub(crate) fn microseconds(mut nanoseconds: Vec<u64>) -> Result<Sample> {
    let warm_up = nanoseconds.len() / WARM_UP as usize;
    let measured = &mut nanoseconds[warm_up..];
    measured.sort_unstable();
    let at = |share| percentile(measured, share).map(|value| value as f64 / 1e3);
    let value = at(0.5).ok_or("no round trip was measured")?;
    Ok(Sample { value, detail: at(0.99) })
}
