//! What needs more than one crate or more than one process to be tested.
//!
//! The suites are in `tests/`, one folder or file for each subject.
#![forbid(unsafe_code)]

pub mod stage;
