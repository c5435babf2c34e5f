//! The mechanisms, one file each.
//!
//! A mechanism makes an [`Opening`]: what each worker is told, and the feeder's ends of the lines,
//! which some mechanisms have only once the workers have come.

mod files;
mod ipc_channel;
mod list;
mod mailbox;
mod manager;
mod pool;
mod queue;
mod shm_pipe;
mod socket;
mod stream;
mod zmq;

use serde::{Deserialize, Serialize};

pub(crate) use self::pool::carry as carry_by_pool;
use super::Outcome;
use super::line::Line;

/// A way to carry messages between processes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mechanism {
    /// What it is called on the command line and in the table.
    pub(crate) name: &'static str,
    /// How its lines are made.
    pub(crate) means: Means,
}

/// How a mechanism's lines are made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Means {
    /// Lines to the job workers.
    Lines(fn(usize) -> Outcome<Opening>),
    /// The process pool, which has workers of its own.
    Pool,
}

/// All mechanisms, in the order of the table.
pub(crate) const ALL: [Mechanism; 15] = [
    lines("pipe", stream::open_pipe),
    lines("socketpair", stream::open_pair),
    lines("shm-pipe", shm_pipe::open),
    lines("queue", queue::open),
    lines("value-array", mailbox::open_value_array),
    lines("list", list::open),
    lines("shared-memory", mailbox::open_named),
    lines("semaphore", mailbox::open_semaphore),
    lines("unix-socket", socket::open_unix),
    lines("tcp-socket", socket::open_tcp),
    lines("zmq-push-pull", zmq::open_pipeline),
    lines("zmq-router-dealer", zmq::open_routed),
    lines("ipc-channel", ipc_channel::open),
    lines("manager", manager::open),
    Mechanism { name: "pool", means: Means::Pool },
];

/// The slowest, which the others are compared with.
pub(crate) const BASELINE: Mechanism = lines("files", files::open);

const fn lines(name: &'static str, open: fn(usize) -> Outcome<Opening>) -> Mechanism {
    Mechanism { name, means: Means::Lines(open) }
}

/// The feeder's ends: one for each worker, or one for all.
pub(crate) type Lines = Vec<Box<dyn Line>>;

/// A mechanism that is about to carry the job.
pub(crate) struct Opening {
    /// What each worker is told.
    pub(crate) invitations: Vec<Invitation>,
    /// Makes the feeder's ends, once the workers have been told.
    pub(crate) lines: Box<dyn FnOnce() -> Outcome<Lines>>,
}

impl Opening {
    /// An opening whose lines exist before the workers come.
    fn ready(invitations: Vec<Invitation>, lines: Lines) -> Self {
        Self { invitations, lines: Box::new(|| Ok(lines)) }
    }
}

/// What a worker needs to take its end of a line.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Invitation {
    Stream(stream::Invitation),
    ShmPipe(shm_pipe::Invitation),
    Queue(queue::Invitation),
    Mailbox(Box<mailbox::Invitation>),
    List(list::Invitation),
    Socket(socket::Invitation),
    Zmq(zmq::Invitation),
    IpcChannel(ipc_channel::Invitation),
    Manager(manager::Invitation),
    Files(files::Invitation),
    /// The demonstration is over.
    Leave,
}

impl Invitation {
    /// The worker's end of the line; `None` when the demonstration is over.
    pub(crate) fn accept(self) -> Outcome<Option<Box<dyn Line>>> {
        Ok(Some(match self {
            Self::Stream(invitation) => invitation.accept()?,
            Self::ShmPipe(invitation) => invitation.accept(),
            Self::Queue(invitation) => invitation.accept(),
            Self::Mailbox(invitation) => invitation.accept(),
            Self::List(invitation) => invitation.accept(),
            Self::Socket(invitation) => invitation.accept()?,
            Self::Zmq(invitation) => invitation.accept()?,
            Self::IpcChannel(invitation) => invitation.accept()?,
            Self::Manager(invitation) => invitation.accept(),
            Self::Files(invitation) => invitation.accept(),
            Self::Leave => return Ok(None),
        }))
    }
}
