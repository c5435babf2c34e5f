//! A great number of objects, of which none stays.
//!
//! Objects of all kinds are made, used and dropped; every now and then a process that makes some is
//! killed in the middle. The memory, the descriptors and this process's own memory must be at the
//! end what they were after the first tenth.

use std::fs;
use std::time::{Duration, Instant};

use brigade_codec::Bytes;
use brigade_shm::{Arena, Array, Event, List, Lock, Queue, Semaphore, Value, pipe};
use serde::{Deserialize, Serialize};

use crate::processes::start;
use crate::random::Random;

/// After how many objects a maker is killed.
const BETWEEN_DEATHS: u64 = 1_000;

/// How much this process may have grown: what the allocator and the stack take in passing.
const SLACK: u64 = 2 << 20;

/// What was found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// How many objects were made by those who lived.
    pub objects: u64,
    /// How many makers were killed.
    pub kills: u64,
    /// After the first tenth.
    pub before: Belongings,
    /// At the end.
    pub after: Belongings,
    /// What went wrong.
    pub failures: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// What a process has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Belongings {
    /// The bytes that objects use.
    pub used: u64,
    /// The bytes that the arena has from the system.
    pub size: u64,
    /// The open descriptors.
    pub descriptors: u64,
    /// The mappings.
    pub mappings: u64,
    /// The memory of the process itself.
    pub resident: u64,
}

impl Belongings {
    fn now() -> Self {
        let arena = Arena::program().unwrap();
        arena.bury_the_dead();
        let statement = fs::read_to_string("/proc/self/smaps_rollup").unwrap();
        let anonymous = statement.lines().find_map(|line| line.strip_prefix("Anonymous:"));
        let kilobytes = anonymous.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        Self {
            used: arena.used().unwrap() as u64,
            size: arena.size().unwrap() as u64,
            descriptors: fs::read_dir("/proc/self/fd").unwrap().count() as u64,
            mappings: fs::read_to_string("/proc/self/maps").unwrap().lines().count() as u64,
            resident: kilobytes.unwrap_or(0_u64) << 10,
        }
    }

    /// What is more now than it was `before`.
    fn more_than(&self, before: &Self) -> Option<String> {
        let is_less = self.used <= before.used
            && self.size <= before.size
            && self.descriptors <= before.descriptors
            && self.mappings <= before.mappings
            && self.resident <= before.resident + SLACK;
        (!is_less).then(|| format!("there was {before:?}, and now there is {self:?}"))
    }
}

/// Makes, uses and drops `objects` objects.
pub fn make(objects: u64, seed: u64) -> Outcome {
    let began = Instant::now();
    let mut outcome = Outcome::default();
    let mut random = Random::new(seed);
    for number in 0..objects {
        make_one(number);
        if number % BETWEEN_DEATHS == 0 {
            kill_a_maker(random.within(0..500), number);
            outcome.kills += 1;
        }
        if number == objects / 10 {
            outcome.before = Belongings::now();
        }
    }
    outcome.objects = objects;
    outcome.after = Belongings::now();
    outcome.failures.extend(outcome.after.more_than(&outcome.before));
    outcome.took = began.elapsed();
    outcome
}

/// Starts a process that makes objects without an end, and kills it after some microseconds.
fn kill_a_maker(microseconds: u64, first: u64) {
    let maker = start(|| {
        for number in first.. {
            make_one(number);
        }
    });
    let began = Instant::now();
    while began.elapsed() < Duration::from_micros(microseconds) {
        std::hint::spin_loop();
    }
    maker.kill();
}

/// Makes, uses and drops an object; which one, the number says.
fn make_one(number: u64) {
    match number % 8 {
        0 => *Lock::new(number).unwrap().lock().unwrap() += 1,
        1 => drop(Semaphore::new(1).unwrap().try_acquire().unwrap()),
        2 => Event::new().unwrap().set(),
        3 => Value::new([number; 5]).unwrap().update(|row| row[0] += 1),
        4 => Array::from_slice(&[number; 20]).unwrap().set(3, 0).unwrap(),
        5 => List::new().unwrap().extend(0..number % 100).unwrap(),
        6 => {
            let queue = Queue::with_ring(2, 256).unwrap();
            queue.put(Bytes(vec![7; (number % 600) as usize])).unwrap();
            drop(queue.get().unwrap());
            // This one is dropped with the queue.
            queue.put(Bytes(vec![7; (number % 600) as usize])).unwrap();
        }
        _ => {
            let (one, two) = pipe::<u64>().unwrap();
            one.send(number).unwrap();
            assert_eq!(two.recv().unwrap(), number);
        }
    }
}
