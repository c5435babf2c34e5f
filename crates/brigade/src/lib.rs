//! Programs made of many processes on one Linux machine.
//!
//! What Python's `multiprocessing`, `concurrent.futures` and `queue` give, typed, near the
//! hardware's speed, and safe against `kill -9` at any instruction: what a killed process had
//! committed stays, what it had not never happened, nobody waits for it, and nothing leaks.
//!
//! # What is where
//!
//! | for | use |
//! |---|---|
//! | functions in processes of their own | [`Process`], [`main`](macro@main) or [`init`] |
//! | functions in a pool of processes, and their results | [`ProcessPool`], [`Future`], [`as_completed`] |
//! | their family | [`parent_process`], [`active_children`], [`current_process`] |
//! | values that processes share | [`Value`], [`Array`], [`List`], [`Map`], [`ShareableList`], [`SharedMemory`] |
//! | taking turns | [`Lock`], [`RLock`], [`RwLock`], [`Semaphore`], [`Event`], [`Condition`], [`Barrier`], [`Timer`] |
//! | passing things on | [`Queue`], [`pipe()`], [`Broadcast`], [`socket`] |
//! | ... in another order | [`LifoQueue`], [`PriorityQueue`], [`DelayQueue`], [`SimpleQueue`] |
//! | ... until it is done | [`JoinableQueue`], [`LeasedQueue`] |
//! | ... without a copy | [`LoanQueue`] |
//! | waiting for any of these | [`wait`](fn@wait) |
//! | waiting without a thread | [`ready`], [`wait_async`], [`block_on`] |
//! | bytes and descriptors | [`codec`] |
//! | what the kernel must do for all this | [`doctor`] |
//!
//! All but sockets are small handles: clone them, pass them to a process or a task, put them into a
//! queue or a message.
//!
//! # Examples
//!
//! ```
//! use brigade::{Process, Queue};
//!
//! fn squares((numbers, results): (Queue<u64>, Queue<u64>)) -> Result<(), brigade::Error> {
//!     let results = results.producer()?;
//!     for n in numbers.iter() {
//!         results.put(n * n).expect("the queue is open");
//!     }
//!     Ok(())
//! }
//!
//! #[brigade::main]
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let (numbers, results) = (Queue::bounded(8)?, Queue::bounded(8)?);
//!     let worker = Process::start(squares, (numbers.clone(), results.clone()))?;
//!     let producer = numbers.producer()?;
//!     (1..=3).try_for_each(|n| producer.put(n))?;
//!     drop(producer);
//!     assert_eq!((results.get()?, results.get()?, results.get()?), (1, 4, 9));
//!     assert!(worker.join().success());
//!     Ok(())
//! }
//! ```
//!
//! In one process:
//!
//! ```
//! use brigade::{Lock, OwnerDied, Queue};
//!
//! let queue = Queue::bounded(8)?;
//! let total = Lock::new(0_u64)?;
//! std::thread::scope(|scope| {
//!     let producer = queue.producer()?;
//!     scope.spawn(move || (1..=10_u64).try_for_each(|n| producer.put(n)));
//!     for n in queue.iter() {
//!         *total.lock().unwrap_or_else(OwnerDied::recover) += n;
//!     }
//!     Ok::<(), brigade::Error>(())
//! })?;
//! assert_eq!(*total.lock().unwrap_or_else(OwnerDied::recover), 55);
//! # Ok::<(), brigade::Error>(())
//! ```
#![forbid(unsafe_code)]

mod waiting;

pub use brigade_codec as codec;
pub use brigade_macros::main;
pub use brigade_pool as pool;
pub use brigade_pool::{
    Future, MapPolicy, Pending, ProcessPool, ProcessPoolBuilder, TaskError, Until, as_completed,
    wait_futures,
};
pub use brigade_process::{
    CurrentProcess, ExitStatus, ParentProcess, Process, ProcessBuilder, StartError, StartMethod,
    StillRunning, active_children, call, cpu_count, current_process, fork_server, init,
    parent_process, process_cpu_count, test_binary,
};
pub use brigade_shm::{
    Arena, Broadcast, Connection, Consumer, DescriptorConnection, DescriptorError, Error, Event,
    GetError, Lock, LockGuard, Overflow, OwnerDied, Permit, Plain, Producer, Publisher, PutError,
    Queue, RLock, RLockGuard, Semaphore, Subscriber, arena, one_way_pipe, pipe, pipe_between,
    pipe_with_descriptors, queue, sync, transit,
};
pub use brigade_shm::{
    Array, Item, List, Map, MapError, MapIter, Number, ShareableList, ShareableListError,
    SharedMemory, SharedMemoryError, Value,
};
pub use brigade_shm::{
    Barrier, BarrierWait, BrokenBarrier, Condition, RwLock, RwLockReadGuard, RwLockWriteGuard,
    Timer, Woken,
};
pub use brigade_shm::{
    Borrowed, DeadLetters, DelayQueue, JoinableQueue, Lease, LeasedQueue, LifoQueue, Loan,
    LoanQueue, PriorityQueue, SimpleQueue,
};
pub use brigade_sys::doctor;
pub use brigade_sys::reactor::{block_on, ready};
pub use brigade_sys::wait::{Sleep, Waitable};
pub use waiting::{wait, wait_async, wait_timeout};

/// Connections between processes that are no relatives, or on other machines: unix and TCP.
pub mod socket {
    pub use brigade_wire::*;
}

#[cfg(feature = "manager")]
pub use brigade_manager as manager;

#[cfg(feature = "supervisor")]
pub use brigade_supervisor as supervisor;

#[cfg(feature = "ipc-channel")]
pub use brigade_wire::ipc;

#[cfg(feature = "zmq")]
pub use brigade_remote::zmq;
