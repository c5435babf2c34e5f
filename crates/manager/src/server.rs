//! The server: objects, and the connections to them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use brigade_sys::time::Deadline;
use brigade_sys::wait::{Waitable, wait};
use brigade_wire::{Address, Connection, Listener};

use crate::protocol::{Reply, Request, Welcome};
use crate::random;
use crate::session::Session;
use crate::state::State;

/// How many connections a server serves at a time.
const SESSIONS: usize = 4096;

/// The stack of a session's thread. It never runs code that a client has chosen.
const STACK: usize = 256 * 1024;

/// How long to leave connections waiting when none can be taken, for want of descriptors say.
const PAUSE: Duration = Duration::from_millis(50);

/// A manager's server that runs in this process.
///
/// [`Manager::start`](crate::Manager::start) runs one in a process of its own; this is for programs
/// that are nothing but a server, or that give it a thread.
///
/// # Process death
///
/// When the server's process dies, its objects are gone, and every call on them returns
/// [`CallError::Gone`](crate::CallError::Gone). What a client held when it died (references,
/// locks) is released at once.
///
/// # Examples
///
/// ```
/// use brigade_manager::{Manager, Server};
///
/// let server = Server::bind(&"tcp:127.0.0.1:0".parse()?)?;
/// let address = server.address().clone();
/// std::thread::spawn(move || server.serve_forever());
///
/// let manager = Manager::connect(&address)?;
/// let hits = manager.counter(40)?;
/// assert_eq!(hits.add(2)?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[doc(alias = "get_server")]
pub struct Server {
    listeners: Vec<Listener>,
    shared: Arc<Shared>,
}

/// What the sessions of a server share.
#[derive(Debug)]
pub(crate) struct Shared {
    welcome: Welcome,
    state: Mutex<State>,
}

impl Shared {
    /// The state, for a moment. A panic would leave it whole: it is changed step by step.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn welcome(&self) -> Reply {
        Reply::Welcome(self.welcome.clone())
    }
}

impl Server {
    /// Listens at `address`, with no objects yet. Does not wait.
    ///
    /// Whoever can connect can use every object: over TCP that is everyone who reaches the port.
    ///
    /// # Errors
    ///
    /// The system's, when the address is in use or not allowed.
    pub fn bind(address: &Address) -> Result<Self, brigade_sys::Error> {
        Self::bind_all(std::slice::from_ref(address))
    }

    /// As [`bind`](Self::bind), at several addresses: a path for this machine and a port for
    /// others, say. All lead to the same objects.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind); also without any address.
    pub fn bind_all(addresses: &[Address]) -> Result<Self, brigade_sys::Error> {
        if addresses.is_empty() {
            let source = std::io::Error::from(std::io::ErrorKind::InvalidInput);
            return Err(brigade_sys::Error::new("listen at", "no address", source));
        }
        let listeners: Vec<_> = addresses.iter().map(Listener::bind).collect::<Result<_, _>>()?;
        let welcome = Welcome {
            manager: random::number()?,
            pid: std::process::id(),
            addresses: listeners.iter().map(|listener| listener.address().clone()).collect(),
        };
        let shared = Shared { welcome, state: Mutex::new(State::new()) };
        Ok(Self { listeners, shared: Arc::new(shared) })
    }

    /// Where the server is to be found, at the last of its addresses; for TCP with the port that it
    /// really has.
    pub fn address(&self) -> &Address {
        &self.shared.welcome.addresses[self.listeners.len() - 1]
    }

    /// All its addresses, in the order in which they were given.
    pub fn addresses(&self) -> &[Address] {
        &self.shared.welcome.addresses
    }

    /// Serves clients for as long as this process lives.
    pub fn serve_forever(self) -> ! {
        /// Never comes.
        struct Never;

        impl Waitable for Never {
            fn is_ready(&self) -> bool {
                false
            }

            fn prepare<'a>(&'a self, _: &mut brigade_sys::wait::Sleep<'a>) {}
        }

        loop {
            self.accept_until(&Never);
        }
    }

    /// Serves clients until `stop` is ready, then accepts no more. Those that are connected are
    /// served until they go.
    pub fn serve_until(self, stop: &dyn Waitable) {
        self.accept_until(stop);
    }

    fn accept_until(&self, stop: &dyn Waitable) {
        loop {
            let listeners = self.listeners.iter().map(|listener| listener as &dyn Waitable);
            let sources: Vec<_> = listeners.chain([stop]).collect();
            let _ = wait(&sources, Deadline::NEVER);
            if stop.is_ready() {
                return;
            }
            if self.listeners.iter().any(|listener| self.accept_from(listener).is_err()) {
                let _ = wait(&[stop], Deadline::after(PAUSE));
            }
        }
    }

    fn accept_from(&self, listener: &Listener) -> Result<(), ()> {
        match listener.try_accept::<Reply, Request>() {
            Ok(Some(connection)) => self.start_session(connection),
            Ok(None) => Ok(()),
            Err(_) => Err(()),
        }
    }

    /// Starts a session; the connection is closed when there is no room for one.
    fn start_session(&self, connection: Connection<Reply, Request>) -> Result<(), ()> {
        // Each session holds one, and so does the server.
        if Arc::strong_count(&self.shared) > SESSIONS {
            return Err(());
        }
        let session = Session::new(connection, Arc::clone(&self.shared));
        let thread = thread::Builder::new().name("manager session".into()).stack_size(STACK);
        thread.spawn(move || session.run()).map(drop).map_err(drop)
    }
}
