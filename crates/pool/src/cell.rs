//! Where the result of a task arrives, and where those who want it wait.
//!
//! | bit of the word | meaning                                                            |
//! |-----------------|--------------------------------------------------------------------|
//! | `WAITERS`       | someone may sleep on the word                                      |
//! | `SETTLED`       | the task has ended; its callbacks may be looking at the result     |
//! | `READY`         | the result is there to be taken: the callbacks have run            |
//!
//! # Why no wake-up is lost
//!
//! Who wants to sleep sets `WAITERS` first, and the kernel lets it sleep only while the word is what
//! it was then. `READY` comes by a swap, which tells whether anyone has to be woken.
//!
//! # What a dead process leaves
//!
//! Nothing: the cell is memory of one process.

use std::collections::VecDeque;
use std::fmt;
use std::hint;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use brigade_sys::futex;
use brigade_sys::time::Deadline;
use brigade_sys::wait::Sleep;

use crate::error::TaskError;

const WAITERS: u32 = 1;
const SETTLED: u32 = 2;
const READY: u32 = 4;

/// How often a waiter looks before it sleeps: one to two microseconds.
const SPINS: u32 = 150;

/// Runs when the result is there.
pub(crate) type Callback<T> = Box<dyn FnOnce(Result<&T, &TaskError>) + Send>;

/// Tells someone of ours that the result is there.
pub(crate) type Watcher = Box<dyn FnOnce() + Send>;

/// The place of one result.
pub(crate) struct Cell<T> {
    word: AtomicU32,
    slot: Mutex<Slot<T>>,
}

struct Slot<T> {
    /// Not there before it has arrived, while callbacks look at it, and after it was taken.
    result: Option<Result<T, TaskError>>,
    /// Whether it has arrived and callbacks are looking at it.
    is_lent: bool,
    error: Option<TaskError>,
    callbacks: VecDeque<Callback<T>>,
    waker: Option<Waker>,
    watchers: Vec<Watcher>,
}

impl<T> Cell<T> {
    pub(crate) fn new() -> Self {
        let slot = Slot {
            result: None,
            is_lent: false,
            error: None,
            callbacks: VecDeque::new(),
            waker: None,
            watchers: Vec::new(),
        };
        Self { word: AtomicU32::new(0), slot: Mutex::new(slot) }
    }

    /// The slot, for a moment; nothing of the user's runs meanwhile.
    fn slot(&self) -> MutexGuard<'_, Slot<T>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the task has ended.
    pub(crate) fn is_settled(&self) -> bool {
        self.word.load(Acquire) & SETTLED != 0 // PAIR settled: with the store in `complete`.
    }

    /// Whether the result is there to be taken.
    pub(crate) fn is_ready(&self) -> bool {
        self.word.load(Acquire) & READY != 0 // PAIR ready: with the swap in `complete`.
    }

