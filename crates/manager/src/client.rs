//! This process's side of a manager: its connections.
//!
//! A process has one client per manager, however many proxies and threads use it. The client's
//! first connection lives as long as the client, and is what the server counts its references by.
//! Calls go over further ones: each thread takes an idle one, or makes one, and puts it back.
//!
//! # Process death
//!
//! When the server's process has died its connections end, and so does every call. A forked child
//! does not use its parent's client: it makes one of its own on first use.

use std::collections::HashMap;
use std::fmt;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use brigade_process::Process;
use brigade_wire::{
    Address, Connection, RecvError, RecvTimeoutError, SendError, SendTimeoutError, connect_timeout,
};

use crate::error::{CallError, ConnectError, Gone};
use crate::protocol::{ObjectId, Reply, Request, Welcome};
use crate::random;

/// How long to try to connect.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a server may take for a call that waits for nobody.
const ANSWER: Duration = Duration::from_secs(60);

/// How long to wait for room to say that a proxy was dropped. What is not said then is settled
/// when the client ends.
const RELEASE: Duration = Duration::from_secs(1);

/// How many idle connections to keep.
const IDLE: usize = 8;

/// How long the end of a server's process may lag behind the end of its connections.
const LAST_BREATH: Duration = Duration::from_millis(200);

/// One connection. It carries one call at a time.
pub(crate) type Line = Connection<Request, Reply>;

/// This process's side of a manager.
pub(crate) struct Client {
    /// Where it is connected to.
    address: Address,
    /// Which manager it is: another one may take over its address.
    welcome: Welcome,
    /// What the server knows this client by.
    name: u128,
    /// The process that this client belongs to.
    owner: u32,
    first: Mutex<Line>,
    idle: Mutex<Vec<Line>>,
    /// The server's process, if it is a child of this one.
    server: OnceLock<Process>,
}

/// The clients of this process.
static CLIENTS: Mutex<Option<HashMap<Address, Weak<Client>>>> = Mutex::new(None);

impl Client {
    /// The client for the manager at `address`; connects if there is none yet.
    pub(crate) fn at(address: &Address) -> Result<Arc<Self>, ConnectError> {
        Self::at_within(address, CONNECT)
    }

    /// As [`at`](Self::at), and tries for at most `timeout` to connect.
    pub(crate) fn at_within(
        address: &Address,
        timeout: Duration,
    ) -> Result<Arc<Self>, ConnectError> {
        let known = lock(&CLIENTS).as_ref().and_then(|clients| clients.get(address)?.upgrade());
        if let Some(client) = known.filter(|client| client.is_usable()) {
            return Ok(client);
        }
        let new = Arc::new(Self::connect(address, timeout)?);
        let mut guard = lock(&CLIENTS);
        let clients = guard.get_or_insert_default();
        clients.retain(|_, client| client.strong_count() > 0);
        // Another thread may have connected meanwhile. Then there are two, which does no harm.
        clients.insert(address.clone(), Arc::downgrade(&new));
        Ok(new)
    }

    /// The client for this very manager, at the first of `addresses` where it is found.
    ///
    /// Those on this machine are tried first: there its objects may be memory.
    pub(crate) fn of_manager(addresses: &[Address], manager: u128) -> Result<Arc<Self>, CallError> {
        let is_remote = |address: &&Address| matches!(address, Address::Tcp { .. });
        let (remote, home): (Vec<_>, Vec<_>) = addresses.iter().partition(is_remote);
        let mut error = CallError::NoObject;
        for address in home.into_iter().chain(remote) {
            match Self::at(address) {
                Ok(client) if client.manager() == manager => return Ok(client),
                // Another one has taken over the address; the objects went with the one before.
                Ok(_) => {}
                Err(failure) => error = failure.into(),
            }
        }
        Err(error)
    }

    /// This process's client for the manager that this one is for, which is a copy from before a
    /// fork.
    pub(crate) fn again(&self) -> Result<Arc<Self>, CallError> {
        Self::of_manager(self.addresses(), self.manager()).map_err(|_| self.gone())
    }

