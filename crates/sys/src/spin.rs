//! Whether it is worth looking again before going to sleep.

use std::sync::OnceLock;

/// Whether another thread can make progress while this one spins.
///
/// A wake-up across processors costs tens of microseconds where a look costs nanoseconds; but on a
/// single processor a spinning thread only keeps the one it waits for from running.
#[inline]
pub fn is_parallel() -> bool {
    static PARALLEL: OnceLock<bool> = OnceLock::new();
    *PARALLEL.get_or_init(|| std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() > 1))
}
