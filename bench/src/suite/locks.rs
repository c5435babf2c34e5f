//! Locks and counters.

use super::{CONTENTION, python};
use crate::Result;
use crate::case::{Case, Cores, Group, Side, Unit};
use crate::contention::Pause;
use crate::ours::lock::{Added, OnePermit, Updated};
use crate::posix::file_lock::FileLock;
use crate::posix::mutex::Mutex;
use crate::posix::semaphore;
use crate::posix::word::Counter;
use crate::turns::{Mechanism, Question, Turns};
use brigade::{Lock, RLock};
use std::sync;

pub(super) fn groups() -> Vec<Group> {
    vec![alone(), contended(), contended_thinking(), share(), owner_killed(), counter()]
}

/// Every lock; `python` is added by the groups that Python can take part in.
fn locks(question: Question) -> Vec<Box<dyn Case>> {
    let mut cases = vec![
        ask("Lock", Side::Brigade, || Ok(Lock::new(0)?), question),
        ask("RLock", Side::Brigade, || Ok(RLock::new(0)?), question),
        ask("Semaphore of one", Side::Brigade, OnePermit::create, question),
    ];
    if question != Question::OwnerKilled {
        let std = || Ok(sync::Mutex::new(0));
        let parking_lot = || Ok(parking_lot::Mutex::new(0));
        cases.extend([
            ask("pthread mutex, process-shared", Side::Peer, Mutex::stalled, question),
            ask("sem_t, process-shared", Side::Peer, semaphore::Mutex::create, question),
            ask("std Mutex (threads)", Side::Bound, std, question),
            ask("parking_lot Mutex (threads)", Side::Bound, parking_lot, question),
        ]);
    }
    cases.extend([
        ask("pthread mutex, process-shared, robust", Side::Peer, Mutex::robust, question),
        ask("flock", Side::Peer, FileLock::flock, question),
        ask("lock of an open file description", Side::Peer, FileLock::description, question),
    ]);
    cases
}

fn ask<T: Turns>(
    name: &'static str,
    side: Side,
    create: fn() -> Result<T>,
    question: Question,
) -> Box<dyn Case> {
    Box::new(Mechanism { name, side, create, question })
}

fn alone() -> Group {
    let mut cases = locks(Question::Alone);
    cases.push(python("Python Lock", "lock_alone", &[], 500_000));
    cases.push(python("Python RLock", "rlock_alone", &[], 500_000));
    cases.push(python("Python Semaphore", "semaphore_alone", &[], 500_000));
    Group {
        family: "locks",
        name: "lock, uncontended",
        work: "One process locks, adds one and unlocks.",
        unit: Unit::Nanoseconds,
        detail: None,
        cores: Cores::Two,
        cases,
    }
}

fn contended() -> Group {
    let mut cases = locks(Question::Contended(Pause::None));
    cases.push(python("Python Lock", "lock_contended", &[0], CONTENTION));
    Group {
        family: "locks",
        name: "lock, contended",
        work: "Two processes lock, add one and unlock, without a pause; the sum is checked.",
        unit: Unit::MillionPerSecond,
        detail: Some("smaller share"),
        cores: Cores::Two,
        cases,
    }
}

fn contended_thinking() -> Group {
    let mut cases = locks(Question::Contended(Pause::Thinking));
    cases.push(python("Python Lock", "lock_contended", &[1], CONTENTION));
    Group {
        family: "locks",
        name: "lock, contended, thinking",
        work: "The same, each with about 100 ns of other work between.",
        unit: Unit::MillionPerSecond,
        detail: Some("smaller share"),
        cores: Cores::Two,
        cases,
    }
}

fn share() -> Group {
    Group {
        family: "locks",
        name: "lock, fair share",
        work: "Two processes lock, hold it for a microsecond and unlock, without a pause; the share \
               of the one that had fewer turns.",
        unit: Unit::Share,
        detail: Some("longest wait, ms"),
        cores: Cores::Two,
        cases: locks(Question::Share),
    }
}

fn owner_killed() -> Group {
    Group {
        family: "locks",
        name: "lock, owner killed",
        work: "The owner is killed with SIGKILL while another process waits, asleep: from the kill \
               to the other's ownership; p50. Every kill must be survived.",
        unit: Unit::Microseconds,
        detail: Some("p99"),
        cores: Cores::Two,
        cases: locks(Question::OwnerKilled),
    }
}

fn counter() -> Group {
    const QUESTION: Question = Question::Contended(Pause::None);
    Group {
        family: "counters",
        name: "counter",
        work: "Two processes add one to the same number; the sum is checked.",
        unit: Unit::MillionPerSecond,
        detail: Some("smaller share"),
        cores: Cores::Two,
        cases: vec![
            ask("Value::fetch_add", Side::Brigade, Added::create, QUESTION),
            ask("Value::update", Side::Brigade, Updated::create, QUESTION),
            ask("bare atomic add", Side::Bound, Counter::create, QUESTION),
            ask("pthread mutex, process-shared", Side::Peer, Mutex::stalled, QUESTION),
            python("Python Value with its lock", "value_contended", &[], CONTENTION),
            python("Python Manager Value and Lock", "manager_contended", &[], CONTENTION),
        ],
    }
}
