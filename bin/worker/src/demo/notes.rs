//! The programs of the notes: six passwords over a pool, and a counter that tasks share.

use std::time::{Duration, Instant};

use brigade::manager::{CallError, Lock, Manager, Value};
use brigade::{Pending, ProcessPool};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha512};

use super::Outcome;
use super::duration::duration;
use super::pause::pause;

/// The passwords of the notes.
const PASSWORDS: [&str; 6] = ["pass", "passwd", "MyPassw", "MyPasswd123", "p", "a"];

/// How many worker processes the notes use.
const WORKERS: usize = 3;

/// Hashing the six passwords in one process and over a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passwords {
    pub(crate) rounds: usize,
    pub(crate) alone: Duration,
    pub(crate) pool: Duration,
}

impl Passwords {
    /// Hashes each so many times, both ways, and compares the answers.
    pub(crate) fn run(rounds: usize) -> Outcome<Self> {
        let began = Instant::now();
        let expected: Vec<_> =
            PASSWORDS.iter().map(|word| hash(((*word).to_owned(), rounds))).collect();
        let alone = began.elapsed();
        let began = Instant::now();
        let pool = ProcessPool::builder().max_workers(WORKERS).build()?;
        let results = pool
            .map(hash, PASSWORDS.map(|word| (word.to_owned(), rounds)))
            .collect::<Result<Vec<_>, _>>()?;
        pool.shutdown(Pending::Finish);
        let elapsed = began.elapsed();
        if results != expected {
            return Err("the pool's hashes differ from those of one process".into());
        }
        Ok(Self { rounds, alone, pool: elapsed })
    }

    /// The result as JSON.
    pub(crate) fn json(&self) -> Json {
        json!({
            "one_process_seconds": self.alone.as_secs_f64(),
            "pool_seconds": self.pool.as_secs_f64(),
            "rounds": self.rounds,
            "workers": WORKERS,
        })
    }

    /// The result as a line of text.
    pub(crate) fn text(&self) -> String {
        format!(
            "six passwords, {} rounds of sha512 each: {} in one process, {} over {WORKERS} workers, \
             equal",
            self.rounds,
            duration(self.alone),
            duration(self.pool),
        )
    }
}

/// Hashes the hexadecimal digest of the digest, and so on.
fn hash((password, rounds): (String, usize)) -> String {
    let mut text = password.into_bytes();
    for _ in 0..rounds {
        let digest = Sha512::digest(&text);
        text.clear();
        for byte in digest {
            text.extend([hex(byte >> 4), hex(byte & 15)]);
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn hex(half: u8) -> u8 {
    b"0123456789abcdef"[usize::from(half & 15)]
}

/// How many tasks add to the counter, on as many workers, and in how many steps of one.
const TASKS: usize = 10;
const STEPS: usize = 10;

/// How long a task thinks between reading the counter and writing it.
const THINKING: Duration = Duration::from_millis(1);

/// The shared counter, with the lock and without.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    pub(crate) with_lock: i64,
    pub(crate) without_lock: i64,
}

impl Counted {
    /// Adds ten times ten to a manager's value: under a manager's lock, and without it.
    pub(crate) fn run() -> Outcome<Self> {
        let manager = Manager::start()?;
        let pool = ProcessPool::new(TASKS)?;
        let (counter, lock) = (manager.value(&0_i64)?, manager.lock()?);
        let tasks = vec![(counter.clone(), lock); TASKS];
        pool.map(add_with_lock, tasks).collect::<Result<Result<Vec<()>, String>, _>>()??;
        let with_lock = counter.get()?;
        counter.set(&0)?;
        pool.map(add_without_lock, vec![counter.clone(); TASKS])
            .collect::<Result<Result<Vec<()>, String>, _>>()??;
        let without_lock = counter.get()?;
        pool.shutdown(Pending::Finish);
        let expected = i64::try_from(TASKS * STEPS)?;
        if with_lock != expected {
            return Err(format!("{with_lock} instead of {expected} with the lock").into());
        }
        Ok(Self { with_lock, without_lock })
    }

    /// The result as JSON.
    pub(crate) fn json(&self) -> Json {
        json!({ "with_lock": self.with_lock, "without_lock": self.without_lock })
    }

    /// The result as a line of text.
    pub(crate) fn text(&self) -> String {
        format!(
            "a manager's value, {TASKS} tasks of +{STEPS}: {} with the manager's lock, {} without",
            self.with_lock, self.without_lock
        )
    }
}

fn add_with_lock((counter, lock): (Value<i64>, Lock)) -> Result<(), String> {
    for _ in 0..STEPS {
        let _guard = lock.lock().map_err(|error| error.to_string())?;
        add_one(&counter).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn add_without_lock(counter: Value<i64>) -> Result<(), String> {
    (0..STEPS).try_for_each(|_| add_one(&counter)).map_err(|error| error.to_string())
}

/// Reads, thinks, writes: what `counter.value += 1` does in Python, slowly.
fn add_one(counter: &Value<i64>) -> Result<(), CallError> {
    let number = counter.get()?;
    pause(THINKING);
    counter.set(&(number + 1))
}
