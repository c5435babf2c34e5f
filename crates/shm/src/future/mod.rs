//! The asynchronous forms: the same operations for tasks that must not block their thread.
//!
//! Each is the operation that does not wait, tried again whenever its object is ready. No runtime is
//! needed: the one that polls is woken by its `Waker` (see [`brigade_sys::reactor`]). There are no
//! forms with a time-out, since every runtime has a time-out for any future.
//!
//! # Cancellation
//!
//! A future that is dropped has done its operation or has not begun it: a value that was to be put
//! is dropped with it, a value, a permit or a lock that is there is there for the next. A wake-up
//! that it had received is not lost to the others, because each of them is woken as well.
//!
//! # Process death
//!
//! As for the operation that waits: one whose peers die is woken and tries again.

mod connection;
mod queue;
mod sync;

use brigade_sys::reactor;
use brigade_sys::wait::Waitable;

/// Tries until there is a result, and waits for `object` in between.
async fn until<R, W>(object: impl Fn() -> W, mut attempt: impl FnMut() -> Option<R>) -> R
where
    W: Waitable + Send + Sync + 'static,
{
    loop {
        if let Some(result) = attempt() {
            return result;
        }
        reactor::ready(object()).await;
    }
}