    /// Puts the result into its place, shows it to the callbacks, and wakes everyone. Called once.
    pub(crate) fn complete(&self, result: Result<T, TaskError>) {
        {
            let mut slot = self.slot();
            slot.error = result.as_ref().err().cloned();
            slot.is_lent = true;
        }
        // PAIR settled: the error is in the slot for whoever sees that the task has ended.
        self.word.fetch_or(SETTLED, Release);
        self.show(result);
        // PAIR ready: the result is in its place before anyone is told so.
        if self.word.swap(SETTLED | READY, Release) & WAITERS != 0 {
            futex::wake_all(&self.word);
        }
        let mut slot = self.slot();
        let (waker, watchers) = (slot.waker.take(), std::mem::take(&mut slot.watchers));
        drop(slot);
        for tell in watchers {
            tell();
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Runs `callback` when the result is there: now, in this thread, if it is.
    pub(crate) fn add_callback(&self, callback: Callback<T>) {
        let mut slot = self.slot();
        slot.callbacks.push_back(callback);
        // Someone who shows the result around will come to this one too.
        if !slot.is_lent
            && let Some(result) = slot.result.take()
        {
            slot.is_lent = true;
            drop(slot);
            self.show(result);
        }
    }

    /// Shows the result to the callbacks one after the other, and puts it into the slot.
    fn show(&self, result: Result<T, TaskError>) {
        loop {
            let mut slot = self.slot();
            let Some(callback) = slot.callbacks.pop_front() else {
                slot.result = Some(result);
                slot.is_lent = false;
                return;
            };
            drop(slot);
            isolated(|| callback(result.as_ref()));
        }
    }

    /// Takes the result, if it is there and nobody has taken it.
    pub(crate) fn take(&self) -> Option<Result<T, TaskError>> {
        if self.is_ready() { self.slot().result.take() } else { None }
    }

    /// The error that it ended with.
    pub(crate) fn error(&self) -> Option<TaskError> {
        if self.is_settled() { self.slot().error.clone() } else { None }
    }

    /// Has `waker` called when the result is there; `false` if it is there already.
    pub(crate) fn set_waker(&self, waker: &Waker) -> bool {
        let mut slot = self.slot();
        // Whoever completes takes the waker after it has said that the result is ready.
        slot.waker = Some(waker.clone());
        drop(slot);
        !self.is_ready()
    }

    /// Calls `tell` when the result is there: now, if it is.
    pub(crate) fn watch(&self, tell: Watcher) {
        let mut slot = self.slot();
        if !self.is_ready() {
            slot.watchers.push(tell);
            return;
        }
        drop(slot);
        tell();
    }

    /// Waits until the result is there; `false` if the deadline came first.
    pub(crate) fn wait(&self, deadline: Deadline) -> bool {
        for _ in 0..SPINS {
            if self.is_ready() {
                return true;
            }
            hint::spin_loop();
        }
        loop {
            let announced = self.announce();
            if self.is_ready() {
                return true;
            }
            if deadline.is_past() {
                return false;
            }
            futex::wait(&self.word, announced, deadline);
        }
    }

    /// Adds the word to what a thread sleeps on.
    pub(crate) fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        let announced = self.announce();
        sleep.word(&self.word, announced);
    }

    /// Says that someone is about to sleep, and returns the word to sleep on.
    fn announce(&self) -> u32 {
        self.word.fetch_or(WAITERS, Relaxed) | WAITERS
    }
}

impl<T> fmt::Debug for Cell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cell").field("settled", &self.is_settled()).finish_non_exhaustive()
    }
}

/// Runs code of the user's, whose panic ends there. The panic has shown itself already.
pub(crate) fn isolated<R>(work: impl FnOnce() -> R) -> Option<R> {
    // What a panic leaves half done belongs to whoever wrote the code that panicked.
    catch_unwind(AssertUnwindSafe(work)).map_err(std::mem::forget).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn callbacks_run_in_order_before_anyone_wakes_and_a_panic_stops_none() {
        let cell = Arc::new(Cell::new());
        let seen = Arc::new(Mutex::new(Vec::new()));
        for number in 0..3 {
            let seen = Arc::clone(&seen);
            cell.add_callback(Box::new(move |result: Result<&i32, &TaskError>| {
                seen.lock().unwrap().push((number, *result.unwrap()));
                assert_ne!(number, 1, "a callback that panics");
            }));
        }
        cell.complete(Ok(7));
        assert_eq!(*seen.lock().unwrap(), [(0, 7), (1, 7), (2, 7)]);
        let late = Arc::clone(&seen);
        cell.add_callback(Box::new(move |_| late.lock().unwrap().push((3, 0))));
        assert_eq!(seen.lock().unwrap().len(), 4);
        assert_eq!(cell.take().unwrap().unwrap(), 7);
        assert!(cell.take().is_none());
    }

    #[test]
    fn a_callback_may_add_another() {
        let cell = Arc::new(Cell::<i32>::new());
        let seen = Arc::new(Mutex::new(0));
        let (inner, count) = (Arc::clone(&cell), Arc::clone(&seen));
        cell.add_callback(Box::new(move |_| {
            inner.add_callback(Box::new(move |_| *count.lock().unwrap() += 1));
        }));
        cell.complete(Err(TaskError::Cancelled));
        assert_eq!(*seen.lock().unwrap(), 1);
        assert!(matches!(cell.error(), Some(TaskError::Cancelled)));
    }

    #[test]
    fn each_sleeper_is_woken() {
        for _ in 0..200 {
            let cell = Cell::new();
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| assert!(cell.wait(Deadline::NEVER)));
                }
                cell.complete(Ok(1));
            });
        }
    }

    #[test]
    fn a_wait_without_a_result_ends_at_its_deadline() {
        let cell = Cell::<()>::new();
        assert!(!cell.wait(Deadline::after(Duration::from_millis(10))));
    }
}
