//! Waiting for connections, and making them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use brigade_sys::Error;
use brigade_sys::socket::{
    Binding, Interest, accept, adopt_listener, connect_tcp, connect_unix, listen_tcp, listen_unix,
    local_tcp_address, ready,
};
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Sleep, Waitable};

use crate::address::Address;
use crate::connection::Connection;
use crate::inbox::Greeting;
use crate::resolve::resolve;

/// A socket that accepts connections.
///
/// Accepting a connection never waits for its client: a client that connects and stays silent
/// keeps nobody else waiting. Many threads may accept at once.
///
/// A unix path is made with mode 0600, and is removed when the listener is dropped, if it still is
/// the file that this process made.
///
/// # Process death
///
/// The path of a listener that was killed stays, and connecting to it fails. The next
/// [`bind`](Self::bind) to it finds that nobody answers and takes its place.
///
/// # Examples
///
/// ```
/// use brigade_wire::{Address, Connection, Listener, connect};
///
/// let name = format!("brigade-doc-{}", std::process::id());
/// let address = Address::Abstract(name);
/// let listener = Listener::bind(&address)?;
/// let client: Connection<u8> = connect(&address)?;
/// let server: Connection<u8> = listener.accept()?;
/// client.send(&7)?;
/// assert_eq!(server.recv()?, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    address: Address,
    file: Option<File>,
}

/// The file of a listener, and the process that made it: a forked child must not remove it.
#[derive(Debug)]
struct File {
    binding: Binding,
    pid: u32,
}

impl Listener {
    /// Listens at `address`.
    ///
    /// # Errors
    ///
    /// [`Error`]: someone listens there already, something that is no socket is at the path, or
    /// the system refuses.
    #[doc(alias = "Listener")]
    pub fn bind(address: &Address) -> Result<Self, Error> {
        if let Some(name) = address.unix_name() {
            let (socket, binding) = listen_unix(&name)?;
            let file = binding.map(|binding| File { binding, pid: std::process::id() });
            return Ok(Self { socket, address: address.clone(), file });
        }
        let Address::Tcp { host, port } = address else {
            return Err(Error::new("listen on", address.to_string(), invalid()));
        };
        let socket = first(resolve(host, *port, Deadline::NEVER)?, listen_tcp)?;
        // The kernel may have chosen the port.
        let port = local_tcp_address(socket.as_fd())?.port();
        Ok(Self { socket, address: Address::Tcp { host: host.clone(), port }, file: None })
    }

    /// Takes over a listening socket that someone else has opened: a supervisor, or another
    /// process. Its file, if it has one, belongs to them.
    ///
    /// # Errors
    ///
    /// [`Error`] if it is not a listening stream socket.
    pub fn adopt(socket: OwnedFd, address: Address) -> Result<Self, Error> {
        Ok(Self { socket: adopt_listener(socket)?, address, file: None })
    }

    /// Where this listener is to be found; for TCP with the port that it really has.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Accepts the next connection, and waits for it.
    ///
    /// # Errors
    ///
    /// [`Error`] if no connection can be accepted, for want of descriptors for example.
    pub fn accept<S: ?Sized, R>(&self) -> Result<Connection<S, R>, Error> {
        match self.accept_until(Deadline::NEVER)? {
            Some(connection) => Ok(connection),
            None => Err(Error::new("accept from", self.address.to_string(), invalid())),
        }
    }

    /// Accepts a connection if one is waiting.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn try_accept<S: ?Sized, R>(&self) -> Result<Option<Connection<S, R>>, Error> {
        self.accept_until(Deadline::after(Duration::ZERO))
    }

    /// Accepts the next connection, and waits at most `timeout` for it.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn accept_timeout<S: ?Sized, R>(
        &self,
        timeout: Duration,
    ) -> Result<Option<Connection<S, R>>, Error> {
        self.accept_until(Deadline::after(timeout))
    }

    fn accept_until<S: ?Sized, R>(
        &self,
        deadline: Deadline,
    ) -> Result<Option<Connection<S, R>>, Error> {
        match accept(self.socket.as_fd(), deadline)? {
            Some(socket) => {
                Connection::over(socket, Greeting::Awaited, Greeting::Awaited).map(Some)
            }
            None => Ok(None),
        }
    }
}

/// Connects to the listener at `address`, and waits while its queue is full.
///
/// # Errors
///
/// [`Error`] if nobody listens there, or the system refuses.
#[doc(alias = "Client")]
pub fn connect<S: ?Sized, R>(address: &Address) -> Result<Connection<S, R>, Error> {
    connect_until(address, Deadline::NEVER)
}

/// Connects to the listener at `address`, and waits at most `timeout`, for all of it: to find the
/// host, to reach it, and for room in its queue.
///
/// # Errors
///
/// [`Error`], of kind [`TimedOut`](std::io::ErrorKind::TimedOut) if the time has passed.
pub fn connect_timeout<S: ?Sized, R>(
    address: &Address,
    timeout: Duration,
) -> Result<Connection<S, R>, Error> {
    connect_until(address, Deadline::after(timeout))
}

fn connect_until<S: ?Sized, R>(
    address: &Address,
    deadline: Deadline,
) -> Result<Connection<S, R>, Error> {
    let socket = match (address.unix_name(), address) {
        (Some(name), _) => connect_unix(&name, deadline)?,
        (None, Address::Tcp { host, port }) => {
            first(resolve(host, *port, deadline)?, |address| connect_tcp(address, deadline))?
        }
        (None, _) => return Err(Error::new("connect to", address.to_string(), invalid())),
    };
    Connection::over(socket, Greeting::Awaited, Greeting::Awaited)
}

/// The first of `candidates` with which `attempt` succeeds, or else the last error.
fn first<C, T>(
    candidates: Vec<C>,
    mut attempt: impl FnMut(C) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut outcome = Err(Error::new("find", "address", invalid()));
    for candidate in candidates {
        outcome = attempt(candidate);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn invalid() -> std::io::Error {
    std::io::ErrorKind::InvalidInput.into()
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Waitable for Listener {
    fn is_ready(&self) -> bool {
        let now = Deadline::after(Duration::ZERO);
        ready(self.as_fd(), Interest::Readable, now).unwrap_or(true)
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        sleep.descriptor(self.as_fd());
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(file) = self.file.take().filter(|file| file.pid == std::process::id()) {
            // What cannot be removed now is replaced by the next listener.
            let _ = file.binding.remove();
        }
    }
}
