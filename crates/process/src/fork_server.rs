//! The fork server: a small process that starts others by making copies of itself.
//!
//! It is started when the first process asks for it with
//! [`StartMethod::ForkServer`], or by [`start`]. Its children have
//! the environment, the current directory and the limits that this process had then, and the
//! standard output and error that it has when they are started.
//!
//! # Process death
//!
//! The children are this process's own: how they end is known here, whatever becomes of the
//! server. If it dies, the next start starts another. It ignores `SIGINT`, and ends when this
//! process does.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use brigade_codec::{DESCRIPTORS, Parcel};
use brigade_sys::descriptor::duplicate_stream;
use brigade_sys::fork::ForkError;
use brigade_sys::launch::Child;
use brigade_sys::pidfd;
use brigade_sys::signals::Signal;
use brigade_sys::socket::{pair, recv_exact, send_all};
use brigade_sys::time::Deadline;

use crate::current;
use crate::entry::{self, Role};
use crate::error::{StartError, Trouble};
use crate::inheritance;
use crate::letter::{Letter, Tie};
use crate::method::StartMethod;
use crate::process::Process;
use crate::registry;
use crate::spawn::{LETTER, MEMORY, PARENT, this_program};

/// The name of the server's process, and of copies of it that have not become children yet.
pub(crate) const NAME: &str = "brigade-forker";

/// The bytes of a request: its number.
pub(crate) const REQUEST: usize = 8;
/// The bytes of an answer: the request's number, and a pid or a negative error number.
pub(crate) const ANSWER: usize = 12;

/// The result of a request that failed without an error number.
pub(crate) const UNKNOWN: i32 = i32::MIN;

/// The letter, two streams and the line take places that the argument cannot have.
const ARGUMENT_DESCRIPTORS: usize = DESCRIPTORS - 4;

/// How long the server may take to make a copy before it is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a process that is being killed may take to end.
const DYING: Duration = Duration::from_secs(1);

/// How often a server that dies while it is asked is replaced.
const ATTEMPTS: u32 = 5;

/// What the server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) number: u64,
    pub(crate) result: i32,
}

impl Answer {
    pub(crate) fn encode(self) -> [u8; ANSWER] {
        let mut bytes = [0; ANSWER];
        let (number, result) = bytes.split_at_mut(REQUEST);
        number.copy_from_slice(&self.number.to_le_bytes());
        result.copy_from_slice(&self.result.to_le_bytes());
        bytes
    }

    fn decode(bytes: [u8; ANSWER]) -> Self {
        let [n0, n1, n2, n3, n4, n5, n6, n7, r0, r1, r2, r3] = bytes;
        Self {
            number: u64::from_le_bytes([n0, n1, n2, n3, n4, n5, n6, n7]),
            result: i32::from_le_bytes([r0, r1, r2, r3]),
        }
    }
}

/// A running server.
struct Server {
    socket: OwnedFd,
    process: OwnedFd,
    pid: i32,
    last_number: u64,
}

