//! Why a process was not started.

use brigade_codec::EncodeError;
use brigade_sys::fork::ForkError;
use brigade_sys::launch::LaunchError;
use thiserror::Error;

use crate::call::TaskError;
use crate::method::StartMethod;

/// A process that was not started. Its function has not run and will not.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The program has not claimed its entry point, so a child would run `main` again.
    #[error(
        "cannot start process `{name}` by {method}: this program has not claimed its entry point; \
         call `brigade::init()` first in `main`, or put `#[brigade::main]` on it \
         (in a test binary: `brigade_process::test_binary!();`)"
    )]
    NotClaimed {
        /// The name of the process.
        name: String,
        /// How it was to be started.
        method: StartMethod,
    },
    /// The process has other threads, whose locks a copy could never take.
    #[error(
        "cannot start process `{name}` by fork: this process has {threads} threads, and a fork \
         copies only one; use spawn or the fork server"
    )]
    OtherThreads {
        /// The name of the process.
        name: String,
        /// How many threads there are.
        threads: usize,
    },
    /// The argument could not be encoded.
    #[error("cannot start process `{name}`: {source}")]
    Encode {
        /// The name of the process.
        name: String,
        /// What is wrong with the argument.
        source: EncodeError,
    },
    /// The argument holds more descriptors than can be passed.
    #[error(
        "cannot start process `{name}`: its argument holds {count} descriptors, and at most \
         {limit} can be passed"
    )]
    TooManyDescriptors {
        /// The name of the process.
        name: String,
        /// How many the argument holds.
        count: usize,
        /// How many can be passed.
        limit: usize,
    },
    /// The function is not part of the main program.
    #[error("cannot start process `{name}`: {source}")]
    Task {
        /// The name of the process.
        name: String,
        /// What is wrong with the function.
        source: TaskError,
    },
    /// The program could not be executed.
    #[error("cannot start process `{name}`: {source}")]
    Launch {
        /// The name of the process.
        name: String,
        /// What the system said, and when.
        source: LaunchError,
    },
    /// No copy could be made.
    #[error("cannot start process `{name}`: {source}")]
    Fork {
        /// The name of the process.
        name: String,
        /// What the system said.
        source: ForkError,
    },
    /// The fork server did not answer in time, or died again and again.
    #[error("cannot start process `{name}`: the fork server {trouble}")]
    ForkServer {
        /// The name of the process.
        name: String,
        /// What happened.
        trouble: &'static str,
    },
    /// The program's shared memory could not be handed on.
    #[error("cannot start process `{name}`: {source}")]
    SharedMemory {
        /// The name of the process.
        name: String,
        /// What is wrong with it.
        source: brigade_shm::Error,
    },
    /// A system call failed.
    #[error("cannot start process `{name}`: {source}")]
    System {
        /// The name of the process.
        name: String,
        /// Which, and why.
        source: brigade_sys::Error,
    },
}

/// What went wrong on the way, before the name of the process is put to it.
#[derive(Debug)]
pub(crate) enum Trouble {
    Encode(EncodeError),
    TooManyDescriptors { count: usize, limit: usize },
    Task(TaskError),
    Launch(LaunchError),
    Fork(ForkError),
    ForkServer(&'static str),
    SharedMemory(brigade_shm::Error),
    System(brigade_sys::Error),
}

impl Trouble {
    pub(crate) fn starting(self, name: &str) -> StartError {
        let name = name.to_owned();
        match self {
            Self::Encode(source) => StartError::Encode { name, source },
            Self::TooManyDescriptors { count, limit } => {
                StartError::TooManyDescriptors { name, count, limit }
            }
            Self::Task(source) => StartError::Task { name, source },
            Self::Launch(source) => StartError::Launch { name, source },
            Self::Fork(ForkError::Threads(threads)) => StartError::OtherThreads { name, threads },
            Self::Fork(source) => StartError::Fork { name, source },
            Self::ForkServer(trouble) => StartError::ForkServer { name, trouble },
            Self::SharedMemory(source) => StartError::SharedMemory { name, source },
            Self::System(source) => StartError::System { name, source },
        }
    }
}

macro_rules! from {
    ($($source:ty => $variant:ident),*) => {
        $(impl From<$source> for Trouble {
            fn from(source: $source) -> Self {
                Self::$variant(source)
            }
        })*
    };
}
from!(
    EncodeError => Encode,
    TaskError => Task,
    LaunchError => Launch,
    ForkError => Fork,
    brigade_shm::Error => SharedMemory,
    brigade_sys::Error => System
);
