//! Letting time pass, where nothing announces what is waited for or where time itself is the point.

use std::time::Duration;

/// Waits for `duration`: before looking again at a file, a list of a manager or the supervisor's
/// status, which tell nobody that they have changed; or between two requests of the load.
#[allow(clippy::disallowed_methods, reason = "there is no word or descriptor to wait on")]
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}
