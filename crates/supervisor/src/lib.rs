//! Services kept alive, and replaced while they serve.
#![forbid(unsafe_code)]

pub mod command;
pub mod config;
pub mod control;
mod handover;
mod log;
pub mod machine;
mod notify;
mod plan;
pub mod policy;
mod poller;
mod shell;
pub mod status;

pub use shell::{SIGNAL_TABLE, Source, StartError, Supervisor};
