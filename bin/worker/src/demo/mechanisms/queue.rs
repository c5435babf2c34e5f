//! The queue: one for all tasks, from which whoever is free takes the next, and one for replies.

use brigade::Queue;
use brigade::codec::Bytes;
use serde::{Deserialize, Serialize};

use super::super::Outcome;
use super::super::line::Line;
use super::Opening;

/// How many messages a queue holds.
const CAPACITY: usize = 64;

/// The queues, as a worker sees them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Invitation {
    tasks: Queue<Bytes>,
    replies: Queue<Bytes>,
}

impl Invitation {
    pub(super) fn accept(self) -> Box<dyn Line> {
        Box::new(End { to: self.replies, from: self.tasks })
    }
}

struct End {
    to: Queue<Bytes>,
    from: Queue<Bytes>,
}

impl Line for End {
    fn send(&mut self, message: &[u8]) -> Outcome<()> {
        Ok(self.to.put(Bytes::from(message)).map_err(|error| error.to_string())?)
    }

    fn recv(&mut self) -> Outcome<Vec<u8>> {
        Ok(self.from.get()?.into())
    }
}

/// Two queues that all workers share.
pub(super) fn open(workers: usize) -> Outcome<Opening> {
    let tasks = Queue::bounded(CAPACITY)?;
    let replies = Queue::bounded(CAPACITY)?;
    let invitation = || Invitation { tasks: tasks.clone(), replies: replies.clone() };
    let invitations = (0..workers).map(|_| super::Invitation::Queue(invitation())).collect();
    Ok(Opening::ready(invitations, vec![Box::new(End { to: tasks, from: replies })]))
}
