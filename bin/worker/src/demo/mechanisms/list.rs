//! Shared lists: one of tasks and one of replies, from which the last is taken first.
//!
//! A semaphore counts what is in each list, so that nobody looks into an empty one.

use brigade::{List, Semaphore};
use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::super::Outcome;
use super::super::line::{LONGEST_MESSAGE, Line};
use super::Opening;

/// A message in a list: elements of a shared list have a fixed size.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Element {
    length: u64,
    bytes: [u8; LONGEST_MESSAGE],
}

/// A list, and how many elements nobody has claimed.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stack {
    elements: List<Element>,
    unclaimed: Semaphore,
}

impl Stack {
    fn new() -> Outcome<Self> {
        Ok(Self { elements: List::new()?, unclaimed: Semaphore::new(0)? })
    }

    fn push(&self, message: &[u8]) -> Outcome<()> {
        let mut element = Element { length: message.len() as u64, bytes: [0; LONGEST_MESSAGE] };
        let room = element.bytes.get_mut(..message.len()).ok_or("a message longer than any")?;
        room.copy_from_slice(message);
        self.elements.push(element)?;
        Ok(self.unclaimed.release(1)?)
    }

    fn pop(&self) -> Outcome<Vec<u8>> {
        self.unclaimed.acquire().forget();
        let element = self.elements.pop().ok_or("an element was claimed and is not there")?;
        let length = usize::try_from(element.length)?;
        Ok(element.bytes.get(..length).ok_or("an element longer than any")?.to_vec())
    }
}

/// The lists, as a worker sees them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Invitation {
    tasks: Stack,
    replies: Stack,
}

impl Invitation {
    pub(super) fn accept(self) -> Box<dyn Line> {
        Box::new(End { to: self.replies, from: self.tasks })
    }
}

struct End {
    to: Stack,
    from: Stack,
}

impl Line for End {
    fn send(&mut self, message: &[u8]) -> Outcome<()> {
        self.to.push(message)
    }

    fn recv(&mut self) -> Outcome<Vec<u8>> {
        self.from.pop()
    }
}

/// Two lists that all workers share.
pub(super) fn open(workers: usize) -> Outcome<Opening> {
    let (tasks, replies) = (Stack::new()?, Stack::new()?);
    let invitation = || Invitation { tasks: tasks.clone(), replies: replies.clone() };
    let invitations = (0..workers).map(|_| super::Invitation::List(invitation())).collect();
    Ok(Opening::ready(invitations, vec![Box::new(End { to: tasks, from: replies })]))
}
