//! The job workers, and how the feeder tells them what to do next.

use std::os::fd::OwnedFd;
use std::time::Duration;

use brigade::socket::{Address, Connection, Listener, connect_timeout};
use serde::{Deserialize, Serialize};

use super::line::work;
use super::mechanisms::Invitation;
use super::{Failure, Outcome};

/// How long the feeder waits for all workers to come, and a worker for the feeder.
const PATIENCE: Duration = Duration::from_secs(20);

/// The environment variable that tells the workers where the feeder is.
pub(crate) const MEETING_PLACE: &str = "BRIGADE_DEMO_SOCKET";

/// What a worker says when its part in a line is over.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Done {
    /// All went well.
    Well,
    /// It failed, with the reason.
    Failed(String),
}

/// The feeder's side: a connection to each worker.
#[derive(Debug)]
pub(crate) struct Crew {
    members: Vec<Connection<Invitation, Done>>,
}

impl Crew {
    /// Waits until `count` workers have come to the socket that the supervisor handed us.
    pub(crate) fn gather(socket: OwnedFd, address: Address, count: usize) -> Outcome<Self> {
        let listener = Listener::adopt(socket, address)?;
        let mut members = Vec::new();
        while members.len() < count {
            let member = listener.accept_timeout(PATIENCE)?;
            let came = members.len();
            members.push(member.ok_or_else(|| format!("{came} of {count} job workers came"))?);
        }
        Ok(Self { members })
    }

    /// How many workers there are.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// Tells each worker which line to take.
    pub(crate) fn invite(&self, invitations: Vec<Invitation>) -> Outcome<()> {
        for (member, invitation) in self.members.iter().zip(invitations) {
            member.send(&invitation)?;
        }
        Ok(())
    }

    /// Waits until each worker has said that its part is over.
    pub(crate) fn all_done(&self) -> Outcome<()> {
        for member in &self.members {
            if let Done::Failed(reason) = member.recv_timeout(PATIENCE)? {
                return Err(Failure::from(format!("a worker failed: {reason}")));
            }
        }
        Ok(())
    }

    /// Sends the workers home.
    pub(crate) fn dismiss(self) {
        for member in self.members {
            // One that is gone already needs no word.
            let _ = member.send(&Invitation::Leave);
        }
    }
}

/// The worker's side: takes one line after the other until it is sent home.
pub(crate) fn join_crew(address: &Address) -> Outcome<()> {
    let feeder: Connection<Done, Invitation> = connect_timeout(address, PATIENCE)?;
    loop {
        let Some(mut line) = feeder.recv()?.accept()? else { return Ok(()) };
        let done = match work(line.as_mut()) {
            Ok(()) => Done::Well,
            Err(failure) => Done::Failed(failure.to_string()),
        };
        drop(line);
        feeder.send(&done)?;
    }
}
