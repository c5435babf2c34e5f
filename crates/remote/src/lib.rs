//! Floor 3: other machines, by engines that exist.
//!
//! Each engine is a feature of this crate:
//!
//! | feature | module | engine |
//! |---|---|---|
//! | `zmq` | `zmq` | ZeroMQ: messages between processes, machines and languages |
#![forbid(unsafe_code)]

#[cfg(feature = "zmq")]
pub mod zmq;
