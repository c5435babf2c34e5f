//! Sockets with an address: unix and TCP, one connection to each worker.

use std::time::Duration;

use brigade::socket::{Address, Connection, Listener, connect};
use serde::{Deserialize, Serialize};

use super::super::Outcome;
use super::super::line::Line;
use super::Opening;

/// How long the feeder waits for a worker to connect.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the worker connects to.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Invitation {
    address: String,
}

impl Invitation {
    pub(super) fn accept(self) -> Outcome<Box<dyn Line>> {
        Ok(Box::new(End(connect(&self.address.parse()?)?)))
    }
}

struct End(Connection<Vec<u8>>);

impl Line for End {
    fn send(&mut self, message: &[u8]) -> Outcome<()> {
        Ok(self.0.send_bytes(message)?)
    }

    fn recv(&mut self) -> Outcome<Vec<u8>> {
        Ok(self.0.recv_bytes()?)
    }
}

/// A unix socket in a directory of its own.
pub(super) fn open_unix(workers: usize) -> Outcome<Opening> {
    let directory = tempfile::Builder::new().prefix("brigade-demo-").tempdir()?;
    let address = Address::Unix(directory.path().join("job.sock"));
    open(workers, &address, Some(directory))
}

/// A TCP socket on loopback, on a port that the kernel chooses.
pub(super) fn open_tcp(workers: usize) -> Outcome<Opening> {
    open(workers, &"tcp:127.0.0.1:0".parse()?, None)
}

fn open(
    workers: usize,
    address: &Address,
    directory: Option<tempfile::TempDir>,
) -> Outcome<Opening> {
    let listener = Listener::bind(address)?;
    let address = listener.address().to_string();
    let invitation = || super::Invitation::Socket(Invitation { address: address.clone() });
    let accept = move || {
        let mut lines = Vec::<Box<dyn Line>>::new();
        for _ in 0..workers {
            let connection = listener.accept_timeout(PATIENCE)?;
            lines.push(Box::new(End(connection.ok_or("a worker did not connect in time")?)));
        }
        drop((listener, directory));
        Ok(lines)
    };
    let invitations = (0..workers).map(|_| invitation()).collect();
    Ok(Opening { invitations, lines: Box::new(accept) })
}
