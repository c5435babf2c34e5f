//! Models of the primitives: their own files, compiled with other atomics and another kernel.
#![deny(unsafe_code)]
// The files under test bring their own tests along, for another kernel than this one.
#![cfg(not(test))]
#![allow(unexpected_cfgs, reason = "the files under test have features of their own")]
#![allow(dead_code, unreachable_pub, unused_imports, reason = "not all in them is modelled")]

extern crate self as brigade_sys;

#[macro_use]
mod local;

pub mod atomic;
pub(crate) mod barrier;
pub mod drive;
mod engine;
mod explore;
pub mod futex;
mod future;
pub mod identity;
mod kernel;
pub mod kill_point;
pub mod memory;
pub mod models;
mod mutant;
pub mod reactor;
mod spare;
pub mod spin;
mod stage;
pub mod survivors;
pub mod thread;
pub mod time;
pub mod trial;
mod uses;
mod world;

// Floor 0.
#[path = "../../../crates/sys/src/bell.rs"]
pub mod bell;
#[path = "../../../crates/sys/src/held.rs"]
mod held;
#[path = "../../../crates/sys/src/error.rs"]
mod refusal;
#[path = "../../../crates/sys/src/robust.rs"]
pub mod robust;
#[path = "../../../crates/sys/src/wait.rs"]
pub mod wait;

// Floor 1.
pub mod arena;
#[path = "../../../crates/shm/src/broadcast/mod.rs"]
mod broadcast;
#[path = "../../../crates/shm/src/channel/mod.rs"]
mod channel;
mod data;
#[path = "../../../crates/shm/src/error.rs"]
mod error;
#[path = "../../../crates/shm/src/handle.rs"]
mod handle;
#[path = "../../../crates/shm/src/message.rs"]
mod message;
#[path = "../../../crates/shm/src/plain.rs"]
mod plain;
#[path = "../../../crates/shm/src/queue/mod.rs"]
mod queue;
#[path = "../../../crates/shm/src/redo.rs"]
mod redo;
#[path = "../../../crates/shm/src/shelf/mod.rs"]
mod shelf;
#[path = "../../../crates/shm/src/sides.rs"]
mod sides;
mod sync;
#[path = "../../../crates/shm/src/transit.rs"]
mod transit;

pub use explore::{Explored, Model, Pace};
pub use models::MODELS;
pub use mutant::{Kind, Mutant, Site};
pub use refusal::Error;
pub use stage::{Bytes, Ending, Note, Stage};
pub use world::Clock;
