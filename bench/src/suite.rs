//! All groups and cases, in the order of the tables.

use crate::case::{Case, Group, Unit};
use crate::contention::Pause;
use crate::options::Options;
use crate::ours::channel::{Pipes, Queues};
use crate::ours::counter::{Addition, Counter};
use crate::ours::lock::{LockAlone, LockContended};
use crate::ours::payload::Payload;
use crate::ours::pool::{PoolPasswords, Request, Tasks};
use crate::peers::ipc_channel::{Bytes, Typed};
use crate::peers::lock::{PthreadAlone, PthreadContended, StdAlone, StdContended, Word};
use crate::peers::passwords::Passwords;
use crate::peers::pipe::Pipe;
use crate::peers::python::{self, Python};
use crate::peers::socket::Socket;
use crate::peers::zmq::PushPull;
use crate::pthread::Robustness;
use crate::stream::{OneWay, RoundTrip, Transport};
use std::marker::PhantomData;
use std::time::Duration;

/// Long enough for a process that waits to have fallen asleep.
const SILENCE: Duration = Duration::from_micros(200);
const SILENCE_NANOSECONDS: u64 = SILENCE.as_nanos() as u64;

/// How long two processes of Python contend, in milliseconds.
const CONTENTION: u64 = 300;

/// The groups that are asked for, without those that are empty then.
pub(crate) fn groups(options: &Options) -> Vec<Group> {
    let has_python = python::version().is_some();
    let mut groups = vec![
        one_way("one way, 8 B", 8),
        one_way("one way, 64 B", 64),
        one_way("one way, 1024 B", 1024),
        round_trip(),
        round_trip_asleep(),
        lock_alone(),
        lock_contended(),
        lock_contended_thinking(),
        counter(),
        pool_submit(),
        pool_map(),
        pool_round_trip(),
        passwords(),
    ];
    for group in &mut groups {
        let name = group.name;
        group.cases.retain(|case| {
            options.wants(name, case.name()) && (has_python || !case.name().starts_with("Python"))
        });
    }
    groups.retain(|group| !group.cases.is_empty());
    groups
}

fn one_way(name: &'static str, size: usize) -> Group {
    let arguments: &'static [u64] = match size {
        8 => &[8],
        64 => &[64],
        _ => &[1024],
    };
    let python = |name, function, count| python(name, function, arguments, count);
    let mut cases = one_way_ours(size);
    cases.extend([
        stream(Pipe, size, 600_000),
        stream(Socket, size, 300_000),
        stream(PushPull, size, 600_000),
        stream(Bytes, size, 200_000),
        stream(Typed, size, 200_000),
        python("Python Pipe, bytes", "one_way_pipe_bytes", 60_000),
        python("Python Pipe, objects", "one_way_pipe_objects", 40_000),
        python("Python Queue", "one_way_queue", 30_000),
    ]);
    Group {
        name,
        work: "One process sends numbered messages, one per call; another receives and checks each.",
        unit: Unit::MillionPerSecond,
        detail: None,
        cases,
    }
}

fn one_way_ours(size: usize) -> Vec<Box<dyn Case>> {
    fn both<P: Payload>(size: usize, count: u64) -> Vec<Box<dyn Case>> {
        vec![
            stream(Queues::<P>(PhantomData), size, count),
            stream(Pipes::<P>(PhantomData), size, count),
        ]
    }
    match size {
        8 => both::<u64>(size, 2_000_000),
        64 => both::<[u64; 8]>(size, 2_000_000),
        _ => {
            let mut cases = both::<brigade::codec::Bytes>(size, 600_000);
            cases.push(stream(Queues::<Vec<u8>>(PhantomData), size, 300_000));
            cases
        }
    }
}

fn stream(transport: impl Transport + 'static, size: usize, count: u64) -> Box<dyn Case> {
    Box::new(OneWay { transport, size, count })
}

fn round_trip() -> Group {
    Group {
        name: "round trip, 64 B",
        work: "One message goes there and back, the next follows at once; p50.",
        unit: Unit::Microseconds,
        detail: Some("p99"),
        cases: vec![
            echo(Queues::<[u64; 8]>(PhantomData), 100_000, Duration::ZERO),
            echo(Pipes::<[u64; 8]>(PhantomData), 100_000, Duration::ZERO),
            echo(Pipe, 4_000, Duration::ZERO),
            echo(Socket, 4_000, Duration::ZERO),
            echo(PushPull, 2_000, Duration::ZERO),
            echo(Bytes, 4_000, Duration::ZERO),
            python("Python Pipe, bytes", "round_trip_pipe_bytes", &[64, 0], 3_000),
            python("Python Queue", "round_trip_queue", &[64, 0], 2_000),
        ],
    }
}

