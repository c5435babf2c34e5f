//! Messages one way.

use super::{boost, python};
use crate::Result;
use crate::case::{Case, Cores, Group, Side, Unit};
use crate::exchange::{Exchange, Message, TwoByTwo};
use crate::ours::batch::Batches;
use crate::ours::channel::{Pipes, Queues};
use crate::ours::loan::Loans;
use crate::ours::payload::Payload;
use crate::peers::crossbeam::Crossbeam;
use crate::peers::iceoryx::{self, Waiting};
use crate::peers::ipc_channel::{Bytes, Typed};
use crate::peers::pipe::{self, Pipe};
use crate::peers::ring::BareRing;
use crate::peers::socket::Socket;
use crate::peers::threads::Both;
use crate::peers::zmq::PushPull;
use crate::stream::{OneWay, Transport, unit};
use brigade::Queue;
use std::marker::PhantomData;

pub(super) fn groups() -> Vec<Group> {
    vec![
        one_way("one way, 8 B", 8, &[8]),
        one_way("one way, 64 B", 64, &[64]),
        one_way("one way, 1024 B", 1024, &[1024]),
        one_way("one way, 64 KiB", 65_536, &[65_536]),
        one_way("one way, 1 MiB", 1_048_576, &[1_048_576]),
        two_by_two(),
    ]
}

fn one_way(name: &'static str, size: usize, arguments: &'static [u64]) -> Group {
    // A short message costs its handling, a long one its bytes.
    let count = |short: u64| match size {
        0..=1_024 => short,
        1_025..=65_536 => short.div_ceil(30),
        _ => short.div_ceil(600),
    };
    let python = |name, function, short| python(name, function, arguments, count(short));
    let mut cases = ours(size, count(600_000));
    cases.extend([
        stream(Loans, size, count(2_000_000)),
        stream(Pipe, size, count(600_000)),
        stream(Socket, size, count(300_000)),
        stream(PushPull, size, count(600_000)),
        stream(Bytes, size, count(300_000)),
        stream(iceoryx::copied(Waiting::Polling), size, count(600_000)),
        stream(iceoryx::loaned(Waiting::Polling), size, count(600_000)),
        stream(iceoryx::copied(Waiting::Events), size, count(300_000)),
        stream(iceoryx::loaned(Waiting::Events), size, count(300_000)),
        boost("Boost message_queue", "one_way", arguments, count(600_000)),
        stream(Crossbeam, size, count(1_000_000)),
        stream(BareRing, size, count(2_000_000)),
        python("Python Pipe, bytes", "one_way_pipe_bytes", 60_000),
        python("Python Pipe, objects", "one_way_pipe_objects", 40_000),
        python("Python Queue", "one_way_queue", 30_000),
    ]);
    // These two take a message apart element by element.
    if size <= 1024 {
        cases.push(stream(Typed, size, 200_000));
    }
    if size == 1024 {
        cases.push(stream(Queues::<Vec<u8>>(PhantomData), size, 300_000));
    }
    Group {
        family: "queues",
        name,
        work: "One process sends numbered messages, one per call where no row says more; another receives and checks each.",
        unit: unit(size),
        detail: None,
        cores: Cores::Two,
        cases,
    }
}

fn ours(size: usize, long: u64) -> Vec<Box<dyn Case>> {
    fn both<P: Payload>(size: usize, count: u64) -> Vec<Box<dyn Case>> {
        vec![
            stream(Queues::<P>(PhantomData), size, count),
            stream(Pipes::<P>(PhantomData), size, count),
        ]
    }
    match size {
        8 => {
            let batches = Batches::<u64> { name: "Queue<u64>, 50 in a call", payload: PhantomData };
            let mut cases = both::<u64>(size, 2_000_000);
            cases.push(stream(batches, size, 4_000_000));
            cases
        }
        64 => both::<[u64; 8]>(size, 2_000_000),
        _ => both::<brigade::codec::Bytes>(size, long),
    }
}

fn two_by_two() -> Group {
    const COUNT: u64 = 200_000;
    Group {
        family: "queues",
        name: "two by two, 64 B",
        work: "Two processes put numbered messages into one queue, two others get and check them; \
               on each core one of either.",
        unit: Unit::MillionPerSecond,
        detail: Some("smaller share of a consumer"),
        cores: Cores::Two,
        cases: vec![
            many("Queue<[u64; 8]>", Side::Brigade, || Ok(Queue::<Message>::bounded(1_000)?), COUNT),
            many("pipe(2)", Side::Peer, pipe::Both::create, COUNT),
            many("crossbeam bounded (threads)", Side::Bound, crossbeam, COUNT),
            boost("Boost message_queue", "two_by_two", &[], COUNT),
            python("Python Queue", "two_by_two", &[], 10_000),
        ],
    }
}

fn crossbeam() -> Result<Both> {
    Ok(crossbeam_channel::bounded(1_000))
}

fn many<T: Exchange>(
    name: &'static str,
    side: Side,
    create: fn() -> Result<T>,
    count: u64,
) -> Box<dyn Case> {
    Box::new(TwoByTwo { name, side, create, count })
}

fn stream(transport: impl Transport + 'static, size: usize, count: u64) -> Box<dyn Case> {
    Box::new(OneWay { transport, size, count })
}
