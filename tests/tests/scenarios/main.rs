//! The conformance scenarios: what Python's own tests, and the open issues of its peers, say about
//! queues, locks, semaphores, events, pipes and shared values.
//!
//! Each is written once, for parties that are threads of one process or processes of their own, and
//! runs in every mode. `tests/README.md` says which scenario is proved where.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

brigade::test_binary!();

mod acknowledgments;
mod barriers;
mod conditions;
mod connections;
mod deaths;
mod events;
mod leftovers;
mod lists;
mod locks;
mod maps;
mod orders;
mod queue_ends;
mod queues;
mod resources;
mod rlocks;
mod rwlocks;
mod segments;
mod semaphores;
mod values;
mod waiting;
