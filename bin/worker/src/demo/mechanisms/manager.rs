//! Manager proxies: a list of tasks and a list of replies that live in a server process.
//!
//! A list of a manager wakes nobody, so one who finds it empty looks again after a while.

use std::sync::Arc;
use std::time::Duration;

use brigade::codec::Bytes;
use brigade::manager::{List, Manager};
use serde::{Deserialize, Serialize};

use super::super::Outcome;
use super::super::line::Line;
use super::super::pause::pause;
use super::Opening;

/// How long one who has found an empty list waits before looking again.
const PAUSE: Duration = Duration::from_micros(100);

/// The proxies of one worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Invitation {
    tasks: List<Bytes>,
    replies: List<Bytes>,
}

impl Invitation {
    pub(super) fn accept(self) -> Box<dyn Line> {
        Box::new(End { to: self.replies, from: self.tasks, _manager: None })
    }
}

struct End {
    to: List<Bytes>,
    from: List<Bytes>,
    /// Ends the server when the last of the feeder's lines is gone.
    _manager: Option<Arc<Manager>>,
}

impl Line for End {
    fn send(&mut self, message: &[u8]) -> Outcome<()> {
        Ok(self.to.push(&Bytes::from(message))?)
    }

    fn recv(&mut self) -> Outcome<Vec<u8>> {
        loop {
            // The first is taken first: a worker's stop must not overtake its tasks.
            match self.from.remove(0)? {
                Some(message) => return Ok(message.into()),
                None => pause(PAUSE),
            }
        }
    }
}

/// Two lists for each worker.
pub(super) fn open(workers: usize) -> Outcome<Opening> {
    let manager = Arc::new(Manager::start()?);
    let (mut invitations, mut lines) = (Vec::new(), Vec::<Box<dyn Line>>::new());
    for _ in 0..workers {
        let (tasks, replies) = (manager.list()?, manager.list()?);
        lines.push(Box::new(End {
            to: tasks.clone(),
            from: replies.clone(),
            _manager: Some(Arc::clone(&manager)),
        }));
        invitations.push(super::Invitation::Manager(Invitation { tasks, replies }));
    }
    Ok(Opening::ready(invitations, lines))
}
