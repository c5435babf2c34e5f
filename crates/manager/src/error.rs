//! What can go wrong between a proxy and its object.

use std::fmt;

use brigade_codec::{DecodeError, EncodeError};
use brigade_process::ExitStatus;
use brigade_wire::Address;
use thiserror::Error;

use crate::protocol::Refusal;

/// A call that the manager did not carry out, or whose outcome is unknown.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The manager's process has ended, and its objects with it.
    #[error("cannot call {0}")]
    Gone(Gone),
    /// The object is no more: everyone else has let it go before this proxy took hold of it.
    #[error("cannot call the object: it no longer exists")]
    NoObject,
    /// There is no such element.
    #[error("cannot reach index {index} of the list: it has {length} elements")]
    OutOfRange {
        /// The index asked for.
        index: usize,
        /// How many elements there are.
        length: usize,
    },
    /// The manager did not answer in time. The call may still be carried out.
    #[error("cannot call the manager at {address}: it does not answer")]
    TimedOut {
        /// Where it is.
        address: Address,
    },
    /// The value could not be encoded.
    #[error("cannot send the value to the manager: {0}")]
    Encode(#[from] EncodeError),
    /// The object holds a value of another type.
    #[error("cannot read the value from the manager: {0}")]
    Decode(#[from] DecodeError),
    /// The manager refused.
    #[error("the manager refused the call: {reason}")]
    Refused {
        /// What it said.
        reason: String,
    },
    /// The system refused.
    #[error("cannot call the manager: {0}")]
    System(#[from] brigade_sys::Error),
}

/// A manager whose process has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// Where it was.
    pub address: Address,
    /// Which process it was.
    pub pid: u32,
    /// How it ended, if this process started it.
    pub status: Option<ExitStatus>,
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the manager at {}: its process {} has ended", self.address, self.pid)?;
        match self.status {
            Some(status) => write!(f, " with {status}"),
            None => Ok(()),
        }
    }
}

impl CallError {
    /// An answer that does not fit the question: another version of brigade is at the other end.
    pub(crate) fn misfit() -> Self {
        Self::Refused { reason: "its answer does not fit the question".into() }
    }
}

impl From<Refusal> for CallError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoObject => Self::NoObject,
            Refusal::WrongKind { expected } => {
                Self::Refused { reason: format!("the object is no {}", expected.name()) }
            }
            Refusal::OutOfRange { length } => Self::OutOfRange {
                // The proxy that asked puts in which index it was.
                index: usize::MAX,
                length: usize::try_from(length).unwrap_or(usize::MAX),
            },
            Refusal::Malformed(reason) | Refusal::Failed(reason) => Self::Refused { reason },
        }
    }
}

/// A manager that could not be connected to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nobody listens there, or the system refuses.
    #[error("cannot connect to the manager: {0}")]
    System(#[from] brigade_sys::Error),
    /// Something else than a manager is there, or another version of one.
    #[error("cannot connect to the manager at {address}: {reason}")]
    NoManager {
        /// Where it was looked for.
        address: Address,
        /// What it did instead of answering.
        reason: String,
    },
}

impl From<ConnectError> for CallError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::System(error) => Self::System(error),
            other => Self::Refused { reason: other.to_string() },
        }
    }
}

/// A manager that was not started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// Its process was not started.
    #[error("cannot start the manager: {0}")]
    Process(#[from] brigade_process::StartError),
    /// Its initializer cannot be handed to it.
    #[error("cannot start the manager: {0}")]
    Task(#[from] brigade_process::call::TaskError),
    /// The argument of its initializer cannot be handed to it.
    #[error("cannot start the manager: {0}")]
    Encode(#[from] EncodeError),
    /// Its process could not listen, or its initializer failed.
    #[error("cannot start the manager: {reason}")]
    Failed {
        /// What its process said.
        reason: String,
    },
    /// Its process ended, or was ended because it did not answer, before it could listen.
    #[error("cannot start the manager: its process ended with {status}")]
    Ended {
        /// How it ended.
        status: ExitStatus,
    },
    /// It was started and could not be connected to.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The system refused.
    #[error("cannot start the manager: {0}")]
    System(#[from] brigade_sys::Error),
}
