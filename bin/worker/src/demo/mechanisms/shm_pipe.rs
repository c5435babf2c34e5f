//! brigade's pipe: a ring in shared memory to each worker and one back.

use brigade::Connection;
use brigade::codec::Bytes;
use serde::{Deserialize, Serialize};

use super::super::Outcome;
use super::super::line::Line;
use super::Opening;

/// The worker's end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Invitation(Connection<Bytes>);

impl Invitation {
    pub(super) fn accept(self) -> Box<dyn Line> {
        Box::new(End(self.0))
    }
}

struct End(Connection<Bytes>);

impl Line for End {
    fn send(&mut self, message: &[u8]) -> Outcome<()> {
        Ok(self.0.send(Bytes::from(message)).map_err(|error| error.to_string())?)
    }

    fn recv(&mut self) -> Outcome<Vec<u8>> {
        Ok(self.0.recv()?.into())
    }
}

/// A pipe to each worker.
pub(super) fn open(workers: usize) -> Outcome<Opening> {
    let (mut invitations, mut lines) = (Vec::new(), Vec::<Box<dyn Line>>::new());
    for _ in 0..workers {
        let (ours, theirs) = brigade::pipe()?;
        invitations.push(super::Invitation::ShmPipe(Invitation(theirs)));
        lines.push(Box::new(End(ours)));
    }
    Ok(Opening::ready(invitations, lines))
}
