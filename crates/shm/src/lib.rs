//! Floor 1: memory that processes share, and all that lives in it.
//!
//! Every type here is a handle of a few bytes: it can be cloned, sent to another thread, passed to
//! a child process, put into a queue or a message. The object lives as long as anyone holds a
//! handle of it, and the memory as long as any process of the program runs.
//!
//! Any process may be killed at any instruction: what it committed stays, what it had not never
//! happened, nobody waits for it, and nothing leaks. Each type says under "Process death" what
//! that means for it.
#![deny(unsafe_code)]

pub mod arena;
mod broadcast;
mod channel;
pub mod data;
mod descriptor_pipe;
mod error;
mod future;
mod handle;
mod message;
mod named;
pub mod pipe;
mod plain;
pub mod queue;
mod redo;
mod shelf;
mod sides;
mod spare;
pub mod sync;
#[cfg(feature = "kill-points")]
pub mod testing;
pub mod transit;

pub use arena::Arena;
pub use broadcast::{Broadcast, Overflow, Publisher, Subscriber};
pub use data::{
    Array, Item, List, Map, MapError, MapIter, Number, ShareableList, ShareableListError, Value,
};
pub use descriptor_pipe::{DescriptorConnection, DescriptorError, pipe_with_descriptors};
pub use error::Error;
pub use named::{SharedMemory, SharedMemoryError};
pub use pipe::{Connection, one_way_pipe, pipe, pipe_between};
pub use plain::Plain;
pub use queue::{
    Borrowed, Consumer, DeadLetters, DelayQueue, GetError, JoinableQueue, Lease, LeasedQueue,
    LifoQueue, Loan, LoanQueue, PriorityQueue, Producer, PutError, Queue, SimpleQueue,
};
pub use sync::{
    Barrier, BarrierWait, BrokenBarrier, Condition, Event, Lock, LockGuard, OwnerDied, Permit,
    RLock, RLockGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore, Timer, Woken,
};
