//! Lock: the only one in its tables, with the robust mutex, that outlives its owner.

use crate::Result;
use crate::case::{Case, Effort, Sample, Side};
use crate::contention::{Pause, Window, alone};
use crate::machine::{Placement, pin};
use crate::ours::worker::{Worker, exit_code};
use crate::partner::Ending;
use crate::peers::lock::{ALONE, length};
use brigade::{Lock, OwnerDied, Process, Queue};
use std::process::ExitCode;

const NAME: &str = "Lock";

pub(crate) struct LockAlone;

impl Case for LockAlone {
    fn name(&self) -> &str {
        NAME
    }

    fn side(&self) -> Side {
        Side::Brigade
    }

    fn measure(&self, placement: Placement, effort: Effort) -> Result<Sample> {
        pin(placement.here)?;
        let lock = Lock::new(0_u64)?;
        Ok(Sample::of(alone(effort.repetitions(ALONE), || add(&lock))?))
    }
}

pub(crate) struct LockContended(pub(crate) Pause);

impl Case for LockContended {
    fn name(&self) -> &str {
        NAME
    }

    fn side(&self) -> Side {
        Side::Brigade
    }

    fn measure(&self, placement: Placement, effort: Effort) -> Result<Sample> {
        let lock = Lock::new(0_u64)?;
        let counts = Queue::bounded(1)?;
        let window = Window::soon(length(effort), placement.here, self.0);
        let argument = (window.on(placement.there), lock.clone(), counts.clone());
        let partner = Box::new(Worker::new(Process::start(contend, argument)?));
        let here = window.repeat(|| add(&lock))?;
        partner.finish()?;
        let there = counts.get()?;
        let total = *lock.lock().unwrap_or_else(OwnerDied::recover);
        window.sample(total, here, there)
    }
}

fn contend((window, lock, counts): (Window, Lock<u64>, Queue<u64>)) -> ExitCode {
    let count = || Ok(counts.put(window.repeat(|| add(&lock))?)?);
    exit_code(count())
}

#[inline]
fn add(lock: &Lock<u64>) -> Result<()> {
    *lock.lock().map_err(|_| "the owner of the lock died")? += 1;
    Ok(())
}
