//! How long a failed program rests before it is started again.

use std::time::Duration;

/// Which ends of a program's process lead to a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Restart {
    /// Every end.
    #[default]
    Always,
    /// A signal, or a code other than zero.
    OnFailure,
    /// None: an end is the end.
    Never,
}

impl Restart {
    /// Whether a process that ended this way gets a successor.
    pub fn wants(self, outcome: Outcome) -> bool {
        match self {
            Restart::Always => true,
            Restart::OnFailure => outcome == Outcome::Failure,
            Restart::Never => false,
        }
    }

    /// The word that stands for it in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Restart::Always => "always",
            Restart::OnFailure => "on-failure",
            Restart::Never => "never",
        }
    }
}

/// How a process ended, as far as a decision needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Exit code zero.
    Success,
    /// Any other code, a signal, or a process that could not be started.
    Failure,
}

/// How the rests of a program that keeps failing grow.
///
/// The first failure after a healthy time costs no rest at all, so a worker that was killed is
/// back at once. The second rests for `initial`, and each further one twice as long as the one
/// before, up to `max`. A process that stays up for `reset_after` ends the series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// The rest after the second failure in a row.
    pub initial: Duration,
    /// The longest rest.
    pub max: Duration,
    /// The share by which a rest may be shorter or longer, from 0 to 1, so that programs which
    /// failed together do not all come back together.
    pub jitter: f64,
    /// How long a process must have been up for its failure to count as the first.
    pub reset_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(100),
            max: Duration::from_secs(30),
            jitter: 0.1,
            reset_after: Duration::from_secs(5),
        }
    }
}

impl Backoff {
    /// The rest after the `failures`-th failure in a row; `random` is uniform over all of `u32`.
    pub fn rest(&self, failures: u32, random: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(2) else { return Duration::ZERO };
        // Far beyond any sensible rest, and still finite: zero times the factor stays zero.
        let factor = 2_f64.powi(i32::try_from(doublings.min(62)).unwrap_or(62));
        let longest = self.max.as_secs_f64();
        let rest = (self.initial.as_secs_f64() * factor).min(longest);
        let share = f64::from(random) / f64::from(u32::MAX) * 2.0 - 1.0;
        let rest = rest * (1.0 + share * self.jitter.clamp(0.0, 1.0));
        Duration::try_from_secs_f64(rest.min(longest)).unwrap_or(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: u32 = u32::MAX / 2;

    fn check(failures: u32, expected_ms: u64) {
        let backoff = Backoff { jitter: 0.0, ..Backoff::default() };
        assert_eq!(backoff.rest(failures, MIDDLE), Duration::from_millis(expected_ms));
    }

    #[test]
    fn the_first_failure_costs_no_rest_and_the_next_ones_double_it() {
        check(0, 0);
        check(1, 0);
        check(2, 100);
        check(3, 200);
        check(4, 400);
        check(10, 25_600);
        check(11, 30_000);
        check(66, 30_000);
        check(u32::MAX, 30_000);
    }

    #[test]
    fn jitter_stays_within_its_share_and_never_exceeds_the_longest_rest() {
        let backoff = Backoff { jitter: 0.5, ..Backoff::default() };
        assert_eq!(backoff.rest(2, 0), Duration::from_millis(50));
        assert_eq!(backoff.rest(2, u32::MAX), Duration::from_millis(150));
        assert_eq!(backoff.rest(40, u32::MAX), backoff.max);
        assert_eq!(backoff.rest(40, 0), Duration::from_secs(15));
    }

    #[test]
    fn a_rest_of_zero_stays_zero() {
        let backoff = Backoff { initial: Duration::ZERO, ..Backoff::default() };
        assert_eq!(backoff.rest(500, MIDDLE), Duration::ZERO);
    }

    #[test]
    fn each_policy_answers_each_outcome() {
        let table = [
            (Restart::Always, true, true),
            (Restart::OnFailure, false, true),
            (Restart::Never, false, false),
        ];
        for (policy, after_success, after_failure) in table {
            assert_eq!(policy.wants(Outcome::Success), after_success, "{}", policy.name());
            assert_eq!(policy.wants(Outcome::Failure), after_failure, "{}", policy.name());
        }
    }
}
