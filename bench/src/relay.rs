//! Handing on: one side lets the other go on and waits until it is let go on itself.

use crate::Result;
use crate::case::{Case, Effort, Sample, Side};
use crate::companion::{Job, Joint, Report};
use crate::contention::work;
use crate::machine::{Placement, pin};
use crate::stream::microseconds;
use brigade_sys::time::now;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// What two sides use in rounds: each calls its own function once in each.
pub(crate) trait Relay: Joint {
    /// Lets the other side go on, and waits for it.
    fn hand_over(&self, round: u64) -> Result<()>;

    /// Waits for the other side, and lets it go on.
    fn hand_back(&self, round: u64) -> Result<()>;
}

/// What is to be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Microseconds for a round; each begins after this silence.
    Latency { count: u64, silence: Duration },
    /// Million rounds in a second.
    Rate { count: u64 },
}

/// A mechanism by its name.
pub(crate) struct Mechanism<T> {
    pub(crate) name: &'static str,
    pub(crate) side: Side,
    pub(crate) create: fn() -> Result<T>,
    pub(crate) question: Question,
}

/// The other side: hands back that often.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct HandBack {
    cpu: usize,
    count: u64,
}

impl<T: Relay> Job<T> for HandBack {
    fn carry_out(self, object: &T, _report: Report<'_>) -> Result<()> {
        pin(self.cpu)?;
        (0..self.count).try_for_each(|round| object.hand_back(round))
    }
}

impl<T: Relay> Case for Mechanism<T> {
    fn name(&self) -> &str {
        self.name
    }

    fn side(&self) -> Side {
        self.side
    }

    fn measure(&self, cpus: Placement, effort: Effort) -> Result<Sample> {
        let (Question::Latency { count, .. } | Question::Rate { count }) = self.question;
        let count = effort.repetitions(count);
        let object = Arc::new((self.create)()?);
        let companion = object.invite(HandBack { cpu: cpus.there, count })?;
        pin(cpus.here)?;
        let sample = match self.question {
            Question::Latency { silence, .. } => latency(&*object, count, silence)?,
            Question::Rate { .. } => rate(&*object, count)?,
        };
        companion.finish()?;
        Ok(sample)
    }
}

fn latency<T: Relay>(object: &T, count: u64, silence: Duration) -> Result<Sample> {
    let mut taken = Vec::new();
    for round in 0..count {
        // Not asleep, so that only the other side falls asleep.
        work(silence);
        let start = now();
        object.hand_over(round)?;
        taken.push((now() - start).as_nanos() as u64);
    }
    microseconds(taken)
}

fn rate<T: Relay>(object: &T, count: u64) -> Result<Sample> {
    let warm_up = count / 10;
    (0..warm_up).try_for_each(|round| object.hand_over(round))?;
    let start = now();
    (warm_up..count).try_for_each(|round| object.hand_over(round))?;
    Ok(Sample::of((count - warm_up) as f64 / (now() - start).as_secs_f64() / 1e6))
}
