//! How long a thread sleeps before it looks for itself.
//!
//! The kernel wakes one of those who watch a process that dies, and that one wakes the others. If it
//! is killed before it has, they hear of it only if they watch it too. So where one could be left
//! behind by two deaths in a row, it looks for itself now and then.

#[cfg(feature = "kill-points")]
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

const SECOND_LOOK: Duration = Duration::from_millis(500);

/// After how long to look again.
#[cfg(not(feature = "kill-points"))]
pub(crate) fn second_look() -> Duration {
    SECOND_LOOK
}

#[cfg(feature = "kill-points")]
pub(crate) fn second_look() -> Duration {
    if FORGONE.load(Relaxed) { Duration::from_secs(3_600) } else { SECOND_LOOK }
}

/// Tests of single deaths see to it that no wake-up is found by a second look.
#[cfg(feature = "kill-points")]
pub(crate) static FORGONE: AtomicBool = AtomicBool::new(false);
