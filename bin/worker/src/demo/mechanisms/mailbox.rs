//! Mailboxes: memory for one message in each direction, and a signal that it is full or empty.
//!
//! Three mechanisms are mailboxes of different parts: a shared Array with a shared Value for the
//! length, signalled by events; named shared memory, signalled by events; and a shared Array,
//! signalled by two semaphores, as in the textbook.

use brigade::{Array, Event, Semaphore, SharedMemory, Value};
use serde::{Deserialize, Serialize};

use super::super::Outcome;
use super::super::line::{LONGEST_MESSAGE, Line};
use super::Opening;

/// Where a message lies.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Memory {
    /// Bytes in an Array, their number in a Value.
    Array { bytes: Array<u8>, length: Value<u64> },
    /// The number of bytes and the bytes, in a segment that has a name.
    Named(SharedMemory),
}

impl Memory {
    fn array() -> Outcome<Self> {
        Ok(Self::Array { bytes: Array::zeroed(LONGEST_MESSAGE)?, length: Value::new(0)? })
    }

    fn named() -> Outcome<Self> {
        Ok(Self::Named(SharedMemory::create_unnamed(LONGEST_MESSAGE + 8)?))
    }

    fn write(&self, message: &[u8]) -> Outcome<()> {
        let count = u64::try_from(message.len())?;
        match self {
            Self::Array { bytes, length } => {
                bytes.copy_from_slice(0, message)?;
                length.set(count);
            }
            Self::Named(segment) => {
                segment.write(8, message)?;
                segment.write(0, &count.to_ne_bytes())?;
            }
        }
        Ok(())
    }

    fn read(&self) -> Outcome<Vec<u8>> {
        match self {
            Self::Array { bytes, length } => Ok(bytes.range(..usize::try_from(length.get())?)?),
            Self::Named(segment) => {
                let mut count = [0; 8];
                segment.read(0, &mut count)?;
                let count = usize::try_from(u64::from_ne_bytes(count))?;
                let mut message = vec![0; count.min(LONGEST_MESSAGE)];
                segment.read(8, &mut message)?;
                Ok(message)
            }
        }
    }
}

/// How one side learns that the other is done with the memory.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Signal {
    Events { full: Event, empty: Event },
    Semaphores { full: Semaphore, empty: Semaphore },
}

impl Signal {
    fn events() -> Outcome<Self> {
        let (full, empty) = (Event::new()?, Event::new()?);
        empty.set();
        Ok(Self::Events { full, empty })
    }

    fn semaphores() -> Outcome<Self> {
        Ok(Self::Semaphores { full: Semaphore::new(0)?, empty: Semaphore::new(1)? })
    }

    fn await_empty(&self) {
        match self {
            Self::Events { empty, .. } => {
                empty.wait();
                empty.clear();
            }
            // Handed over on purpose: the other side returns it.
            Self::Semaphores { empty, .. } => empty.acquire().forget(),
        }
    }

    fn await_full(&self) {
        match self {
            Self::Events { full, .. } => {
                full.wait();
                full.clear();
            }
            Self::Semaphores { full, .. } => full.acquire().forget(),
        }
    }

    fn say_full(&self) -> Outcome<()> {
        match self {
            Self::Events { full, .. } => full.set(),
            Self::Semaphores { full, .. } => full.release(1)?,
        }
        Ok(())
    }

    fn say_empty(&self) -> Outcome<()> {
        match self {
            Self::Events { empty, .. } => empty.set(),
            Self::Semaphores { empty, .. } => empty.release(1)?,
        }
        Ok(())
    }
}

/// Memory for one message, and its signal.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Mailbox {
    memory: Memory,
    signal: Signal,
}

impl Mailbox {
    fn put(&self, message: &[u8]) -> Outcome<()> {
        self.signal.await_empty();
        self.memory.write(message)?;
        self.signal.say_full()
    }

    fn take(&self) -> Outcome<Vec<u8>> {
        self.signal.await_full();
        let message = self.memory.read()?;
        self.signal.say_empty()?;
        Ok(message)
    }
}

/// The mailboxes of one worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Invitation {
    tasks: Mailbox,
    replies: Mailbox,
}

impl Invitation {
    pub(super) fn accept(self) -> Box<dyn Line> {
        Box::new(End { to: self.replies, from: self.tasks })
    }
}

struct End {
    to: Mailbox,
    from: Mailbox,
}

impl Line for End {
    fn send(&mut self, message: &[u8]) -> Outcome<()> {
        self.to.put(message)
    }

    fn recv(&mut self) -> Outcome<Vec<u8>> {
        self.from.take()
    }

    fn window(&self) -> usize {
        // One in the mailbox while the worker has the other.
        2
    }
}

/// A shared Array and Value in each direction, signalled by events.
pub(super) fn open_value_array(workers: usize) -> Outcome<Opening> {
    open(workers, Memory::array, Signal::events)
}

/// Named shared memory in each direction, signalled by events.
pub(super) fn open_named(workers: usize) -> Outcome<Opening> {
    open(workers, Memory::named, Signal::events)
}

/// A shared Array in each direction, guarded by semaphores.
pub(super) fn open_semaphore(workers: usize) -> Outcome<Opening> {
    open(workers, Memory::array, Signal::semaphores)
}

fn open(
    workers: usize,
    memory: fn() -> Outcome<Memory>,
    signal: fn() -> Outcome<Signal>,
) -> Outcome<Opening> {
    let (mut invitations, mut lines) = (Vec::new(), Vec::<Box<dyn Line>>::new());
    for _ in 0..workers {
        let to = Mailbox { memory: memory()?, signal: signal()? };
        let from = Mailbox { memory: memory()?, signal: signal()? };
        let invitation = Invitation { tasks: to.clone(), replies: from.clone() };
        invitations.push(super::Invitation::Mailbox(Box::new(invitation)));
        lines.push(Box::new(End { to, from }));
    }
    Ok(Opening::ready(invitations, lines))
}
