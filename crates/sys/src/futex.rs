//! Sleeping on a word in memory that processes share, and waking who sleeps there.
//!
//! Every call is process-shared: `FUTEX_PRIVATE_FLAG` is never set, since a private wait on a word
//! that another process wakes sleeps for ever.
//!
//! See [futex(2)](https://man7.org/linux/man-pages/man2/futex.2.html).

use std::num::NonZeroU32;
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::futex::{self, Flags};

use crate::atomic::AtomicU32;
use crate::time::Deadline;

/// Set by those who wait, so that the owner of the word wakes one of them.
pub const WAITERS: u32 = futex::WAITERS;

/// Set by the kernel in place of the thread id when the thread that owned the word died.
pub const OWNER_DIED: u32 = futex::OWNER_DIED;

/// The bits of a word that hold the owner's thread id.
pub const TID_MASK: u32 = !(WAITERS | OWNER_DIED);

/// How a [`wait`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Woken, interrupted, or never asleep because the word had changed: look again.
    Awake,
    /// The deadline passed.
    TimedOut,
}

/// Sleeps until `word` is woken, unless it no longer holds `expected`.
///
/// Returns early for a signal, so that the caller looks at its condition again in every case.
#[inline]
pub fn wait(word: &AtomicU32, expected: u32, deadline: Deadline) -> Wait {
    let timeout = deadline.to_timespec();
    match futex::wait_bitset(word, Flags::empty(), expected, timeout.as_ref(), NonZeroU32::MAX) {
        Err(Errno::TIMEDOUT) => Wait::TimedOut,
        // AGAIN says that the word has changed, INTR that a signal came. No other error is
        // possible for a mapped and aligned word, and a look at the condition is right after any.
        _ => Wait::Awake,
    }
}

/// Wakes at most `count` of those who sleep on `word` and says how many woke.
#[inline]
pub fn wake(word: &AtomicU32, count: u32) -> usize {
    // The kernel reads the count as a signed number.
    let count = count.min(i32::MAX.cast_unsigned());
    futex::wake(word, Flags::empty(), count).unwrap_or(0)
}

/// Wakes everyone who sleeps on `word`.
pub fn wake_all(word: &AtomicU32) -> usize {
    wake(word, u32::MAX)
}

/// How many words one [`wait_any`] can sleep on.
pub const WAIT_ANY_LIMIT: usize = 128;

/// How long a thread sleeps where it cannot be woken.
pub(crate) const UNWATCHED_NAP: Duration = Duration::from_millis(5);

/// Sleeps until one of `words` is woken, unless one of them no longer holds its expected value.
///
/// Words beyond [`WAIT_ANY_LIMIT`] are not watched.
pub fn wait_any(words: &[(&AtomicU32, u32)], deadline: Deadline) -> Wait {
    let waiters: Vec<futex::Wait> = words
        .iter()
        .take(WAIT_ANY_LIMIT)
        .map(|&(word, expected)| {
            let mut waiter = futex::Wait::new();
            waiter.val = u64::from(expected);
            waiter.uaddr = futex::WaitPtr::new(word.as_ptr().cast());
            waiter.flags = futex::WaitFlags::SIZE_U32;
            waiter
        })
        .collect();
    let timeout = deadline.to_timespec();
    let clock = futex::ClockId::Monotonic;
    match futex::waitv(&waiters, futex::WaitvFlags::empty(), timeout.as_ref(), clock) {
        Err(Errno::TIMEDOUT) => Wait::TimedOut,
        Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Wait::Awake,
        // Where the call is not allowed, as in older sandboxes, a short sleep is slow but right.
        Err(_) => match words.first() {
            Some(&(word, expected)) => {
                let nap = Deadline::after(UNWATCHED_NAP).min(deadline);
                wait(word, expected, nap);
                if deadline.is_past() { Wait::TimedOut } else { Wait::Awake }
            }
            None => Wait::Awake,
        },
    }
}

/// Whether the kernel lets this process sleep on several words at once.
pub(crate) fn can_wait_any() -> bool {
    let word = AtomicU32::new(0);
    let mut waiter = futex::Wait::new();
    // Another value than the word's: the call must refuse to sleep, and say so.
    waiter.val = 1;
    waiter.uaddr = futex::WaitPtr::new(word.as_ptr().cast());
    waiter.flags = futex::WaitFlags::SIZE_U32;
    let clock = futex::ClockId::Monotonic;
    let asked = futex::waitv(&[waiter], futex::WaitvFlags::empty(), None, clock);
    matches!(asked, Err(Errno::AGAIN))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    #[test]
    fn a_word_that_has_changed_is_not_slept_on() {
        let word = AtomicU32::new(1);
        assert_eq!(wait(&word, 0, Deadline::NEVER), Wait::Awake);
        assert_eq!(wait_any(&[(&word, 1), (&word, 0)], Deadline::NEVER), Wait::Awake);
    }

    #[test]
    fn a_wait_ends_at_its_deadline_and_not_before() {
        let word = AtomicU32::new(0);
        for words in [1, 2] {
            let deadline = Deadline::after(Duration::from_millis(20));
            let list = vec![(&word, 0); words];
            while wait_any(&list, deadline) != Wait::TimedOut {}
            assert!(deadline.is_past());
        }
    }

    #[test]
    fn a_waker_ends_the_wait_of_another_thread() {
        for _ in 0..100 {
            let word = AtomicU32::new(0);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while word.load(Relaxed) == 0 {
                        wait(&word, 0, Deadline::NEVER);
                    }
                });
                word.store(1, Relaxed);
                wake_all(&word);
            });
        }
    }
}
