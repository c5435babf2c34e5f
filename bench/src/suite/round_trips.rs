//! Messages there and back.

use super::{boost, python};
use crate::case::{Case, Cores, Group, Unit};
use crate::ours::channel::{Pipes, Queues};
use crate::peers::crossbeam::Crossbeam;
use crate::peers::iceoryx::{self, Waiting};
use crate::peers::ipc_channel::Bytes;
use crate::peers::pipe::Pipe;
use crate::peers::ring::BareRing;
use crate::peers::socket::Socket;
use crate::peers::zmq::PushPull;
use crate::stream::{RoundTrip, Transport};
use std::marker::PhantomData;
use std::time::Duration;

/// Long enough for a process that waits to have fallen asleep.
const SILENCE: Duration = Duration::from_micros(200);
const SILENCE_NANOSECONDS: u64 = SILENCE.as_nanos() as u64;

const HOT: &[u64] = &[64, 0];
const ASLEEP: &[u64] = &[64, SILENCE_NANOSECONDS];

pub(super) fn groups() -> Vec<Group> {
    let group = |name, work, cores, cases| Group {
        family: "round trips",
        name,
        work,
        unit: Unit::Microseconds,
        detail: Some("p99"),
        cores,
        cases,
    };
    vec![
        group(
            "round trip, 64 B",
            "One message goes there and back, the next follows at once; p50.",
            Cores::Two,
            cases(Duration::ZERO, HOT, Counts { awake: 100_000, asleep: 4_000 }),
        ),
        group(
            "round trip, 64 B, asleep",
            "The same after 200 µs of silence, so that the other process has fallen asleep; p50.",
            Cores::Two,
            cases(SILENCE, ASLEEP, Counts { awake: 1_000, asleep: 1_000 }),
        ),
        group(
            "round trip, 64 B, one core",
            "One message goes there and back between two processes on the same core; p50.",
            Cores::One,
            cases(Duration::ZERO, HOT, Counts { awake: 10_000, asleep: 10_000 }),
        ),
    ]
}

/// How many round trips: of what waits awake at first, and of what falls asleep at once.
#[derive(Clone, Copy)]
struct Counts {
    awake: u64,
    asleep: u64,
}

fn cases(silence: Duration, arguments: &'static [u64], counts: Counts) -> Vec<Box<dyn Case>> {
    let Counts { awake, asleep } = counts;
    let mut cases = vec![
        echo(Queues::<[u64; 8]>(PhantomData), awake, silence),
        echo(Pipes::<[u64; 8]>(PhantomData), awake, silence),
        echo(Pipe, asleep, silence),
        echo(Socket, asleep, silence),
        echo(PushPull, asleep, silence),
        echo(Bytes, asleep, silence),
        echo(iceoryx::copied(Waiting::Events), asleep, silence),
        boost("Boost message_queue", "round_trip", arguments, asleep),
        echo(Crossbeam, awake, silence),
        python("Python Pipe, bytes", "round_trip_pipe_bytes", arguments, asleep),
        python("Python Queue", "round_trip_queue", arguments, asleep / 2),
    ];
    // Who never sleeps has no partner that could fall asleep, and none on its own core.
    if awake > asleep {
        cases.push(echo(iceoryx::copied(Waiting::Polling), awake, silence));
        cases.push(echo(BareRing, awake, silence));
    }
    cases
}

fn echo(transport: impl Transport + 'static, count: u64, silence: Duration) -> Box<dyn Case> {
    Box::new(RoundTrip { transport, size: 64, count, silence })
}
