//! A wake-up that is broken on purpose, to see that the proof notices.
//!
//! A thread says to the kernel whom it is about to wake, or that it is being woken, before it does
//! anything that others can see; if it dies then, the kernel wakes in its place. Without that, steps
//! and storms must find somebody who waits for the dead.

use std::sync::atomic::Ordering::Relaxed;

use brigade_sys::thread::FORGETS_PENDING;

/// The operations that cannot do without: each commits and wakes, or is woken, beside others who
/// wait.
pub const OPERATIONS: [&str; 5] = [
    "lock: release, another waits",
    "semaphore: give a permit back, another waits",
    "event: set, three others wait",
    "queue: put, a short message, another waits to get",
    "queue: get, it is empty and another waits too, then two are put",
];

/// From now on, neither this process nor its children say anything to the kernel beforehand.
pub fn forget_pending() {
    FORGETS_PENDING.store(true, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases;

    #[test]
    fn the_operations_are_cases() {
        let names: Vec<_> = cases::all().iter().map(cases::Case::name).collect();
        assert!(OPERATIONS.iter().all(|name| names.iter().any(|it| it == name)), "{names:?}");
    }
}
