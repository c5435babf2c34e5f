//! The server's process: started, listened to, ended.
//!
//! The owner and the server share one connection of their own. Over it the server says where it
//! listens, and the owner asks it to end.

use std::fmt;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use brigade_process::call::Task;
use brigade_process::{ExitStatus, Process, ProcessBuilder};
use brigade_sys::signals::{Signal, ignore};
use brigade_sys::time::Deadline;
use brigade_sys::wait::wait;
use brigade_wire::{Address, Connection};
use serde::{Deserialize, Serialize};

use crate::error::StartError;
use crate::place::Place;
use crate::server::Server;

/// How long the server's process may take until it listens.
const START: Duration = Duration::from_secs(60);

/// What the owner asks for. The end of the connection means the same.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Order {
    ShutDown,
}

/// What the server's process says first.
type Report = Result<Vec<Address>, String>;

/// A function that the server's process runs before it listens, with its encoded argument.
pub(crate) type Initializer = (Task, Vec<u8>);

/// What the server's process is started with.
#[derive(Serialize, Deserialize)]
struct Instructions {
    addresses: Vec<Address>,
    owner: Connection<Report, Order>,
    initializer: Option<Initializer>,
}

/// What a server's process is made from.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) process: ProcessBuilder,
    /// Where to listen, besides a place of its own if none of them is on this machine only.
    pub(crate) addresses: Vec<Address>,
    pub(crate) initializer: Option<Initializer>,
    pub(crate) shutdown_timeout: Duration,
}

/// A server's process, ended when dropped.
pub(crate) struct Housing {
    process: Process,
    /// The process that owns it: a forked child has a copy, and must not end it.
    owner: u32,
    line: Mutex<Option<Connection<Order, Report>>>,
    shutdown_timeout: Duration,
    /// Removed when all is over.
    _place: Option<Place>,
}

impl Housing {
    /// Starts the process, and waits until it listens. Returns where.
    pub(crate) fn start(plan: Plan) -> Result<(Self, Vec<Address>), StartError> {
        let is_remote = |address: &Address| matches!(address, Address::Tcp { .. });
        let place = if plan.addresses.iter().all(is_remote) { Some(Place::new()?) } else { None };
        let addresses = place.iter().map(Place::address).chain(plan.addresses).collect();
        let (line, owner) = Connection::pair()?;
        let instructions = Instructions { addresses, owner, initializer: plan.initializer };
        let process = plan.process.dies_with_parent().start(run, instructions)?;
        let housing = Self {
            process,
            owner: std::process::id(),
            line: Mutex::new(Some(line)),
            shutdown_timeout: plan.shutdown_timeout,
            _place: place,
        };
        let addresses = housing.hear_report()?;
        Ok((housing, addresses))
    }

    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// Asks the process to end, waits, terminates it, waits, kills it. It may have ended before.
    pub(crate) fn shut_down(&self) -> ExitStatus {
        let line = self.line.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(line) = line {
            // If it cannot be told, the end of the line tells it.
            let _ = line.send_timeout(&Order::ShutDown, self.shutdown_timeout);
        }
        if let Some(status) = self.process.join_timeout(self.shutdown_timeout) {
            return status;
        }
        if self.process.terminate().is_ok()
            && let Some(status) = self.process.join_timeout(self.shutdown_timeout)
        {
            return status;
        }
        match self.process.kill() {
            Ok(()) => self.process.join(),
            Err(_) => ExitStatus::Unknown,
        }
    }

    fn hear_report(&self) -> Result<Vec<Address>, StartError> {
        let line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let report = line.as_ref().and_then(|line| {
            // What is ready shows in what can be received.
            let _ = wait(&[line, &self.process], Deadline::after(START));
            line.try_recv().ok()
        });
        drop(line);
        match report {
            Some(Ok(addresses)) => Ok(addresses),
            Some(Err(reason)) => Err(StartError::Failed { reason }),
            None => Err(StartError::Ended { status: self.shut_down() }),
        }
    }
}

impl fmt::Debug for Housing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Housing").field("process", &self.process).finish_non_exhaustive()
    }
}

impl Drop for Housing {
    fn drop(&mut self) {
        if self.owner == std::process::id() {
            self.shut_down();
        }
    }
}

/// What the server's process does.
fn run(instructions: Instructions) -> ExitCode {
    let Instructions { addresses, owner, initializer } = instructions;
    let (server, report) = match prepare(&addresses, initializer) {
        Ok(server) => {
            let addresses = server.addresses().to_vec();
            (Some(server), Ok(addresses))
        }
        Err(reason) => (None, Err(reason)),
    };
    // If the owner has gone, so will this process.
    let told = owner.send(&report);
    match (server, told) {
        (Some(server), Ok(())) => {
            server.serve_until(&owner);
            ExitCode::SUCCESS
        }
        _ => ExitCode::FAILURE,
    }
}

fn prepare(addresses: &[Address], initializer: Option<Initializer>) -> Result<Server, String> {
    // An interrupt from the terminal reaches the whole group; the owner decides what it means.
    ignore(Signal::INT).map_err(|error| error.to_string())?;
    if let Some((task, argument)) = initializer {
        task.call(&argument).map_err(|error| format!("its initializer failed: {error}"))?;
    }
    Server::bind_all(addresses).map_err(|error| error.to_string())
}
