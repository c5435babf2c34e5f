//! Why a program could not be started.

use std::fmt;
use std::io;

/// How far a start had come when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[non_exhaustive]
pub enum Stage {
    /// Before the fork: an argument with a zero byte, `/dev/null`, memory for the child's stack.
    Prepare = 1,
    /// The fork itself.
    Fork,
    /// Giving every signal its default effect and emptying the mask.
    Signals,
    /// A new session or process group.
    Session,
    /// The current directory.
    Directory,
    /// The nice value.
    Nice,
    /// A resource limit.
    Limit,
    /// Putting the descriptors in their places and closing the others.
    Descriptors,
    /// Groups, group and user.
    Identity,
    /// The signal at the parent's death; also when the parent was gone already.
    DeathSignal,
    /// The exec: no such file, not executable, wrong format.
    Exec,
}

impl Stage {
    const ALL: [Self; 11] = [
        Self::Prepare,
        Self::Fork,
        Self::Signals,
        Self::Session,
        Self::Directory,
        Self::Nice,
        Self::Limit,
        Self::Descriptors,
        Self::Identity,
        Self::DeathSignal,
        Self::Exec,
    ];

    pub(super) fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| *stage as u32 == number)
    }

    fn attempt(self) -> &'static str {
        match self {
            Self::Prepare => "prepare the start",
            Self::Fork => "fork",
            Self::Signals => "reset its signals",
            Self::Session => "give it a session or process group",
            Self::Directory => "enter its current directory",
            Self::Nice => "set its nice value",
            Self::Limit => "set its resource limits",
            Self::Descriptors => "put its descriptors in place",
            Self::Identity => "change its user and groups",
            Self::DeathSignal => "tie it to its parent's life",
            Self::Exec => "execute it",
        }
    }
}

/// A program that was not started. No process is left of the attempt.
///
/// Displays as `cannot start <program>: cannot <stage>: <reason>`.
#[derive(Debug)]
#[non_exhaustive]
pub struct LaunchError {
    /// The program.
    pub program: String,
    /// How far the start had come.
    pub stage: Stage,
    /// What the system said.
    pub source: io::Error,
}

impl fmt::Display for LaunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot start {}: cannot {}: {}", self.program, self.stage.attempt(), self.source)
    }
}

impl std::error::Error for LaunchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_is_found_by_its_number() {
        for stage in Stage::ALL {
            assert_eq!(Stage::from_number(stage as u32), Some(stage));
        }
        assert_eq!(Stage::from_number(0), None);
    }
}
