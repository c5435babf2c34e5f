//! The one error of this floor: an operation, its object, and what the system said.

use std::fmt;
use std::io;

/// A system call that failed.
///
/// Displays as `cannot <operation> <object>: <reason>`.
#[derive(Debug)]
#[non_exhaustive]
pub struct Error {
    /// What was attempted, as an infinitive: `map`, `start`, `connect to`.
    pub operation: &'static str,
    /// What it was attempted on: `arena 4711`, `/run/web.sock`.
    pub object: String,
    /// What the system said.
    pub source: io::Error,
}

impl Error {
    /// Says that `operation` failed on `object` because of `source`.
    pub fn new(
        operation: &'static str,
        object: impl Into<String>,
        source: impl Into<io::Error>,
    ) -> Self {
        Self { operation, object: object.into(), source: source.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.operation, self.object, self.source)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
