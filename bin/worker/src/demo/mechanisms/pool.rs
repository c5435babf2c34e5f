//! The process pool: it has workers of its own, and takes functions instead of messages.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use brigade::{Pending, ProcessPool};

use super::super::Outcome;
use super::super::run::Carried;
use super::super::tally::Tally;
use super::super::text::Corpus;

/// How many records a worker has waiting at most, as in the other mechanisms.
const WINDOW: usize = 4;

/// Has a pool count the words of all records.
pub(crate) fn carry(
    workers: usize,
    corpus: &Corpus,
    progress: &dyn Fn(usize),
) -> Outcome<(Carried, Duration)> {
    let pool = ProcessPool::new(workers)?;
    // The other mechanisms' workers are there before the clock runs.
    pool.map(|()| (), vec![(); workers]).collect::<Result<Vec<_>, _>>()?;
    let began = Instant::now();
    let mut carried = Carried::default();
    let mut pending = VecDeque::new();
    for record in &corpus.records {
        if pending.len() == WINDOW * workers {
            collect(&mut pending, &mut carried)?;
            progress(carried.latencies.len());
        }
        let sent = Instant::now();
        carried.bytes += record.len();
        let submitted = pool.submit(|text: String| Tally::of(&text), record.clone());
        pending.push_back((submitted.map_err(|error| error.to_string())?, sent));
    }
    while !pending.is_empty() {
        collect(&mut pending, &mut carried)?;
        progress(carried.latencies.len());
    }
    let elapsed = began.elapsed();
    pool.shutdown(Pending::Finish);
    Ok((carried, elapsed))
}

/// Takes the oldest result.
fn collect(
    pending: &mut VecDeque<(brigade::Future<Tally>, Instant)>,
    carried: &mut Carried,
) -> Outcome<()> {
    let Some((future, sent)) = pending.pop_front() else { return Ok(()) };
    let tally = future.result()?;
    let bytes = tally.to_bytes()?.len();
    carried.reply(tally, bytes, sent.elapsed());
    Ok(())
}
