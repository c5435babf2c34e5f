//! The timer: a function that runs after a while, in a thread of this process.
//!
//! | word        | meaning                                       |
//! |-------------|-----------------------------------------------|
//! | `WAITING`   | the time has not come                         |
//! | `CANCELLED` | the function will not run                     |
//! | `RUNNING`   | the time has come                             |
//! | `OVER`      | the function has run, or was not to run       |
//!
//! # Why no wake-up is lost
//!
//! Whoever waits sleeps only while the word is what it saw, and whoever changes the word wakes
//! everyone afterwards.
//!
//! # What a dead process leaves
//!
//! Nothing: the word is the process's own, and the timer ends with it.

use std::fmt;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use brigade_sys::atomic::AtomicU32;
use brigade_sys::atomic::Ordering::{Acquire, Relaxed, Release};
use brigade_sys::futex;
use brigade_sys::time::Deadline;

use crate::error::Error;

const WAITING: u32 = 0;
const CANCELLED: u32 = 1;
const RUNNING: u32 = 2;
const OVER: u32 = 3;

/// A function that runs once, after a while, unless it is cancelled before.
///
/// It runs in a thread of its own in this process. Dropping the timer leaves it running; like every
/// thread it ends with the process, which does not wait for it unless it [joins](Self::join).
///
/// # Process death
///
/// The timer is the process's own: it does not run after its death.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use brigade_shm::{Event, Timer};
///
/// let rung = Event::new()?;
/// let bell = rung.clone();
/// let timer = Timer::start(Duration::from_millis(5), move || bell.set())?;
/// rung.wait();
/// assert!(!timer.cancel(), "it is too late");
/// # Ok::<(), brigade_shm::Error>(())
/// ```
pub struct Timer {
    state: Arc<State>,
    thread: JoinHandle<()>,
}

struct State(AtomicU32);

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").field("over", &self.is_over()).finish_non_exhaustive()
    }
}

impl Timer {
    /// Runs `function` when `delay` has passed.
    ///
    /// # Errors
    ///
    /// Fails when the system gives no thread.
    pub fn start(delay: Duration, function: impl FnOnce() + Send + 'static) -> Result<Self, Error> {
        let deadline = Deadline::after(delay);
        let state = Arc::new(State(AtomicU32::new(WAITING)));
        let timer = state.clone();
        let run = move || {
            let over = Over(&timer);
            if over.0.wait_while(WAITING, deadline) && over.0.turn(WAITING, RUNNING) {
                function();
            }
        };
        let spawned = thread::Builder::new().name("brigade-timer".into()).spawn(run);
        let thread =
            spawned.map_err(|error| brigade_sys::Error::new("start", "a timer's thread", error))?;
        Ok(Self { state, thread })
    }

    /// Sees to it that the function does not run, and says whether that was in time: false when it
    /// has begun, or was cancelled before.
    pub fn cancel(&self) -> bool {
        self.state.turn(WAITING, CANCELLED)
    }

    /// Whether there is nothing to wait for: the function has run, or was cancelled.
    pub fn is_over(&self) -> bool {
        self.state.0.load(Relaxed) == OVER
    }

    /// Waits until the function has run, or was cancelled.
    ///
    /// # Errors
    ///
    /// What the function panicked with.
    pub fn join(self) -> thread::Result<()> {
        self.thread.join()
    }

    /// Waits at most for `timeout`, and says whether the timer is over.
    #[doc(alias = "join(timeout)")]
    pub fn join_timeout(&self, timeout: Duration) -> bool {
        let deadline = Deadline::after(timeout);
        loop {
            // PAIR over: what the function did is visible to who finds that it has run.
            let seen = self.state.0.load(Acquire);
            if seen == OVER || deadline.is_past() {
                return seen == OVER;
            }
            self.state.wait_while(seen, deadline);
        }
    }
}

impl State {
    /// Sleeps while the word is `seen`; true when the deadline has passed meanwhile.
    fn wait_while(&self, seen: u32, deadline: Deadline) -> bool {
        while self.0.load(Relaxed) == seen {
            if deadline.is_past() {
                return true;
            }
            futex::wait(&self.0, seen, deadline);
        }
        false
    }

    /// Changes the word if it is `from`.
    fn turn(&self, from: u32, to: u32) -> bool {
        let turned = self.0.compare_exchange(from, to, Relaxed, Relaxed).is_ok();
        if turned {
            futex::wake_all(&self.0);
        }
        turned
    }
}

/// Says that the timer is over, also when the function panics.
struct Over<'a>(&'a State);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.0.store(OVER, Release); // PAIR over: with the load in `join_timeout`.
        futex::wake_all(&self.0.0);
    }
}

#[cfg(test)]
#[path = "timer_tests.rs"]
mod tests;
