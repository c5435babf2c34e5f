//! The supervisor from outside: the real programs, real sockets, signals and processes.
//!
//! Every test ends with the same look around: no process, no file, nothing left.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod commands;
mod configuration;
mod control;
mod demo;
mod environment;
mod harness;
mod load;
mod logs;
mod reload;
mod restart;
mod sockets;
mod stop;
