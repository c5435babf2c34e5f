//! The library's threads, started with the first socket of a process and ended with the last.

use std::sync::{Arc, Mutex, PoisonError, Weak};

/// What all sockets of a process share: the library's context, with its background threads.
///
/// Dropping the last one waits until what the sockets have not sent has left, at most as long as
/// they linger.
pub(crate) struct Shared {
    pub(crate) context: ::zmq::Context,
}

/// The context of a process, if it has sockets.
static CURRENT: Mutex<Option<(u32, Weak<Shared>)>> = Mutex::new(None);

/// The context of this process, made if there is none.
///
/// A context that was inherited through a fork belongs to threads that do not exist here. It is
/// neither used nor ended.
pub(crate) fn current(pid: u32) -> Arc<Shared> {
    let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((owner, shared)) = current.as_ref()
        && *owner == pid
        && let Some(shared) = shared.upgrade()
    {
        return shared;
    }
    let shared = Arc::new(Shared { context: ::zmq::Context::new() });
    *current = Some((pid, Arc::downgrade(&shared)));
    shared
}
