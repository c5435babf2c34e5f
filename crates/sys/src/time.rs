//! Deadlines on the monotonic clock.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

/// A moment on `CLOCK_MONOTONIC` after which a wait gives up, or never.
///
/// A deadline is computed once, where the caller's time-out enters the library; every retry waits
/// for the rest. A change of the wall clock or a signal neither shortens nor lengthens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Option<Duration>);

impl Deadline {
    /// Waits for ever.
    pub const NEVER: Self = Self(None);

    /// The moment `timeout` from now. A time-out beyond the clock's range is never.
    pub fn after(timeout: Duration) -> Self {
        Self(now().checked_add(timeout).filter(|at| i64::try_from(at.as_secs()).is_ok()))
    }

    /// The moment at which [`now`] will be `moment`.
    pub fn at(moment: Duration) -> Self {
        Self(Some(moment).filter(|at| i64::try_from(at.as_secs()).is_ok()))
    }

    /// [`after`](Self::after), or [`NEVER`](Self::NEVER) for `None`.
    pub fn after_option(timeout: Option<Duration>) -> Self {
        timeout.map_or(Self::NEVER, Self::after)
    }

    /// Whether the moment has passed.
    pub fn is_past(self) -> bool {
        self.0.is_some_and(|at| now() >= at)
    }

    /// The time left: zero when past, `None` for never.
    pub fn remaining(self) -> Option<Duration> {
        self.0.map(|at| at.saturating_sub(now()))
    }

    /// The earlier of two deadlines.
    pub fn min(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(one), Some(two)) => Self(Some(one.min(two))),
            (one, two) => Self(one.or(two)),
        }
    }

    /// The moment as the kernel's absolute time, or `None` for never.
    pub fn to_timespec(self) -> Option<Timespec> {
        let at = self.0?;
        let tv_sec = i64::try_from(at.as_secs()).ok()?;
        Some(Timespec { tv_sec, tv_nsec: i64::from(at.subsec_nanos()) })
    }

    /// The time left in whole milliseconds for `poll(2)`, rounded up; -1 for never.
    pub fn to_poll_timeout(self) -> i32 {
        self.remaining().map_or(-1, |left| {
            let millis = left.as_nanos().div_ceil(1_000_000);
            i32::try_from(millis).unwrap_or(i32::MAX)
        })
    }
}

/// The time since boot on `CLOCK_MONOTONIC`.
pub fn now() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    // The monotonic clock starts at zero and never runs backwards, so both parts are in range.
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_without_time_left_is_past() {
        let deadline = Deadline::after(Duration::ZERO);
        assert!(deadline.is_past());
        assert_eq!(deadline.remaining(), Some(Duration::ZERO));
        assert_eq!(deadline.to_poll_timeout(), 0);
    }

    #[test]
    fn never_is_later_than_every_moment() {
        let soon = Deadline::after(Duration::from_secs(1));
        assert_eq!(Deadline::NEVER.min(soon), soon);
        assert_eq!(soon.min(Deadline::NEVER), soon);
        assert!(!Deadline::NEVER.is_past());
        assert_eq!(Deadline::NEVER.to_poll_timeout(), -1);
    }

    #[test]
    fn a_timeout_beyond_the_clock_is_never() {
        assert_eq!(Deadline::after(Duration::MAX), Deadline::NEVER);
    }
}
