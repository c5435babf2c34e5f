//! Making an object and letting it go.

use super::{boost, python};
use crate::Result;
use crate::case::{Case, Cores, Group, Side, Unit};
use crate::contention::alone;
use crate::posix::{segment, semaphore};
use crate::single::Single;
use brigade::{Array, Event, Lock, Queue, Semaphore, SharedMemory, Value};
use std::io;
use std::os::unix::net::UnixStream;

const COUNT: u64 = 20_000;

/// The bytes of a piece of memory.
const SIZE: usize = 4096;

pub(super) fn groups() -> Vec<Group> {
    vec![locks(), queues(), memory()]
}

fn group(name: &'static str, work: &'static str, cases: Vec<Box<dyn Case>>) -> Group {
    let (unit, cores) = (Unit::Microseconds, Cores::Two);
    Group { family: "creation", name, work, unit, detail: None, cores, cases }
}

fn locks() -> Group {
    group(
        "creation, locks",
        "One process makes an object that processes can share, and drops it.",
        vec![
            ours("Lock", |count| microseconds(count, || Ok(Lock::new(0_u64)?))),
            ours("Semaphore", |count| microseconds(count, || Ok(Semaphore::new(1)?))),
            ours("Event", |count| microseconds(count, || Ok(Event::new()?))),
            ours("Value", |count| microseconds(count, || Ok(Value::new(0_u64)?))),
            peer("sem_open, sem_close, sem_unlink", |count| {
                microseconds(count, || semaphore::open_and_unlink(c"/brigade-bench"))
            }),
            python("Python Lock", "create_lock", &[], 5_000),
            python("Python Value", "create_value", &[], 5_000),
        ],
    )
}

fn queues() -> Group {
    group(
        "creation, queues",
        "One process makes both ends of a way for messages, and drops them.",
        vec![
            ours("Queue", |count| microseconds(count, || Ok(Queue::<u64>::bounded(16)?))),
            ours("pipe", |count| microseconds(count, || Ok(brigade::pipe::<u64>()?))),
            peer("pipe(2)", |count| microseconds(count, || Ok(io::pipe()?))),
            peer("unix stream socket", |count| microseconds(count, || Ok(UnixStream::pair()?))),
            peer("ipc-channel, bytes", |count| {
                microseconds(count, || Ok(ipc_channel::ipc::bytes_channel()?))
            }),
            boost("Boost message_queue", "creation", &[8], 5_000),
            python("Python Pipe", "create_pipe", &[], 5_000),
            python("Python Queue", "create_queue", &[], 2_000),
        ],
    )
}

fn memory() -> Group {
    group(
        "creation, memory",
        "One process makes 4 KiB of shared memory, writes one word, and drops it.",
        vec![
            ours("Array", |count| {
                microseconds(count, || {
                    let array = Array::<u64>::zeroed(SIZE / 8)?;
                    array.set(0, 1)?;
                    Ok(array)
                })
            }),
            ours("SharedMemory", |count| {
                microseconds(count, || {
                    let memory = SharedMemory::create_unnamed(SIZE)?;
                    memory.set(0, 1_u64)?;
                    Ok(memory)
                })
            }),
            peer("shm_open, mmap, munmap, shm_unlink", |count| {
                microseconds(count, || segment::create_and_remove(c"/brigade-bench", SIZE))
            }),
            python("Python RawArray", "create_array", &[], 2_000),
            python("Python SharedMemory", "create_shared_memory", &[], 2_000),
        ],
    )
}

fn ours(name: &'static str, measure: fn(u64) -> Result<f64>) -> Box<dyn Case> {
    Box::new(Single { name, side: Side::Brigade, count: COUNT, measure })
}

fn peer(name: &'static str, measure: fn(u64) -> Result<f64>) -> Box<dyn Case> {
    Box::new(Single { name, side: Side::Peer, count: COUNT, measure })
}

/// How long it takes to make something and to drop it.
fn microseconds<T>(count: u64, make: impl Fn() -> Result<T>) -> Result<f64> {
    let nanoseconds = alone(count, || {
        drop(make()?);
        Ok(())
    })?;
    Ok(nanoseconds / 1e3)
}
