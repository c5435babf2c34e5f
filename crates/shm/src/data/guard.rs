//! A robust lock held while something is changed.

use brigade_sys::kill_point::kill_point;
use brigade_sys::robust::RobustLock;
use brigade_sys::time::Deadline;

/// The lock, released when dropped, also when the change panics.
///
/// Whether the last holder died is not told: each use of this lock commits by one store that says
/// all that the next holder has to know.
pub(super) struct Guard {
    lock: &'static RobustLock,
}

impl Guard {
    pub(super) fn new(lock: &'static RobustLock) -> Self {
        let _ = lock.lock(Deadline::NEVER);
        kill_point("guard.locked");
        Self { lock }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        kill_point("guard.unlock");
        self.lock.unlock();
        kill_point("guard.unlocked");
    }
}
