//! The ipc-channel package, through brigade's bridge: a channel to each worker and one back.

use std::time::Duration;

use brigade::codec::Bytes;
use brigade::ipc::{Receiver, Sender, Server, connect};
use serde::{Deserialize, Serialize};

use super::super::Outcome;
use super::super::line::Line;
use super::Opening;

/// How long the feeder waits for a worker to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// The name of the server where the worker gets its ends.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Invitation {
    name: String,
}

impl Invitation {
    pub(super) fn accept(self) -> Outcome<Box<dyn Line>> {
        let (to, from) = connect(&self.name)?;
        Ok(Box::new(End { to, from }))
    }
}

struct End {
    to: Sender<Bytes>,
    from: Receiver<Bytes>,
}

impl Line for End {
    fn send(&mut self, message: &[u8]) -> Outcome<()> {
        Ok(self.to.send(&Bytes::from(message))?)
    }

    fn recv(&mut self) -> Outcome<Vec<u8>> {
        Ok(self.from.recv()?.into())
    }
}

/// A server for each worker.
pub(super) fn open(workers: usize) -> Outcome<Opening> {
    let servers = (0..workers).map(|_| Server::new()).collect::<Result<Vec<_>, _>>()?;
    let invitation = |server: &Server<_, _>| Invitation { name: server.name().to_owned() };
    let invitations =
        servers.iter().map(|server| super::Invitation::IpcChannel(invitation(server))).collect();
    let accept = move || {
        let mut lines = Vec::<Box<dyn Line>>::new();
        for server in servers {
            let (to, from) = server.accept_timeout(PATIENCE)?;
            lines.push(Box::new(End { to, from }));
        }
        Ok(lines)
    };
    Ok(Opening { invitations, lines: Box::new(accept) })
}