/// Why a request was not fulfilled.
enum Refusal {
    /// The server is gone; no copy runs.
    Gone,
    /// It does not answer.
    Silent,
    /// It could not make a copy, because the system refused.
    Failed(io::Error),
    /// It could not make a copy.
    Unable(&'static str),
}

static SERVER: Mutex<Option<Server>> = Mutex::new(None);

fn server() -> MutexGuard<'static, Option<Server>> {
    SERVER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the server now, if it is not running, so that the first process does not wait for it.
///
/// # Errors
///
/// [`StartError`].
pub fn start() -> Result<(), StartError> {
    let name = "fork server";
    if !entry::is_claimed() {
        let method = StartMethod::ForkServer;
        return Err(StartError::NotClaimed { name: name.to_owned(), method });
    }
    let mut server = server();
    if server.as_ref().is_none_or(Server::has_ended) {
        if let Some(ended) = server.take() {
            ended.stop();
        }
        *server = Some(Server::launch().map_err(|trouble| trouble.starting(name))?);
    }
    Ok(())
}

/// Stops the server and waits for its end. The processes that it started go on.
///
/// There is no need to: it ends with this process. The next start that wants it starts another.
pub fn stop() {
    if let Some(server) = server().take() {
        server.stop();
    }
}

/// The server's number, while it is running.
pub fn pid() -> Option<i32> {
    server().as_ref().filter(|server| !server.has_ended()).map(|server| server.pid)
}

/// Forgets the server, in a process that is a copy of its owner.
pub(crate) fn forget() {
    *server() = None;
}

/// Starts a child that reads `letter` and runs its task with `parcel`.
pub(crate) fn start_child(letter: &Letter, parcel: Parcel) -> Result<Process, Trouble> {
    let count = parcel.descriptors.len();
    if count > ARGUMENT_DESCRIPTORS {
        return Err(Trouble::TooManyDescriptors { count, limit: ARGUMENT_DESCRIPTORS });
    }
    let mut descriptors = vec![
        letter.write(&parcel.bytes)?,
        duplicate_stream(io::stdout())?,
        duplicate_stream(io::stderr())?,
    ];
    if letter.tie == Tie::DiesWithParent {
        descriptors.push(current::state().line()?);
    }
    descriptors.extend(parcel.descriptors);
    let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();

    let mut server = server();
    for _ in 0..ATTEMPTS {
        let mut running = match server.take() {
            Some(running) => running,
            None => Server::launch()?,
        };
        match running.ask(&descriptors) {
            Ok(child) => {
                *server = Some(running);
                // Under the server's lock, so that whoever finds a child which is not entered
                // knows that it was never heard of.
                return Ok(registry::enter(letter, child));
            }
            Err(Refusal::Failed(error)) => {
                *server = Some(running);
                return Err(ForkError::System(error).into());
            }
            Err(Refusal::Unable(trouble)) => {
                *server = Some(running);
                return Err(Trouble::ForkServer(trouble));
            }
            Err(Refusal::Silent) => {
                running.stop();
                return Err(Trouble::ForkServer("does not answer"));
            }
            Err(Refusal::Gone) => {
                running.stop();
                reap_unheard();
            }
        }
    }
    Err(Trouble::ForkServer("dies whenever it is asked"))
}

/// Reaps the copies that were killed together with their server before either could speak of them.
///
/// They are children of this process of which nothing is known but the name.
fn reap_unheard() {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    for list in lists {
        for pid in list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()) {
            let name = fs::read_to_string(format!("/proc/{pid}/comm"));
            let is_unheard = name.is_ok_and(|name| name.trim_end() == NAME);
            if is_unheard
                && !registry::knows(pid)
                && let Ok(process) = pidfd::open(pid)
            {
                // Its end of the connection is closed already, so it is about to end.
                let _ = pidfd::wait_exit(process.as_fd(), Deadline::after(DYING));
            }
        }
    }
}

impl Server {
    fn launch() -> Result<Self, Trouble> {
        let (socket, theirs) = pair()?;
        let child = this_program(Role::Template)?
            .descriptor(theirs, LETTER)
            .descriptor(inheritance::descriptor()?, MEMORY)
            .descriptor(pidfd::open_self()?, PARENT)
            .start()?;
        Ok(Self { socket, process: child.pidfd, pid: child.pid, last_number: 0 })
    }

    fn has_ended(&self) -> bool {
        pidfd::has_ended(self.process.as_fd())
    }

    /// Asks for a copy that gets `descriptors`.
    fn ask(&mut self, descriptors: &[BorrowedFd<'_>]) -> Result<Child, Refusal> {
        let deadline = Deadline::after(PATIENCE);
        self.last_number += 1;
        let request = self.last_number.to_le_bytes();
        send_all(self.socket.as_fd(), &request, descriptors, deadline).map_err(Refusal::of)?;
        loop {
            let (answer, pidfd) = self.receive(deadline)?;
            if answer.number != self.last_number {
                // The second answer to an earlier request.
                continue;
            }
            return match (answer.result, pidfd) {
                (pid @ 1.., Some(pidfd)) => Ok(Child { pid, pidfd }),
                (0.., _) => Err(Refusal::Gone),
                (UNKNOWN, _) => Err(Refusal::Unable("cannot make a copy of itself")),
                (errno, _) => Err(Refusal::Failed(io::Error::from_raw_os_error(-errno))),
            };
        }
    }

    fn receive(&self, deadline: Deadline) -> Result<(Answer, Option<OwnedFd>), Refusal> {
        let mut bytes = [0; ANSWER];
        let mut descriptors = Vec::new();
        match recv_exact(self.socket.as_fd(), &mut bytes, &mut descriptors, deadline) {
            Ok(true) => Ok((Answer::decode(bytes), descriptors.pop())),
            Ok(false) => Err(Refusal::Gone),
            Err(error) => Err(Refusal::of(error)),
        }
    }

    /// Ends the server's process, which holds nothing that would be lost, and reaps it.
    fn stop(self) {
        // A process that may not be signaled or waited for is not ours any more.
        let _ = pidfd::signal(self.process.as_fd(), Signal::KILL);
        let _ = pidfd::wait_exit(self.process.as_fd(), Deadline::NEVER);
    }
}

impl Refusal {
    /// What it means that the connection fails.
    fn of(error: brigade_sys::Error) -> Self {
        match error.source.kind() {
            ErrorKind::TimedOut => Self::Silent,
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => {
                Self::Gone
            }
            _ => Self::Failed(error.source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_arrives_as_it_was_sent() {
        for result in [1, i32::MAX, -12] {
            let answer = Answer { number: u64::MAX - 1, result };
            assert_eq!(Answer::decode(answer.encode()), answer);
        }
    }
}