fn round_trip_asleep() -> Group {
    const ARGUMENTS: &[u64] = &[64, SILENCE_NANOSECONDS];
    Group {
        name: "round trip, 64 B, asleep",
        work: "The same after 200 µs of silence, so that the other process has fallen asleep; p50.",
        unit: Unit::Microseconds,
        detail: Some("p99"),
        cases: vec![
            echo(Queues::<[u64; 8]>(PhantomData), 1_000, SILENCE),
            echo(Pipes::<[u64; 8]>(PhantomData), 1_000, SILENCE),
            echo(Pipe, 1_000, SILENCE),
            echo(Socket, 1_000, SILENCE),
            echo(PushPull, 1_000, SILENCE),
            echo(Bytes, 1_000, SILENCE),
            python("Python Pipe, bytes", "round_trip_pipe_bytes", ARGUMENTS, 1_000),
            python("Python Queue", "round_trip_queue", ARGUMENTS, 1_000),
        ],
    }
}

fn echo(transport: impl Transport + 'static, count: u64, silence: Duration) -> Box<dyn Case> {
    Box::new(RoundTrip { transport, size: 64, count, silence })
}

fn lock_alone() -> Group {
    Group {
        name: "lock, uncontended",
        work: "One process locks, adds one and unlocks.",
        unit: Unit::Nanoseconds,
        detail: None,
        cases: vec![
            Box::new(LockAlone),
            Box::new(StdAlone),
            Box::new(PthreadAlone(Robustness::Stalled)),
            Box::new(PthreadAlone(Robustness::Robust)),
            python("Python Lock", "lock_alone", &[], 500_000),
        ],
    }
}

fn lock_contended() -> Group {
    Group {
        name: "lock, contended",
        work: "Two processes lock, add one and unlock, without a pause; the sum is checked.",
        unit: Unit::MillionPerSecond,
        detail: Some("smaller share"),
        cases: contended(Pause::None, &[0]),
    }
}

fn lock_contended_thinking() -> Group {
    Group {
        name: "lock, contended, thinking",
        work: "The same, each with about 100 ns of other work between.",
        unit: Unit::MillionPerSecond,
        detail: Some("smaller share"),
        cases: contended(Pause::Thinking, &[1]),
    }
}

fn contended(pause: Pause, arguments: &'static [u64]) -> Vec<Box<dyn Case>> {
    vec![
        Box::new(LockContended(pause)),
        Box::new(StdContended(pause)),
        Box::new(PthreadContended(Robustness::Stalled, pause)),
        Box::new(PthreadContended(Robustness::Robust, pause)),
        python("Python Lock", "lock_contended", arguments, CONTENTION),
    ]
}

fn counter() -> Group {
    Group {
        name: "counter",
        work: "Two processes add one to the same number; the sum is checked.",
        unit: Unit::MillionPerSecond,
        detail: Some("smaller share"),
        cases: vec![
            Box::new(Counter(Addition::Atomic)),
            Box::new(Counter(Addition::Update)),
            Box::new(Word),
            Box::new(PthreadContended(Robustness::Stalled, Pause::None)),
            python("Python Value with its lock", "value_contended", &[], CONTENTION),
            python("Python Manager Value and Lock", "manager_contended", &[], CONTENTION),
        ],
    }
}

fn pool_submit() -> Group {
    Group {
        name: "pool, one by one",
        work: "Tasks that add one are submitted singly to two workers, then all results are taken.",
        unit: Unit::MillionPerSecond,
        detail: None,
        cases: vec![
            Box::new(Tasks { request: Request::OneByOne, count: 100_000 }),
            python("Python Pool", "pool_submit", &[2], 10_000),
            python("Python ProcessPoolExecutor", "executor_submit", &[2], 4_000),
        ],
    }
}

fn pool_map() -> Group {
    Group {
        name: "pool, map",
        work: "The same tasks as one map over two workers, in chunks of 1000, results in order.",
        unit: Unit::MillionPerSecond,
        detail: None,
        cases: vec![
            Box::new(Tasks { request: Request::Map, count: 2_000_000 }),
            python("Python Pool", "pool_map", &[2, 1000], 1_000_000),
            python("Python ProcessPoolExecutor", "executor_map", &[2, 1000], 500_000),
        ],
    }
}

fn pool_round_trip() -> Group {
    Group {
        name: "pool, round trip",
        work: "One such task, and its result, at a time; p50.",
        unit: Unit::Microseconds,
        detail: Some("p99"),
        cases: vec![
            Box::new(Tasks { request: Request::RoundTrip, count: 5_000 }),
            python("Python Pool", "pool_round_trip", &[2], 2_000),
            python("Python ProcessPoolExecutor", "executor_round_trip", &[2], 2_000),
        ],
    }
}

fn passwords() -> Group {
    const ROUNDS: u64 = 1_000_000;
    Group {
        name: "six passwords",
        work: "The program of the notes: six passwords, each hashed a million times with sha512.",
        unit: Unit::Seconds,
        detail: None,
        cases: vec![
            Box::new(PoolPasswords { rounds: ROUNDS }),
            Box::new(Passwords { name: "one thread", threads: 1, rounds: ROUNDS }),
            Box::new(Passwords { name: "three threads", threads: 3, rounds: ROUNDS }),
            python("Python ProcessPoolExecutor(3)", "sha512", &[3], ROUNDS),
        ],
    }
}

fn python(
    name: &'static str,
    function: &'static str,
    arguments: &'static [u64],
    count: u64,
) -> Box<dyn Case> {
    Box::new(Python { name, function, arguments, count })
}
