//! How a process is started.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::current;

/// How a process is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StartMethod {
    /// The program is started afresh. Works from any thread of any process.
    Spawn,
    /// A small process that was started for this purpose makes a copy of itself. Cheaper than
    /// [`Spawn`](Self::Spawn), and independent of the size of this process.
    ForkServer,
    /// This process makes a copy of itself: memory, descriptors, everything. Refused while it has
    /// other threads.
    Fork,
}

impl StartMethod {
    /// All methods, the original default first.
    #[doc(alias = "get_all_start_methods")]
    pub const ALL: [Self; 3] = [Self::Spawn, Self::ForkServer, Self::Fork];

    /// The method of processes that are started without naming one. Children inherit it.
    #[doc(alias = "get_start_method")]
    pub fn current_default() -> Self {
        current::state().default_method
    }

    /// Makes this the method of processes that are started without naming one.
    #[doc(alias = "set_start_method")]
    pub fn make_default(self) {
        current::state().default_method = self;
    }
}

impl fmt::Display for StartMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Spawn => "spawn",
            Self::ForkServer => "fork server",
            Self::Fork => "fork",
        })
    }
}
