//! Carrying all records over one mechanism, timed and verified.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::line::{Line, STOP, numbered, task};
use super::tally::Tally;
use super::text::Corpus;
use super::{Failure, Outcome};

/// What carrying the job over one mechanism came to.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) mechanism: String,
    pub(crate) processes: usize,
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    pub(crate) elapsed: Duration,
    pub(crate) median: Duration,
    pub(crate) slowest_percent: Duration,
}

impl Measured {
    pub(crate) fn messages_per_second(&self) -> f64 {
        self.messages as f64 / self.elapsed.as_secs_f64()
    }

    pub(crate) fn megabytes(&self) -> f64 {
        self.bytes as f64 / 1e6
    }

    pub(crate) fn megabytes_per_second(&self) -> f64 {
        self.megabytes() / self.elapsed.as_secs_f64()
    }
}

/// What came back: the sum of all replies, and how long each took.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    pub(crate) tally: Tally,
    pub(crate) bytes: usize,
    pub(crate) latencies: Vec<Duration>,
}

impl Carried {
    /// Adds one reply.
    pub(crate) fn reply(&mut self, tally: Tally, bytes: usize, latency: Duration) {
        self.tally.add(tally);
        self.bytes += bytes;
        self.latencies.push(latency);
    }

    fn add(&mut self, other: Self) {
        self.tally.add(other.tally);
        self.bytes += other.bytes;
        self.latencies.extend(other.latencies);
    }

    /// Compares the answer with the expected one, and sums up.
    pub(crate) fn verify(
        mut self,
        mechanism: &str,
        workers: usize,
        expected: &Expected<'_>,
        elapsed: Duration,
    ) -> Outcome<Measured> {
        let records = expected.corpus.records.len();
        if self.latencies.len() != records {
            let got = self.latencies.len();
            return Err(format!("{records} records were sent and {got} came back").into());
        }
        if self.tally != *expected.tally {
            return Err("the word frequencies differ from those of one process".into());
        }
        self.latencies.sort_unstable();
        let at = |part: usize| {
            let index = (records * part / 100).min(records.saturating_sub(1));
            self.latencies.get(index).copied().unwrap_or_default()
        };
        Ok(Measured {
            mechanism: mechanism.to_owned(),
            processes: workers + 1,
            messages: 2 * records,
            bytes: self.bytes,
            elapsed,
            median: at(50),
            slowest_percent: at(99),
        })
    }
}

/// The job, and the answer that one process has found.
#[derive(Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) corpus: &'a Corpus,
    pub(crate) tally: &'a Tally,
}

/// Feeds all records into `lines`, which together lead to `workers` workers, and collects the
/// replies. `progress` hears how many have come back.
///
/// The lines stay the caller's: a mechanism may still be delivering the last messages when the
/// feeder has nothing more to say.
pub(crate) fn feed(
    lines: &mut [Box<dyn Line>],
    workers: usize,
    corpus: &Corpus,
    progress: &(dyn Fn(usize) + Sync),
) -> Outcome<Carried> {
    // A line leads either to one worker or to all of them.
    let width = if lines.len() == 1 { workers } else { 1 };
    let next = AtomicUsize::new(0);
    let done = AtomicUsize::new(0);
    let take = || {
        let number = next.fetch_add(1, Relaxed);
        corpus.records.get(number).map(|text| (number, text.as_str()))
    };
    let count = || progress(done.fetch_add(1, Relaxed) + 1);
    let mut all = Carried::default();
    std::thread::scope(|scope| {
        let feeders: Vec<_> = lines
            .iter_mut()
            .map(|line| scope.spawn(|| feed_line(line.as_mut(), width, &take, &count)))
            .collect();
        for feeder in feeders {
            let carried = feeder.join().map_err(|_| Failure::from("a feeder panicked"))??;
            all.add(carried);
        }
        Ok(all)
    })
}

fn feed_line<'a>(
    line: &mut dyn Line,
    width: usize,
    take: &impl Fn() -> Option<(usize, &'a str)>,
    count: &impl Fn(),
) -> Outcome<Carried> {
    let mut carried = Carried::default();
    let mut sent: HashMap<u32, Instant> = HashMap::new();
    let mut more = true;
    loop {
        while more && sent.len() < line.window() * width {
            let Some((number, text)) = take() else {
                more = false;
                break;
            };
            let number = u32::try_from(number)?;
            let message = task(number, text);
            carried.bytes += message.len();
            sent.insert(number, Instant::now());
            line.send(&message)?;
        }
        if sent.is_empty() {
            break;
        }
        let reply = line.recv()?;
        let (number, tally) = numbered(&reply)?;
        let at = sent.remove(&number).ok_or("a reply that nobody asked for, or a second one")?;
        carried.reply(Tally::from_bytes(tally)?, reply.len(), at.elapsed());
        count();
    }
    for _ in 0..width {
        line.send(STOP)?;
    }
    Ok(carried)
}
