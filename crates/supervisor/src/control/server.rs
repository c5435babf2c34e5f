//! The listening end of the control socket, and its clients.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use brigade_sys::time::now;
use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::Uid;

use super::http::{self, Keep, Parsed, Problem};
use super::lock::{ControlError, Lock};
use crate::command::Order;
use crate::config::{Address, Socket};
use crate::handover::Bound;
use crate::poller::{Interest, Poller, Token};
use crate::status::Reply;

/// At most so many clients are connected; then whoever has been silent longest has to go.
const MOST_CLIENTS: usize = 600;

/// How long a client may take for a request, or to take its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The control socket.
#[derive(Debug)]
pub(crate) struct Server {
    listener: UnixListener,
    path: PathBuf,
    clients: HashMap<u64, Connected>,
    last_client: u64,
    /// Given up for a moment when there are no descriptors left, to turn a client away.
    spare: Option<File>,
    // Dropped in this order: the file of the socket goes before the lock that protects it.
    _bound: Bound,
    _lock: Lock,
}

/// A client wants something.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Who. A client that has gone takes no answer, and that is no problem.
    pub(crate) client: u64,
    /// What.
    pub(crate) order: Order,
}

#[derive(Debug)]
struct Connected {
    stream: UnixStream,
    state: State,
    input: Vec<u8>,
    keep: Keep,
    /// When it last did something.
    active: Duration,
}

#[derive(Debug)]
enum State {
    /// Its request is coming in.
    Asking,
    /// It waits for its answer.
    Waiting,
    /// Its answer goes out from this position on.
    Answering(Vec<u8>, usize),
}

/// What is to become of a client.
enum Next {
    Stay,
    Ask(Order),
    Leave,
}

impl Server {
    /// Opens the control socket at `path` for its owner alone.
    pub(crate) fn open(path: &Path, poller: &Poller) -> Result<Self, ControlError> {
        let lock = Lock::take(path)?;
        let mut socket = Socket::new("control", Address::Unix(path.to_path_buf()));
        socket.mode = Some(0o600);
        let bound = Bound::bind(&socket).map_err(ControlError::Unusable)?;
        let failed = |source: io::Error| {
            brigade_sys::Error::new("listen on", path.display().to_string(), source)
        };
        let listener = UnixListener::from(bound.copy().map_err(failed)?);
        listener.set_nonblocking(true).map_err(failed)?;
        poller.add(&listener, Token::Control, Interest::Read).map_err(failed)?;
        let (path, clients) = (path.to_path_buf(), HashMap::new());
        let spare = spare();
        Ok(Self { listener, path, clients, last_client: 0, spare, _bound: bound, _lock: lock })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Lets those who knock in.
    pub(crate) fn accept(&mut self, poller: &Poller) {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // A client that waits unheard would wake us again and again.
                Err(_) => return self.turn_away(),
            };
            if let Err(problem) = self.admit(&stream) {
                // One try: a client without room for so few bytes gets no reason.
                let _ = stream.set_nonblocking(true);
                let _ = (&stream).write(&problem.response());
                continue;
            }
            self.last_client += 1;
            let client = self.last_client;
            let ready = stream.set_nonblocking(true).is_ok()
                && poller.add(&stream, Token::Client(client), Interest::Read).is_ok();
            if ready {
                let (state, input, keep) = (State::Asking, Vec::new(), Keep::Open);
                let connected = Connected { stream, state, input, keep, active: now() };
                self.clients.insert(client, connected);
            }
        }
    }

    /// Without a descriptor nobody can come in: whoever is first in the queue is cut off.
    fn turn_away(&mut self) {
        self.spare = None;
        drop(self.listener.accept());
        self.spare = spare();
    }

    /// Hears or answers a client; what it asks for is returned once its request is complete.
    pub(crate) fn serve(&mut self, client: u64, poller: &Poller) -> Option<Asked> {
        let connected = self.clients.get_mut(&client)?;
        let next = connected.proceed(client, poller);
        self.conclude(client, next, poller)
    }

    /// Answers a client. If the client sent its next request already, that is returned.
    pub(crate) fn reply(&mut self, client: u64, reply: &Reply, poller: &Poller) -> Option<Asked> {
        let connected = self.clients.get_mut(&client)?;
        connected.state = State::Answering(http::response(reply), 0);
        connected.active = now();
        let next = connected.proceed(client, poller);
        self.conclude(client, next, poller)
    }

    /// Cuts off everyone whose time is up.
    pub(crate) fn expire(&mut self, poller: &Poller) {
        let now = now();
        let late = |it: &Connected| it.deadline().is_some_and(|deadline| deadline <= now);
        let late: Vec<u64> =
            self.clients.iter().filter(|(_, it)| late(it)).map(|(client, _)| *client).collect();
        for client in late {
            self.conclude(client, Next::Leave, poller);
        }
    }

    /// When somebody's time is up next.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.clients.values().filter_map(Connected::deadline).min()
    }

    /// Gives every client that waits for its answer a last moment to take it.
    pub(crate) fn flush(&mut self, patience: Duration) {
        for connected in self.clients.values_mut() {
            if let State::Answering(bytes, sent) = &connected.state {
                let _ = connected.stream.set_nonblocking(false);
                let _ = connected.stream.set_write_timeout(Some(patience));
                let _ = connected.stream.write_all(&bytes[*sent..]);
            }
        }
    }

    /// Checks whose process knocks, and makes room for it.
    fn admit(&mut self, stream: &UnixStream) -> Result<(), Problem> {
        let peer = getsockopt(&stream.as_fd(), sockopt::PeerCredentials);
        let allowed =
            peer.is_ok_and(|peer| peer.uid() == 0 || peer.uid() == Uid::effective().as_raw());
        if !allowed {
            return Err(Problem::forbidden());
        }
        if self.clients.len() < MOST_CLIENTS {
            return Ok(());
        }
        let idle = self.clients.iter().filter(|(_, it)| !matches!(it.state, State::Waiting));
        let longest = idle.min_by_key(|(_, it)| it.active).map(|(client, _)| *client);
        // Closing the stream takes it out of the poller as well: nobody else has a copy.
        longest.and_then(|client| self.clients.remove(&client)).map(drop).ok_or_else(Problem::busy)
    }

    fn conclude(&mut self, client: u64, next: Next, poller: &Poller) -> Option<Asked> {
        match next {
            Next::Stay => None,
            Next::Ask(order) => Some(Asked { client, order }),
            Next::Leave => {
                if let Some(connected) = self.clients.remove(&client) {
                    poller.remove(&connected.stream);
                }
                None
            }
        }
    }
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

