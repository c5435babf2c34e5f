//! The process pool: tasks one by one, as a map, and one at a time; and the notes' passwords.

use crate::Result;
use crate::case::{Case, Effort, Sample, Side};
use crate::machine::Placement;
use crate::peers::passwords::{PASSWORDS, stretch};
use crate::stream::microseconds;
use brigade::ProcessPool;
use brigade::pool::MapPolicy;
use brigade_sys::time::now;
use std::num::NonZero;

const NAME: &str = "ProcessPool";
const WORKERS: usize = 2;

/// How many tasks are one message in a map.
const CHUNK: NonZero<usize> = NonZero::new(1_000).expect("a thousand is not zero");

fn increment(number: u64) -> u64 {
    number + 1
}

/// A pool whose workers have all started.
fn pool(workers: usize) -> Result<ProcessPool> {
    let pool = ProcessPool::new(workers)?;
    check(pool.map(increment, 0..workers as u64), workers as u64)?;
    Ok(pool)
}

/// Fails unless the results are those of `increment` for all numbers below `count`, in order.
fn check<E: std::error::Error + Send + Sync + 'static>(
    results: impl Iterator<Item = std::result::Result<u64, E>>,
    count: u64,
) -> Result<()> {
    let mut expected = 0;
    for result in results {
        expected += 1;
        let found = result?;
        if found != expected {
            return Err(format!("{found} is the result in the place of {expected}").into());
        }
    }
    if expected == count { Ok(()) } else { Err(format!("{expected} of {count} results").into()) }
}

/// What a pool is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Request {
    OneByOne,
    Map,
    RoundTrip,
}

pub(crate) struct Tasks {
    pub(crate) request: Request,
    pub(crate) count: u64,
}

impl Case for Tasks {
    fn name(&self) -> &str {
        NAME
    }

    fn side(&self) -> Side {
        Side::Brigade
    }

    fn measure(&self, _placement: Placement, effort: Effort) -> Result<Sample> {
        let count = effort.repetitions(self.count);
        let pool = pool(WORKERS)?;
        let start = now();
        match self.request {
            Request::OneByOne => {
                let futures = (0..count).map(|number| pool.submit(increment, number));
                let futures = futures.collect::<std::result::Result<Vec<_>, _>>()?;
                check(futures.into_iter().map(|future| future.result()), count)?;
            }
            Request::Map => {
                let policy = MapPolicy { chunk: CHUNK, ..MapPolicy::default() };
                check(pool.map_with(policy, increment, 0..count), count)?;
            }
            Request::RoundTrip => return round_trips(&pool, count),
        }
        Ok(Sample::of(count as f64 / (now() - start).as_secs_f64() / 1e6))
    }
}

fn round_trips(pool: &ProcessPool, count: u64) -> Result<Sample> {
    let mut taken = Vec::new();
    for number in 0..count {
        let start = now();
        let result = pool.submit(increment, number)?.result()?;
        taken.push((now() - start).as_nanos() as u64);
        if result != number + 1 {
            return Err(format!("{result} is the result of {number}").into());
        }
    }
    microseconds(taken)
}

/// The program of the notes: six passwords over three workers.
pub(crate) struct PoolPasswords {
    pub(crate) rounds: u64,
}

impl Case for PoolPasswords {
    fn name(&self) -> &str {
        "ProcessPool, 3 workers"
    }

    fn side(&self) -> Side {
        Side::Brigade
    }

    fn measure(&self, _placement: Placement, effort: Effort) -> Result<Sample> {
        let rounds = effort.repetitions(self.rounds);
        let start = now();
        let pool = ProcessPool::new(3)?;
        let passwords = PASSWORDS.iter().map(|password| ((*password).to_owned(), rounds));
        let digests =
            pool.map(|(password, rounds): (String, u64)| stretch(&password, rounds), passwords);
        let digests = digests.collect::<std::result::Result<Vec<_>, _>>()?;
        let taken = now() - start;
        if digests.first() != Some(&stretch(PASSWORDS[0], rounds)) {
            return Err("a wrong digest".into());
        }
        Ok(Sample::of(taken.as_secs_f64()))
    }
}
