//! Asynchronous forms of the operations of semaphores and events.

use brigade_sys::reactor;

use super::until;
use crate::sync::{Event, Permit, Semaphore};

impl Semaphore {
    /// Acquires a permit, waiting until there is one.
    ///
    /// # Cancellation
    ///
    /// Dropped before it is done, it has acquired nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use brigade_shm::Semaphore;
    /// use brigade_sys::reactor::block_on;
    ///
    /// let slots = Semaphore::new(1)?;
    /// let permit = block_on(slots.acquire_async());
    /// assert_eq!(slots.available(), 0);
    /// # drop(permit);
    /// # Ok::<(), brigade_shm::Error>(())
    /// ```
    pub async fn acquire_async(&self) -> Permit {
        until(|| self.clone(), || self.try_acquire()).await
    }
}

impl Event {
    /// Waits until the event is set, or was set since the future was first polled.
    ///
    /// # Cancellation
    ///
    /// Dropping it changes nothing.
    pub async fn wait_async(&self) {
        reactor::ready(self.since_now()).await;
    }
}
