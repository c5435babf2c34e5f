//! The asynchronous forms, which no model uses.

use crate::reactor;
use crate::wait::Waitable;

/// Tries until there is a result.
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
