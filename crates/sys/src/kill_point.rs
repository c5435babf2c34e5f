//! Labelled steps at which a test can kill a process, as `kill -9` would.
//!
//! Each store that other processes can see has a label before or after it. With the feature
//! `kill-points` a test arms a count in a child, and the child dies at that hit; the test then
//! checks that everyone else goes on, and arms the next count, until the child comes through.
//! Without the feature a label costs nothing.

/// Passes a labelled step; dies here if a test has counted down to it.
#[cfg(not(feature = "kill-points"))]
#[inline(always)]
pub fn kill_point(_label: &'static str) {}

#[cfg(feature = "kill-points")]
pub use armed::{arm, kill_point};

#[cfg(feature = "kill-points")]
mod armed {
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering::Relaxed;

    use rustix::process::{Signal, getpid, kill_process};

    /// How many labelled steps are left to pass; zero when nothing is armed.
    static LEFT: AtomicU32 = AtomicU32::new(0);

    /// Makes this process die at the labelled step number `count` from now on; 0 disarms.
    pub fn arm(count: u32) {
        LEFT.store(count, Relaxed);
    }

    /// Passes a labelled step; dies here if a test has counted down to it.
    #[inline]
    pub fn kill_point(label: &'static str) {
        if LEFT.load(Relaxed) != 0 && LEFT.fetch_sub(1, Relaxed) == 1 {
            die(label);
        }
    }

    #[cold]
    fn die(_label: &'static str) {
        // A signal to ourselves: the id is ours. Nothing below this line runs.
        let _ = kill_process(getpid(), Signal::KILL);
    }
}