    fn connect(address: &Address, timeout: Duration) -> Result<Self, ConnectError> {
        let name = random::number()?;
        let (first, welcome) = greet(address, name, timeout)?;
        Ok(Self {
            address: address.clone(),
            welcome,
            name,
            owner: std::process::id(),
            first: Mutex::new(first),
            idle: Mutex::new(Vec::new()),
            server: OnceLock::new(),
        })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Wherever the manager listens.
    pub(crate) fn addresses(&self) -> &[Address] {
        &self.welcome.addresses
    }

    pub(crate) fn manager(&self) -> u128 {
        self.welcome.manager
    }

    /// The server's process.
    pub(crate) fn pid(&self) -> u32 {
        self.welcome.pid
    }

    /// Whether this client belongs to this process, not to the one that it was copied from.
    pub(crate) fn is_own(&self) -> bool {
        self.owner == std::process::id()
    }

    /// Whether the server may share memory with this process.
    pub(crate) fn is_home(&self) -> bool {
        !matches!(self.address, Address::Tcp { .. })
    }

    /// Notes that the server's process is a child of this one.
    pub(crate) fn set_server(&self, server: Process) {
        // A client has one server, so a second note would say the same.
        let _ = self.server.set(server);
    }

    /// Asks for something, and waits for the answer.
    pub(crate) fn call(&self, request: &Request) -> Result<Reply, CallError> {
        let line = self.line()?;
        let reply = self.ask(&line, request, Some(ANSWER));
        if reply.as_ref().map_or_else(leaves_line_whole, |_| true) {
            self.put_back(line);
        }
        match reply? {
            Reply::Refused(refusal) => Err(refusal.into()),
            reply => Ok(reply),
        }
    }

    /// A connection for a call.
    pub(crate) fn line(&self) -> Result<Line, CallError> {
        if let Some(line) = lock(&self.idle).pop() {
            return Ok(line);
        }
        match greet(&self.address, self.name, CONNECT) {
            Ok((line, welcome)) if welcome.manager == self.manager() => Ok(line),
            // Another manager has taken over the address.
            Ok(_) => Err(self.gone()),
            Err(ConnectError::System(error)) => match error.source.kind() {
                ErrorKind::NotFound
                | ErrorKind::ConnectionRefused
                | ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::NotConnected => Err(self.gone()),
                ErrorKind::TimedOut => Err(CallError::TimedOut { address: self.address.clone() }),
                _ => Err(error.into()),
            },
            Err(ConnectError::NoManager { .. }) => Err(self.gone()),
        }
    }

    /// Gives back a connection whose call is over.
    pub(crate) fn put_back(&self, line: Line) {
        let mut idle = lock(&self.idle);
        if idle.len() < IDLE {
            idle.push(line);
        }
    }

    /// Sends a request over `line` and waits for the answer, at most `timeout`.
    pub(crate) fn ask(
        &self,
        line: &Line,
        request: &Request,
        timeout: Option<Duration>,
    ) -> Result<Reply, CallError> {
        line.send_timeout(request, ANSWER).map_err(|error| match error {
            SendTimeoutError::Send(error) => self.explain_send(error),
            _ => CallError::TimedOut { address: self.address.clone() },
        })?;
        let reply = match timeout {
            Some(timeout) => line.recv_timeout(timeout),
            None => line.recv().map_err(RecvTimeoutError::Recv),
        };
        reply.map_err(|error| match error {
            RecvTimeoutError::TimedOut => CallError::TimedOut { address: self.address.clone() },
            RecvTimeoutError::Recv(RecvError::Decode(error)) => CallError::Decode(error),
            RecvTimeoutError::Recv(RecvError::System(error)) => CallError::System(error),
            RecvTimeoutError::Recv(RecvError::EndOfStream | RecvError::Truncated) => self.gone(),
            other => CallError::Refused { reason: other.to_string() },
        })
    }

    /// Says that a proxy was dropped. Nothing comes back.
    pub(crate) fn release(&self, object: ObjectId) {
        // If the server has gone there is nothing to release; if it is slow, the reference goes
        // when this client ends.
        let _ = lock(&self.first).send_timeout(&Request::Release { object }, RELEASE);
    }

    /// The error that says how the server ended.
    pub(crate) fn gone(&self) -> CallError {
        let server = self.server.get().filter(|_| self.is_own());
        let status = server.and_then(|server| server.join_timeout(LAST_BREATH));
        CallError::Gone(Gone { address: self.address.clone(), pid: self.pid(), status })
    }

    fn explain_send(&self, error: SendError) -> CallError {
        match error {
            SendError::Encode(error) => CallError::Encode(error),
            SendError::Disconnected => self.gone(),
            SendError::System(error) => CallError::System(error),
            other => CallError::Refused { reason: other.to_string() },
        }
    }

    /// Whether calls can be made. The server says nothing on the first connection, so news there
    /// are of its end.
    fn is_usable(&self) -> bool {
        self.is_own() && !lock(&self.first).poll(Duration::ZERO)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("address", &self.address)
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}

/// Whether the connection can carry further calls after this error.
fn leaves_line_whole(error: &CallError) -> bool {
    matches!(error, CallError::Encode(_) | CallError::Decode(_))
}

/// Connects, says who the client is, and hears which manager it is.
fn greet(
    address: &Address,
    name: u128,
    timeout: Duration,
) -> Result<(Line, Welcome), ConnectError> {
    let no_manager = |reason: String| ConnectError::NoManager { address: address.clone(), reason };
    let line: Line = connect_timeout(address, timeout)?;
    line.send_timeout(&Request::Hello { client: name }, timeout)
        .map_err(|error| no_manager(error.to_string()))?;
    match line.recv_timeout(timeout) {
        Ok(Reply::Welcome(welcome)) => Ok((line, welcome)),
        Ok(_) => Err(no_manager("its answer does not fit the question".into())),
        Err(error) => Err(no_manager(error.to_string())),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is changed in one step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
