//! Deadlines on the model's clock.

use std::time::Duration;

use crate::kernel;

/// The time since the model began.
pub fn now() -> Duration {
    kernel::now()
}

/// A moment after which a wait gives up, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Option<Duration>);

#[allow(missing_docs, reason = "as in the code under test")]
impl Deadline {
    pub const NEVER: Self = Self(None);

    pub fn at(moment: Duration) -> Self {
        Self(Some(moment))
    }

    pub fn after(timeout: Duration) -> Self {
        Self(kernel::now().checked_add(timeout))
    }

    pub fn after_option(timeout: Option<Duration>) -> Self {
        timeout.map_or(Self::NEVER, Self::after)
    }

    pub fn is_past(self) -> bool {
        self.0.is_some_and(|at| kernel::now() >= at)
    }

    pub fn remaining(self) -> Option<Duration> {
        self.0.map(|at| at.saturating_sub(kernel::now()))
    }

    pub fn min(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(one), Some(two)) => Self(Some(one.min(two))),
            (one, two) => Self(one.or(two)),
        }
    }

    pub(crate) fn moment(self) -> Option<Duration> {
        self.0
    }
}
