//! A manager before it is started.

use std::time::Duration;

use brigade_codec::{Message, encode};
use brigade_process::call::Task;
use brigade_process::{Process, ProcessBuilder, StartMethod};
use brigade_wire::Address;

use crate::error::StartError;
use crate::housing::{Housing, Plan};
use crate::manager::Manager;

/// How long a server may take to end, each time it is asked.
const SHUTDOWN: Duration = Duration::from_secs(1);

/// A manager before it is started.
///
/// ```
/// # brigade_process::init();
/// use brigade_manager::Manager;
///
/// let manager = Manager::builder().address("tcp:127.0.0.1:0".parse()?).name("ledger").start()?;
/// assert!(manager.shutdown().expect("it was started here").success());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is started before `start`"]
pub struct ManagerBuilder {
    process: ProcessBuilder,
    addresses: Vec<Address>,
    shutdown_timeout: Duration,
    initializer: Option<Result<(Task, Vec<u8>), StartError>>,
}

impl ManagerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            process: Process::builder().name("manager"),
            addresses: Vec::new(),
            shutdown_timeout: SHUTDOWN,
            initializer: None,
        }
    }

    /// Gives the server's process a name. The default is `manager`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.process = self.process.name(name);
        self
    }

    /// Says how the server's process is started.
    pub fn method(mut self, method: StartMethod) -> Self {
        self.process = self.process.method(method);
        self
    }

    /// Adds an address at which to listen. May be called several times.
    ///
    /// Unless one of them is a unix socket, the server also listens at one that only this user can
    /// reach: this process, its children and others on this machine are at home there.
    ///
    /// Whoever can connect can use every object: over TCP that is everyone who reaches the port.
    pub fn address(mut self, address: Address) -> Self {
        self.addresses.push(address);
        self
    }

    /// Says how long the server may take to end when it is asked to, before it is terminated, and
    /// then before it is killed. The default is one second.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    /// Has the server's process run `function` with `argument` once, before it listens: an `fn`
    /// item or a closure that captures nothing.
    pub fn initializer<F, A, R>(mut self, function: F, argument: &A) -> Self
    where
        F: Fn(A) -> R + Copy + Send + 'static,
        A: Message,
        R: Message,
    {
        let encoded = encode(argument).map_err(StartError::Encode);
        let task = Task::of(function).map_err(StartError::Task);
        self.initializer = Some(encoded.and_then(|encoded| Ok((task?, encoded))));
        self
    }

    /// Starts the server in a process of its own, and waits until it can be used. The process dies
    /// with this one.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing is left then.
    pub fn start(self) -> Result<Manager, StartError> {
        let plan = Plan {
            process: self.process,
            addresses: self.addresses,
            initializer: self.initializer.transpose()?,
            shutdown_timeout: self.shutdown_timeout,
        };
        let (housing, addresses) = Housing::start(plan)?;
        Manager::of(housing, &addresses)
    }
}
