//! Results in the order of their input, with a window of tasks ahead.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use std::vec;

use brigade_codec::Message;
use brigade_process::call::message_of;
use brigade_sys::time::Deadline;

use crate::error::TaskError;
use crate::future::Future;
use crate::pool::ProcessPool;

/// The chunks ahead for each worker, if nothing else is said.
const AHEAD: usize = 8;

/// How a map goes about its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapPolicy {
    /// How many elements make one task. More than one saves time where the function is quick.
    ///
    /// If a worker dies, all elements of the task it ran share its fate.
    #[doc(alias = "chunksize")]
    pub chunk: NonZero<usize>,
    /// How many elements are taken from the input before their results are, at most; at least one
    /// chunk. `None` is eight chunks for each worker.
    #[doc(alias = "buffersize")]
    pub window: Option<NonZero<usize>>,
    /// How long all of it may take, counted from the call. After that the next result is
    /// [`TaskError::TimedOut`], and the last.
    pub timeout: Option<Duration>,
}

impl Default for MapPolicy {
    fn default() -> Self {
        Self { chunk: NonZero::<usize>::MIN, window: None, timeout: None }
    }
}

/// What one element came to in its worker: a result, or a panic.
type Piece<R> = Result<R, String>;

/// The results of [`ProcessPool::map`], in order.
///
/// Dropping it cancels what has not begun.
#[must_use = "dropping it cancels what has not begun"]
pub struct Map<'a, F, I, R> {
    pool: &'a ProcessPool,
    function: F,
    /// Gone when it has ended.
    input: Option<I>,
    chunk: usize,
    /// How many chunks are ahead at most.
    window: usize,
    deadline: Deadline,
    ahead: VecDeque<Chunk<R>>,
    /// What is left of the chunk that came last.
    pieces: vec::IntoIter<Result<R, TaskError>>,
}

/// Elements that are one task.
struct Chunk<R> {
    length: usize,
    future: Result<Future<Vec<Piece<R>>>, TaskError>,
}

impl<'a, F, I, R> Map<'a, F, I, R>
where
    F: Fn(I::Item) -> R + Copy + Send + Sync + 'static,
    I: Iterator,
    I::Item: Message + Send + Sync + 'static,
    R: Message + Send + 'static,
{
    pub(crate) fn new(pool: &'a ProcessPool, policy: MapPolicy, function: F, input: I) -> Self {
        let chunk = policy.chunk.get();
        let window = match policy.window {
            Some(window) => window.get() / chunk,
            None => pool.max_workers().saturating_mul(AHEAD),
        };
        let mut map = Self {
            pool,
            function,
            input: Some(input),
            chunk,
            window: window.max(1),
            deadline: Deadline::after_option(policy.timeout),
            ahead: VecDeque::new(),
            pieces: Vec::new().into_iter(),
        };
        map.fill();
        map
    }

    /// Submits until the window is full or the input has ended.
    fn fill(&mut self) {
        while self.ahead.len() < self.window
            && let Some(mut input) = self.input.take()
        {
            let elements: Vec<_> = input.by_ref().take(self.chunk).collect();
            let length = elements.len();
            if length == self.chunk {
                self.input = Some(input);
            }
            if length > 0 {
                let function = self.function;
                let run = move |elements: Vec<I::Item>| pieces(function, elements);
                let future = self.pool.submit(run, elements);
                let future = future.map_err(|error| TaskError::Refused(error.reason));
                self.ahead.push_back(Chunk { length, future });
            }
        }
    }

    /// Waits for the next chunk; `None` when there is none.
    fn advance(&mut self) -> Option<()> {
        let Chunk { length, future } = self.ahead.pop_front()?;
        let results = match future {
            Ok(future) if !future.wait_until(self.deadline) => {
                future.cancel();
                self.input = None;
                self.cancel_rest();
                self.pieces = vec![Err(TaskError::TimedOut)].into_iter();
                return Some(());
            }
            Ok(future) => future.take(),
            Err(error) => Err(error),
        };
        let results: Vec<_> = match results {
            Ok(pieces) => pieces.into_iter().map(of_piece).collect(),
            Err(error) => (0..length).map(|_| Err(error.clone())).collect(),
        };
        self.pieces = results.into_iter();
        self.fill();
        Some(())
    }
}

impl<F, I, R> Map<'_, F, I, R> {
    fn cancel_rest(&mut self) {
        // From the back, so that none is taken up by a worker that has lost another.
        for chunk in self.ahead.drain(..).rev() {
            if let Ok(future) = chunk.future {
                future.cancel();
            }
        }
    }
}

impl<F, I, R> Iterator for Map<'_, F, I, R>
where
    F: Fn(I::Item) -> R + Copy + Send + Sync + 'static,
    I: Iterator,
    I::Item: Message + Send + Sync + 'static,
    R: Message + Send + 'static,
{
    type Item = Result<R, TaskError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(piece) = self.pieces.next() {
                return Some(piece);
            }
            self.advance()?;
        }
    }
}

impl<F, I, R> Drop for Map<'_, F, I, R> {
    fn drop(&mut self) {
        self.cancel_rest();
    }
}

impl<F, I, R> fmt::Debug for Map<'_, F, I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map").field("ahead", &self.ahead.len()).finish_non_exhaustive()
    }
}

/// Runs in the worker. The panic of one element does not take the results of others with it.
fn pieces<F: Fn(A) -> R, A, R>(function: F, elements: Vec<A>) -> Vec<Piece<R>> {
    let run = |element| {
        // As for a task of its own: what a panic leaves half done is gone with the element.
        catch_unwind(AssertUnwindSafe(|| function(element))).map_err(|panic| {
            let message = message_of(panic.as_ref());
            std::mem::forget(panic);
            message
        })
    };
    elements.into_iter().map(run).collect()
}

fn of_piece<R>(piece: Piece<R>) -> Result<R, TaskError> {
    piece.map_err(|message| TaskError::Panicked { message })
}
