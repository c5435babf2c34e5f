//! Two producers and two consumers of one queue.

use crate::Result;
use crate::case::{Case, Effort, Sample, Side};
use crate::companion::{Job, Joint, Report};
use crate::machine::{Placement, pin};
use brigade_sys::time::now;
use serde::{Deserialize, Serialize};
use std::hint::spin_loop;
use std::sync::Arc;
use std::time::Duration;

/// Who sent it, its number, and words that follow from both.
pub(crate) type Message = [u64; 8];

/// A queue that any number of processes, or threads, use at once.
pub(crate) trait Exchange: Joint {
    fn put(&self, message: Message) -> Result<()>;
    fn get(&self) -> Result<Message>;
}

/// An exchange by its name.
pub(crate) struct TwoByTwo<T> {
    pub(crate) name: &'static str,
    pub(crate) side: Side,
    pub(crate) create: fn() -> Result<T>,
    /// How many messages each producer sends.
    pub(crate) count: u64,
}

/// The number of the message after a producer's last. One consumer gets it, and ends.
const END: u64 = u64::MAX;

const PRODUCERS: u64 = 2;

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Seat {
    Producer { cpu: usize, producer: u64, start: Duration, count: u64 },
    Consumer { cpu: usize },
}

/// What a consumer has seen.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    count: u64,
    sum: u64,
    end: Duration,
}

impl<T: Exchange> Case for TwoByTwo<T> {
    fn name(&self) -> &str {
        self.name
    }

    fn side(&self) -> Side {
        self.side
    }

    fn measure(&self, cpus: Placement, effort: Effort) -> Result<Sample> {
        let count = effort.repetitions(self.count);
        let queue = Arc::new((self.create)()?);
        let start = now() + Duration::from_millis(100);
        let mut companions = vec![queue.invite(Seat::Consumer { cpu: cpus.there })?];
        for (producer, cpu) in (0..PRODUCERS).zip([cpus.here, cpus.there]) {
            companions.push(queue.invite(Seat::Producer { cpu, producer, start, count })?);
        }
        pin(cpus.here)?;
        let here = consume(&*queue)?;
        let other = &mut companions[0];
        let there = Share {
            count: other.hear()?,
            sum: other.hear()?,
            end: Duration::from_nanos(other.hear()?),
        };
        for producer in &mut companions[1..] {
            if producer.hear()? != 0 {
                return Err("a producer was too late: is the machine busy?".into());
            }
        }
        companions.into_iter().try_for_each(|companion| companion.finish())?;
        result(start, count, here, there)
    }
}

fn result(start: Duration, count: u64, here: Share, there: Share) -> Result<Sample> {
    let (total, sum) = (here.count + there.count, here.sum + there.sum);
    if (total, sum) != (PRODUCERS * count, PRODUCERS * (count * (count - 1) / 2)) {
        return Err(format!("{total} messages instead of {}", PRODUCERS * count).into());
    }
    let taken = here.end.max(there.end).checked_sub(start).ok_or("it ended before it began")?;
    let value = total as f64 / taken.as_secs_f64() / 1e6;
    Ok(Sample { value, detail: Some(here.count.min(there.count) as f64 / total as f64) })
}

impl<T: Exchange> Job<T> for Seat {
    fn carry_out(self, object: &T, report: Report<'_>) -> Result<()> {
        match self {
            Self::Producer { cpu, producer, start, count } => {
                pin(cpu)?;
                let is_late = now() > start;
                while now() < start {
                    spin_loop();
                }
                let mut numbers = (0..count).chain([END]);
                numbers.try_for_each(|number| object.put(message(producer, number)))?;
                report(u64::from(is_late))
            }
            Self::Consumer { cpu } => {
                pin(cpu)?;
                let share = consume(object)?;
                [share.count, share.sum, share.end.as_nanos() as u64]
                    .into_iter()
                    .try_for_each(report)
            }
        }
    }
}

fn consume<T: Exchange>(object: &T) -> Result<Share> {
    let mut share = Share::default();
    // What one consumer gets of one producer comes in its order.
    let mut next = [0; PRODUCERS as usize];
    loop {
        let received = object.get()?;
        let [producer, number, ..] = received;
        let next = next.get_mut(producer as usize).ok_or("a message of nobody")?;
        if received != message(producer, number) || number < *next {
            return Err(format!("message {number} of producer {producer} is wrong").into());
        }
        if number == END {
            share.end = now();
            return Ok(share);
        }
        *next = number + 1;
        share.count += 1;
        share.sum += number;
    }
}

fn message(producer: u64, number: u64) -> Message {
    let mut words = [producer ^ number; 8];
    words[..2].copy_from_slice(&[producer, number]);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_missing_or_came_twice_is_noticed() {
        let (start, end) = (Duration::ZERO, Duration::from_secs(1));
        let share = |count, sum| Share { count, sum, end };
        assert!(result(start, 3, share(4, 5), share(2, 1)).is_ok());
        assert!(result(start, 3, share(3, 5), share(2, 1)).is_err(), "one is missing");
        assert!(result(start, 3, share(4, 6), share(2, 1)).is_err(), "one for another");
    }
}
