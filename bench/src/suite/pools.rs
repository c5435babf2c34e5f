//! Pools of processes.

use super::python;
use crate::case::{Cores, Group, Unit};
use crate::ours::pool::{PoolPasswords, Request, Tasks};
use crate::peers::passwords::Passwords;

pub(super) fn groups() -> Vec<Group> {
    vec![submit(), map(), round_trip(), passwords()]
}

fn submit() -> Group {
    Group {
        family: "pools",
        name: "pool, one by one",
        work: "Tasks that add one are submitted singly to two workers, then all results are taken.",
        unit: Unit::MillionPerSecond,
        detail: None,
        cores: Cores::Two,
        cases: vec![
            Box::new(Tasks { request: Request::OneByOne, count: 100_000 }),
            python("Python Pool", "pool_submit", &[2], 10_000),
            python("Python ProcessPoolExecutor", "executor_submit", &[2], 4_000),
        ],
    }
}

fn map() -> Group {
    Group {
        family: "pools",
        name: "pool, map",
        work: "The same tasks as one map over two workers, in chunks of 1000, results in order.",
        unit: Unit::MillionPerSecond,
        detail: None,
        cores: Cores::Two,
        cases: vec![
            Box::new(Tasks { request: Request::Map, count: 2_000_000 }),
            python("Python Pool", "pool_map", &[2, 1000], 1_000_000),
            python("Python ProcessPoolExecutor", "executor_map", &[2, 1000], 500_000),
        ],
    }
}

fn round_trip() -> Group {
    Group {
        family: "pools",
        name: "pool, round trip",
        work: "One such task, and its result, at a time; p50.",
        unit: Unit::Microseconds,
        detail: Some("p99"),
        cores: Cores::Two,
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
        family: "pools",
        name: "six passwords",
        work: "The program of the notes: six passwords, each hashed a million times with sha512.",
        unit: Unit::Seconds,
        detail: None,
        cores: Cores::Two,
        cases: vec![
            Box::new(PoolPasswords { rounds: ROUNDS }),
            Box::new(Passwords { name: "one thread", threads: 1, rounds: ROUNDS }),
            Box::new(Passwords { name: "three threads", threads: 3, rounds: ROUNDS }),
            python("Python ProcessPoolExecutor(3)", "sha512", &[3], ROUNDS),
        ],
    }
}
