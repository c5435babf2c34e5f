//! Services kept alive, and replaced while they serve.
#![forbid(unsafe_code)]

pub mod config;
mod handover;
mod log;
pub mod machine;
mod notify;
pub mod policy;
mod poller;
pub mod status;
