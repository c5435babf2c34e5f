//! The atomics that lie in memory which processes share.
//!
//! They are the standard library's. What lies in shared memory takes them from here, so that the
//! model checker in `tests/models` compiles the very same files with atomics of its own, which try
//! every order of steps and every death between two.

pub use std::sync::atomic::{
    AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering, fence,
};
