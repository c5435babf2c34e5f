//! Telling one waiter which of many futures are done, in the order in which they became so.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};

use brigade_sys::time::Deadline;

/// The numbers of futures that are done and that nobody has asked for yet.
#[derive(Debug, Default)]
pub(crate) struct Latch {
    done: Mutex<VecDeque<usize>>,
    changed: Condvar,
}

impl Latch {
    pub(crate) fn push(&self, index: usize) {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).push_back(index);
        self.changed.notify_one();
    }

    /// The next one, if there is one by the deadline.
    pub(crate) fn pop(&self, deadline: Deadline) -> Option<usize> {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(index) = done.pop_front() {
                return Some(index);
            }
            if deadline.is_past() {
                return None;
            }
            done = match deadline.remaining() {
                None => self.changed.wait(done).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    self.changed.wait_timeout(done, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}
