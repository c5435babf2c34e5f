//! Many timers on one descriptor.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use brigade_sys::time::now;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::machine::Process;

/// Whose timer it is. Each has at most one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key {
    /// The machine's timer for a process.
    Process(Process),
    /// A process that has run for so long is ready.
    Ready(Process),
    /// The output of a process that has gone is given up.
    Output(u64),
    /// Clients of the control socket have had their time.
    Clients,
}

/// All timers. The descriptor sleeps as long as the earliest of them.
#[derive(Debug)]
pub(super) struct Timers {
    descriptor: TimerFd,
    /// What the descriptor is set to.
    set: Option<Duration>,
    /// When each timer runs out.
    armed: HashMap<Key, Duration>,
    /// The same in order of time, with entries that no longer hold among them.
    order: BinaryHeap<Reverse<(Duration, Key)>>,
}

impl Timers {
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let descriptor = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        Ok(Self { descriptor, set: None, armed: HashMap::new(), order: BinaryHeap::new() })
    }

    /// Sets a timer, instead of the one that the key has.
    pub(super) fn arm(&mut self, key: Key, after: Duration) {
        // A time beyond the clock's range never comes.
        let Some(at) = now().checked_add(after) else { return self.disarm(key) };
        self.arm_at(key, at);
    }

    /// Sets a timer to a time on the monotonic clock.
    pub(super) fn arm_at(&mut self, key: Key, at: Duration) {
        if self.armed.insert(key, at) != Some(at) {
            self.order.push(Reverse((at, key)));
        }
    }

    /// Takes a timer away, if there is one.
    pub(super) fn disarm(&mut self, key: Key) {
        self.armed.remove(&key);
    }

    /// When a timer runs out.
    pub(super) fn deadline(&self, key: Key) -> Option<Duration> {
        self.armed.get(&key).copied()
    }

    /// Takes the earliest timer that has run out.
    pub(super) fn pop_due(&mut self) -> Option<Key> {
        let (at, key) = self.earliest()?;
        if at > now() {
            return None;
        }
        self.order.pop();
        self.armed.remove(&key);
        Some(key)
    }

    /// Sets the descriptor to the earliest timer. To be called before sleeping.
    pub(super) fn schedule(&mut self) -> io::Result<()> {
        let earliest = self.earliest().map(|(at, _)| at);
        if earliest == self.set {
            return Ok(());
        }
        match earliest {
            // A time of zero would mean no timer; the clock was beyond it at boot.
            Some(at) => self.descriptor.set(
                Expiration::OneShot(TimeSpec::from_duration(at.max(Duration::from_nanos(1)))),
                TimerSetTimeFlags::TFD_TIMER_ABSTIME,
            )?,
            None => self.descriptor.unset()?,
        }
        self.set = earliest;
        Ok(())
    }

    /// Takes note that the descriptor woke us.
    pub(super) fn woke(&mut self) {
        // Reading makes it unreadable again; what it says is known.
        let _ = self.descriptor.wait();
        self.set = None;
    }

    /// The earliest timer that holds; drops those before it that do not.
    fn earliest(&mut self) -> Option<(Duration, Key)> {
        while let Some(&Reverse((at, key))) = self.order.peek() {
            if self.armed.get(&key) == Some(&at) {
                return Some((at, key));
            }
            self.order.pop();
        }
        None
    }
}

impl AsFd for Timers {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

    use super::*;

    #[test]
    fn timers_run_out_in_their_order_and_a_new_one_replaces_the_old() {
        let mut timers = Timers::new().unwrap();
        let base = now();
        timers.arm_at(Key::Output(1), base.saturating_sub(Duration::from_secs(1)));
        timers.arm_at(Key::Output(2), base.saturating_sub(Duration::from_secs(2)));
        timers.arm_at(Key::Output(3), base.saturating_sub(Duration::from_secs(3)));
        timers.arm(Key::Output(3), Duration::from_secs(1000));
        timers.arm(Key::Output(1), Duration::ZERO);
        timers.disarm(Key::Output(7));
        assert_eq!(timers.pop_due(), Some(Key::Output(2)));
        assert_eq!(timers.pop_due(), Some(Key::Output(1)));
        assert_eq!(timers.pop_due(), None);
        timers.disarm(Key::Output(3));
        timers.schedule().unwrap();
        assert_eq!(timers.set, None);
    }

    #[test]
    fn the_descriptor_wakes_for_the_earliest_timer() {
        let mut timers = Timers::new().unwrap();
        timers.arm(Key::Clients, Duration::from_millis(5));
        timers.arm(Key::Output(1), Duration::MAX);
        timers.schedule().unwrap();
        while timers.pop_due().is_none() {
            timers.descriptor.wait().unwrap_or(());
        }
        timers.woke();
        timers.schedule().unwrap();
        assert_eq!(timers.set, None);
    }

    #[test]
    fn a_timer_that_is_set_again_and_again_costs_no_more_than_one() {
        let mut timers = Timers::new().unwrap();
        for _ in 0..10_000 {
            timers.arm(Key::Clients, Duration::ZERO);
            assert_eq!(timers.pop_due(), Some(Key::Clients));
        }
        assert!(timers.order.is_empty() && timers.armed.is_empty());
    }
}
