//! The proof of the promise: processes that are killed between any two instructions, and at random.
//!
//! * [`steps`] runs an operation instruction by instruction and kills it after each; [`cases`] is
//!   the list of the operations.
//! * [`storm`] has many processes at work, and kills and stops them at random, for as long as one
//!   likes; nothing may be lost, doubled, late or left.
//! * [`mutation`] breaks a wake-up on purpose, and sees that both of them notice.
//! * [`lifetime`] makes a great number of objects and sees that none stays.
//! * [`checks`] runs what other programs prove: the models of the primitives, and sanitizers.
//!
//! `make prove` runs all of it and writes a report; the tests of this crate run a little of each.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a step of a proof that fails is a failure of the proof"
)]

pub mod cases;
pub mod checks;
pub mod lifetime;
pub mod mutation;
pub mod plan;
pub mod processes;
pub mod random;
pub mod report;
pub mod shared;
pub mod steps;
pub mod storm;
