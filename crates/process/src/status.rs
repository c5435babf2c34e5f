//! How a process ended.

use std::fmt;

use brigade_sys::pidfd::Exit;
use brigade_sys::signals::Signal;
use serde::{Deserialize, Serialize};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[doc(alias = "exitcode")]
pub enum ExitStatus {
    /// It exited with this code: 0 for success, 101 after a panic.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// It has ended, and how was not to be learned: somebody else has reaped it.
    Unknown,
}

impl ExitStatus {
    /// Whether it exited with code 0.
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }
}

impl From<Exit> for ExitStatus {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Code(code) => Self::Code(code),
            Exit::Signal(signal) => Self::Signal(signal),
        }
    }
}

impl fmt::Display for ExitStatus {
    /// Writes `exit code 3`, `SIGKILL` or `unknown exit status`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(number) => match Signal::from_number(number) {
                Some(signal) => write!(f, "{signal}"),
                None => write!(f, "signal {number}"),
            },
            Self::Unknown => f.write_str("unknown exit status"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_reads_as_what_happened() {
        assert_eq!(ExitStatus::Code(3).to_string(), "exit code 3");
        assert_eq!(ExitStatus::Signal(9).to_string(), "SIGKILL");
        assert_eq!(ExitStatus::Signal(40).to_string(), "signal 40");
        assert_eq!(ExitStatus::Unknown.to_string(), "unknown exit status");
        assert!(ExitStatus::Code(0).success());
        assert!(!ExitStatus::Unknown.success());
    }
}
