//! Letting the other side go on: conditions, events, semaphores, barriers.

use super::python;
use crate::Result;
use crate::case::{Case, Cores, Group, Side, Unit};
use crate::ours::hand_off::{Baton as ConditionAndLock, Events, Semaphores};
use crate::peers::threads::Condvar;
use crate::posix::barrier::Barrier;
use crate::posix::condition::Condition;
use crate::posix::semaphore::Pair;
use crate::posix::word::Baton;
use crate::relay::{Mechanism, Question, Relay};
use std::sync;
use std::time::Duration;

const SILENCE: Duration = Duration::from_micros(200);

/// The same for Python, in nanoseconds.
const AWAKE: &[u64] = &[0];
const ASLEEP: &[u64] = &[SILENCE.as_nanos() as u64];

pub(super) fn groups() -> Vec<Group> {
    let awake = Question::Latency { count: 20_000, silence: Duration::ZERO };
    let asleep = Question::Latency { count: 1_000, silence: SILENCE };
    vec![
        latency(
            "hand-off",
            "One side lets the other go on and waits until it is let go on, again and again; p50.",
            Cores::Two,
            awake,
            AWAKE,
        ),
        latency(
            "hand-off, asleep",
            "The same after 200 µs of silence, so that the other side has fallen asleep; p50.",
            Cores::Two,
            asleep,
            ASLEEP,
        ),
        latency(
            "hand-off, one core",
            "The same between two processes on the same core, back to back; p50.",
            Cores::One,
            awake,
            AWAKE,
        ),
        barrier(),
    ]
}

fn latency(
    name: &'static str,
    work: &'static str,
    cores: Cores,
    question: Question,
    silence: &'static [u64],
) -> Group {
    let python = |name, function| python(name, function, silence, 2_000);
    let mut cases = vec![
        ask("Condition", Side::Brigade, ConditionAndLock::create, question),
        ask("Event", Side::Brigade, Events::create, question),
        ask("Semaphore", Side::Brigade, Semaphores::create, question),
        ask("pthread condition, process-shared", Side::Peer, Condition::create, question),
        ask("sem_t, process-shared", Side::Peer, Pair::create, question),
        ask("std Condvar (threads)", Side::Bound, || Ok(Condvar::default()), question),
        ask("bare futex", Side::Bound, Baton::futex, question),
        python("Python Condition", "condition"),
        python("Python Event", "event"),
        python("Python Semaphore", "semaphore_pair"),
    ];
    if cores == Cores::Two {
        cases.push(ask("bare word, spinning", Side::Bound, Baton::spinning, question));
    }
    let (unit, detail) = (Unit::Microseconds, Some("p99"));
    Group { family: "hand-offs", name, work, unit, detail, cores, cases }
}

fn barrier() -> Group {
    let question = Question::Rate { count: 20_000 };
    Group {
        family: "hand-offs",
        name: "barrier",
        work: "Two wait for each other at a barrier, again and again; rounds.",
        unit: Unit::MillionPerSecond,
        detail: None,
        cores: Cores::Two,
        cases: vec![
            ask("Barrier", Side::Brigade, || Ok(brigade::Barrier::new(2)?), question),
            ask("pthread barrier, process-shared", Side::Peer, Barrier::create, question),
            ask("std Barrier (threads)", Side::Bound, || Ok(sync::Barrier::new(2)), question),
            ask("bare word, spinning", Side::Bound, Baton::spinning, question),
            python("Python Barrier", "barrier", &[], 2_000),
        ],
    }
}

fn ask<T: Relay>(
    name: &'static str,
    side: Side,
    create: fn() -> Result<T>,
    question: Question,
) -> Box<dyn Case> {
    Box::new(Mechanism { name, side, create, question })
}
