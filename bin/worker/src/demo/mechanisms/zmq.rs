//! ZeroMQ: a pipeline of PUSH and PULL sockets, and a ROUTER that gives work to DEALERs.

use std::sync::Arc;

use brigade::codec::Bytes;
use brigade::zmq::{Dealer, Pull, Push, Route, Router};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::super::Outcome;
use super::super::line::Line;
use super::Opening;

/// How many tasks a worker may have waiting.
const WINDOW: usize = 4;

/// Which sockets the worker connects, and where to.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Invitation {
    Pipeline { tasks: String, replies: String },
    Routed { endpoint: String },
}

impl Invitation {
    pub(super) fn accept(self) -> Outcome<Box<dyn Line>> {
        Ok(match self {
            Self::Pipeline { tasks, replies } => {
                let (to, from) = (Push::new()?, Pull::new()?);
                to.connect(&replies)?;
                from.connect(&tasks)?;
                Box::new(Pipeline { to, from, _directory: None })
            }
            Self::Routed { endpoint } => {
                let socket = Dealer::new()?;
                socket.connect(&endpoint)?;
                // Tells the router that there is somebody to route to.
                socket.send(&Bytes::default())?;
                Box::new(Dealt(socket))
            }
        })
    }
}

struct Pipeline {
    to: Push<Bytes>,
    from: Pull<Bytes>,
    /// Holds the sockets' files of the side that has bound them.
    _directory: Option<Arc<TempDir>>,
}

impl Line for Pipeline {
    fn send(&mut self, message: &[u8]) -> Outcome<()> {
        Ok(self.to.send(&Bytes::from(message))?)
    }

    fn recv(&mut self) -> Outcome<Vec<u8>> {
        Ok(self.from.recv()?.into())
    }
}

/// Two sockets over ipc:// to each worker.
///
/// One pair for all workers would do for the tasks, but PUSH deals messages out in turn, and so
/// might deal two of the messages that stop a worker to the same one.
pub(super) fn open_pipeline(workers: usize) -> Outcome<Opening> {
    let directory = Arc::new(tempfile::Builder::new().prefix("brigade-demo-").tempdir()?);
    let (mut invitations, mut lines) = (Vec::new(), Vec::<Box<dyn Line>>::new());
    for worker in 0..workers {
        let endpoint = |name: &str| format!("ipc://{}/{worker}-{name}", directory.path().display());
        let (to, from) = (Push::new()?, Pull::new()?);
        let tasks = to.bind(&endpoint("tasks"))?;
        let replies = from.bind(&endpoint("replies"))?;
        invitations.push(super::Invitation::Zmq(Invitation::Pipeline { tasks, replies }));
        lines.push(Box::new(Pipeline { to, from, _directory: Some(directory.clone()) }));
    }
    Ok(Opening::ready(invitations, lines))
}

struct Dealt(Dealer<Bytes, Bytes>);

impl Line for Dealt {
    fn send(&mut self, message: &[u8]) -> Outcome<()> {
        Ok(self.0.send(&Bytes::from(message))?)
    }

    fn recv(&mut self) -> Outcome<Vec<u8>> {
        Ok(self.0.recv()?.into())
    }
}

/// The router's side: sends each task to the worker that has waited longest.
struct Routed {
    socket: Router<Bytes, Bytes>,
    /// Who can take a task: each worker once for each task it may have waiting.
    free: Vec<Route>,
    stops_sent: usize,
    routes: Vec<Route>,
}

impl Line for Routed {
    fn send(&mut self, message: &[u8]) -> Outcome<()> {
        let route = if message.is_empty() {
            let route = self.routes.get(self.stops_sent).cloned();
            self.stops_sent += 1;
            route
        } else {
            self.free.pop()
        };
        let route = route.ok_or("more tasks than the workers can take")?;
        Ok(self.socket.send(&route, &Bytes::from(message))?)
    }

    fn recv(&mut self) -> Outcome<Vec<u8>> {
        let (route, reply) = self.socket.recv()?;
        self.free.insert(0, route);
        Ok(reply.into())
    }

    fn window(&self) -> usize {
        WINDOW
    }
}

/// A router over TCP on loopback; the workers' dealers announce themselves.
pub(super) fn open_routed(workers: usize) -> Outcome<Opening> {
    let socket: Router<Bytes, Bytes> = Router::new()?;
    let endpoint = socket.bind("tcp://127.0.0.1:*")?;
    let invitation = || Invitation::Routed { endpoint: endpoint.clone() };
    let invitations = (0..workers).map(|_| super::Invitation::Zmq(invitation())).collect();
    let greet = move || {
        let mut routes = Vec::new();
        for _ in 0..workers {
            let (route, _greeting) = socket.recv()?;
            routes.push(route);
        }
        let free = (0..WINDOW).flat_map(|_| routes.clone()).collect();
        let line: Box<dyn Line> = Box::new(Routed { socket, free, stops_sent: 0, routes });
        Ok(vec![line])
    };
    Ok(Opening { invitations, lines: Box::new(greet) })
}
