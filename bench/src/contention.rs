//! Operations that two processes repeat on the same word at the same time.

use crate::Result;
use crate::case::{Effort, Sample};
use crate::machine::pin;
use brigade_sys::time::now;
use serde::{Deserialize, Serialize};
use std::hint::{black_box, spin_loop};
use std::time::Duration;

/// The clock is read once in so many operations.
const BETWEEN_LOOKS: u64 = 64;

/// When both processes begin and end, on the clock that they share.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Window {
    pub(crate) start: Duration,
    pub(crate) stop: Duration,
    pub(crate) cpu: usize,
    /// Whether each operation is followed by about 100 ns of other work.
    pub(crate) pause: Pause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Pause {
    None,
    Thinking,
}

impl Window {
    /// A window that opens when a process started now can be ready.
    pub(crate) fn soon(length: Duration, cpu: usize, pause: Pause) -> Self {
        let start = now() + Duration::from_millis(60);
        Self { start, stop: start + length, cpu, pause }
    }

    pub(crate) fn on(self, cpu: usize) -> Self {
        Self { cpu, ..self }
    }

    /// Millions of operations in a second, and the share of the side that had fewer; fails unless
    /// the counter shows every operation of both sides.
    pub(crate) fn sample(self, counter: u64, here: u64, there: u64) -> Result<Sample> {
        let sum = here + there;
        if counter != sum {
            return Err(format!("{counter} counted instead of {sum}").into());
        }
        if sum == 0 {
            return Err("nobody had a turn: is the machine busy?".into());
        }
        let value = sum as f64 / (self.stop - self.start).as_secs_f64() / 1e6;
        Ok(Sample { value, detail: Some(here.min(there) as f64 / sum as f64) })
    }

    /// Repeats `operation` while the window is open and returns how often that was.
    pub(crate) fn repeat(self, mut operation: impl FnMut() -> Result<()>) -> Result<u64> {
        pin(self.cpu)?;
        if now() > self.start {
            return Err("the partner was too late: is the machine busy?".into());
        }
        while now() < self.start {
            spin_loop();
        }
        let mut count = 0;
        while now() < self.stop {
            for _ in 0..BETWEEN_LOOKS {
                operation()?;
                if self.pause == Pause::Thinking {
                    think();
                }
            }
            count += BETWEEN_LOOKS;
        }
        Ok(count)
    }
}

/// How long two processes contend.
pub(crate) fn length(effort: Effort) -> Duration {
    match effort {
        Effort::Quick => Duration::from_millis(5),
        Effort::Full => Duration::from_millis(200),
    }
}

/// Keeps the caller busy for so long.
pub(crate) fn work(duration: Duration) {
    let until = now() + duration;
    while now() < until {
        spin_loop();
    }
}

/// About 100 ns of work that no other process notices: a chain of multiplications.
fn think() {
    let mut value = black_box(3_u64);
    for _ in 0..100 {
        value = value.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
    black_box(value);
}

/// Nanoseconds for one of `count` repetitions by this process alone.
pub(crate) fn alone(count: u64, mut operation: impl FnMut() -> Result<()>) -> Result<f64> {
    let warm_up = count / 10;
    for _ in 0..warm_up {
        operation()?;
    }
    let start = now();
    for _ in 0..count {
        operation()?;
    }
    Ok((now() - start).as_nanos() as f64 / count as f64)
}