impl Connected {
    /// Those who wait for an answer may wait as long as it takes.
    fn deadline(&self) -> Option<Duration> {
        match self.state {
            State::Waiting => None,
            State::Asking | State::Answering(..) => Some(self.active + PATIENCE),
        }
    }

    /// Does what can be done without waiting.
    fn proceed(&mut self, client: u64, poller: &Poller) -> Next {
        loop {
            let done = match &self.state {
                State::Asking => self.listen(),
                // It has said all it has to say: the only news is that it has gone.
                State::Waiting => return Next::Leave,
                State::Answering(..) => self.answer(),
            };
            let interest = match done {
                Some(Next::Stay) | None => match self.state {
                    State::Asking => Interest::Read,
                    State::Waiting => Interest::Hangup,
                    State::Answering(..) => Interest::Write,
                },
                Some(Next::Ask(order)) => {
                    self.state = State::Waiting;
                    let _ = poller.change(&self.stream, Token::Client(client), Interest::Hangup);
                    return Next::Ask(order);
                }
                Some(Next::Leave) => return Next::Leave,
            };
            if done.is_some() {
                let changed = poller.change(&self.stream, Token::Client(client), interest);
                return if changed.is_ok() { Next::Stay } else { Next::Leave };
            }
        }
    }

    /// Takes what has come. `None` when there is an answer to send already.
    fn listen(&mut self) -> Option<Next> {
        match http::parse(&self.input) {
            Parsed::Incomplete => {}
            Parsed::Complete { order, len, keep } => {
                self.input.drain(..len);
                self.keep = keep;
                match order {
                    Ok(order) => return Some(Next::Ask(order)),
                    Err(problem) => self.state = State::Answering(problem.response(), 0),
                }
                return None;
            }
            Parsed::Broken(problem) => {
                self.keep = Keep::Close;
                self.state = State::Answering(problem.response(), 0);
                return None;
            }
        }
        let mut chunk = [0; 4096];
        match self.stream.read(&mut chunk) {
            Ok(0) => Some(Next::Leave),
            Ok(len) => {
                self.active = now();
                self.input.extend_from_slice(&chunk[..len]);
                None
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(Next::Stay),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
            Err(_) => Some(Next::Leave),
        }
    }

    /// Sends what there is room for. `None` when the next request can be heard.
    fn answer(&mut self) -> Option<Next> {
        let State::Answering(bytes, sent) = &mut self.state else { return None };
        while *sent < bytes.len() {
            match self.stream.write(&bytes[*sent..]) {
                Ok(0) => return Some(Next::Leave),
                Ok(len) => {
                    *sent += len;
                    self.active = now();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Some(Next::Stay);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Some(Next::Leave),
            }
        }
        self.state = State::Asking;
        if self.keep == Keep::Close { Some(Next::Leave) } else { None }
    }
}
