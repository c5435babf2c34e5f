//! Every operation of every primitive, and who may be beside it.
//!
//! A case makes its objects, says which operation the child goes through, and what must be true
//! after its death. It runs in a process of its own, with an arena of its own.

mod barrier;
mod broadcast;
mod condition;
mod event;
mod lists;
mod loan;
mod lock;
mod map;
mod memory;
mod pipe;
mod queue;
mod rlock;
mod rwlock;
mod semaphore;
mod shelf;
mod values;

use std::time::Duration;

use crate::steps::Steps;

/// An operation and its surroundings.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The object and its operation, such as `lock: release`.
    pub operation: &'static str,
    /// Who or what is beside: `alone`, `somebody waits`.
    pub variant: &'static str,
    /// Proves it.
    pub prove: fn(&mut Steps),
}

impl Case {
    /// What it is called on the command line.
    pub fn name(&self) -> String {
        format!("{}, {}", self.operation, self.variant)
    }
}

/// All cases.
pub fn all() -> Vec<Case> {
    [
        lock::CASES,
        rlock::CASES,
        rwlock::CASES,
        condition::CASES,
        barrier::CASES,
        semaphore::CASES,
        event::CASES,
        values::CASES,
        lists::CASES,
        map::CASES,
        queue::CASES,
        shelf::CASES,
        loan::CASES,
        broadcast::CASES,
        pipe::CASES,
        memory::CASES,
    ]
    .concat()
}

/// For operations that come through at once, if nobody waits for the dead.
const SOON: Duration = Duration::from_secs(30);

const fn case(operation: &'static str, variant: &'static str, prove: fn(&mut Steps)) -> Case {
    Case { operation, variant, prove }
}
