//! How far apart two CPUs are at the moment: the round trip of one cache line between them.
//!
//! A host may move virtual CPUs, and the same two are then near in one minute and far in the next;
//! figures of the two kinds must not be compared. Hence a probe before and after each measurement.

use crate::Result;
use crate::machine::{Placement, pin};
use brigade_sys::time::now;
use serde::Serialize;
use std::hint::spin_loop;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::thread;
use std::time::Duration;

/// A line that takes longer crosses a boundary inside the processor, or between two.
const NEAR: Duration = Duration::from_nanos(250);
/// A line that takes longer was held up by something else: another program, a busy host.
const FAR: Duration = Duration::from_micros(2);

const ROUND_TRIPS: u64 = 4_000;

/// Where the two CPUs were during a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tag {
    OneCore,
    Near,
    Far,
    Mixed,
}

impl Tag {
    /// What two probes, before and after, say about the time between them.
    pub(crate) fn between(before: Duration, after: Duration) -> Self {
        let is_near = |probe: Duration| probe <= NEAR;
        let is_far = |probe: Duration| probe > NEAR && probe <= FAR;
        match (before, after) {
            (before, after) if is_near(before) && is_near(after) => Self::Near,
            (before, after) if is_far(before) && is_far(after) => Self::Far,
            _ => Self::Mixed,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OneCore => "one core",
            Self::Near => "near",
            Self::Far => "far",
            Self::Mixed => "mixed",
        }
    }
}

/// The mean round trip of a cache line between the two CPUs; zero when they are one.
pub(crate) fn round_trip(placement: Placement) -> Result<Duration> {
    if placement.is_one_core() {
        return Ok(Duration::ZERO);
    }
    let line = AtomicU64::new(0);
    thread::scope(|scope| {
        let answering = scope.spawn(|| {
            pin(placement.there)?;
            for turn in 0..ROUND_TRIPS {
                pass(&line, 2 * turn + 1);
            }
            Result::Ok(())
        });
        pin(placement.here)?;
        let mut start = now();
        for turn in 0..ROUND_TRIPS {
            if turn == ROUND_TRIPS / 2 {
                start = now();
            }
            pass(&line, 2 * turn);
        }
        let taken = now() - start;
        answering.join().map_err(|_| "the probe's other thread panicked")??;
        Ok(taken / (ROUND_TRIPS / 2) as u32)
    })
}

/// Waits until the line holds `value` and passes it on, one higher.
fn pass(line: &AtomicU64, value: u64) {
    // PAIR turn: nothing travels but the number itself.
    while line.load(Acquire) != value {
        spin_loop();
    }
    // PAIR turn: with the load above, in the other thread.
    line.store(value + 1, Release);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_is_near_or_far_only_if_it_was_so_at_both_ends() {
        let (near, far) = (Duration::from_nanos(90), Duration::from_nanos(460));
        assert_eq!(Tag::between(near, near), Tag::Near);
        assert_eq!(Tag::between(far, far), Tag::Far);
        assert_eq!(Tag::between(near, far), Tag::Mixed);
        assert_eq!(Tag::between(far, Duration::from_millis(1)), Tag::Mixed);
    }
}
