//! The asynchronous forms: the same operations for tasks that must not block their thread.
//!
//! Each is the operation that does not wait, tried again whenever its object is ready. No runtime is
//! needed: the one that polls is woken by its `Waker` (see [`brigade_sys::reactor`]). There are no
//! forms with a time-out, since every runtime has a time-out for any future.
//!
//! What a condition, a barrier and a read-write lock do between two looks belongs to them, so their
//! forms stand beside them.
//!
//! # Cancellation
//!
//! A future that is dropped has done its operation or has not begun it: a value that was to be put
//! is dropped with it, a value, a permit or a lock that is there is there for the next. A wake-up
//! that it had received is not lost to the others, because each of them is woken as well. One that
//! was dropped at a barrier breaks it, as a time-out would.
//!
//! # Process death
//!
//! As for the operation that waits: one whose peers die is woken and tries again.

mod broadcast;
mod connection;
mod ordered;
mod queue;
mod sync;

use brigade_sys::reactor;
use brigade_sys::wait::Waitable;

use crate::queue::{GetError, PutError, TryGetError, TryPutError};

/// Tries until there is a result, and waits for `object` in between.
pub(crate) async fn until<R, W>(object: impl Fn() -> W, mut attempt: impl FnMut() -> Option<R>) -> R
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

/// Puts `value`, and waits for `room` as long as there is none.
async fn put<T, W>(
    value: T,
    room: impl Fn() -> W,
    try_put: impl Fn(T) -> Result<(), TryPutError<T>>,
) -> Result<(), PutError<T>>
where
    W: Waitable + Send + Sync + 'static,
{
    let mut value = Some(value);
    let attempt = || match try_put(value.take()?) {
        Ok(()) => Some(Ok(())),
        Err(TryPutError::Full(back)) => {
            value = Some(back);
            None
        }
        Err(TryPutError::Closed(value)) => Some(Err(PutError::Closed(value))),
        Err(TryPutError::Failed { value, reason }) => Some(Err(PutError::Failed { value, reason })),
    };
    until(room, attempt).await
}

/// Gets a value, and waits for `values` as long as there is none.
async fn get<T, W>(
    values: impl Fn() -> W,
    try_get: impl Fn() -> Result<T, TryGetError>,
) -> Result<T, GetError>
where
    W: Waitable + Send + Sync + 'static,
{
    let attempt = || match try_get() {
        Ok(value) => Some(Ok(value)),
        Err(TryGetError::Empty) => None,
        Err(TryGetError::Closed) => Some(Err(GetError::Closed)),
        Err(TryGetError::Failed(failure)) => Some(Err(GetError::Failed(failure))),
    };
    until(values, attempt).await
}
