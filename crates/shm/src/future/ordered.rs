//! Asynchronous forms of the operations of queues that are ordered or answered for.

use brigade_codec::Message;

use super::{get, put, until};
use crate::error::Error;
use crate::queue::{GetError, Joinable, Lease, Lends, Order, OrderedQueue, PutError};

impl<T, O: Order<T>> OrderedQueue<T, O> {
    /// Puts a value, waiting while the queue is full.
    ///
    /// # Errors
    ///
    /// [`PutError`], with the value.
    ///
    /// # Cancellation
    ///
    /// Dropped before it is done, it has put nothing, and the value is dropped with it.
    ///
    /// # Examples
    ///
    /// ```
    /// use brigade_shm::PriorityQueue;
    /// use brigade_sys::reactor::block_on;
    ///
    /// let queue = PriorityQueue::<u32, String>::bounded(8)?;
    /// block_on(async {
    ///     queue.put_async((2, "later".into())).await?;
    ///     queue.put_async((1, "now".into())).await?;
    ///     assert_eq!(queue.get_async().await?, (1, "now".into()));
    ///     Ok::<(), Box<dyn std::error::Error>>(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn put_async(&self, item: O::Item) -> Result<(), PutError<O::Item>> {
        put(item, || self.room(), |item| self.try_put(item)).await
    }

    /// Takes the first value, waiting until there is one.
    ///
    /// # Errors
    ///
    /// [`GetError::Closed`] at the end of the queue.
    ///
    /// # Cancellation
    ///
    /// Dropped before it is done, it has taken nothing.
    pub async fn get_async(&self) -> Result<O::Item, GetError> {
        get(|| self.items(), || self.try_get()).await
    }
}

impl<T, O: Order<T> + Lends> OrderedQueue<T, O> {
    /// Takes the first value on loan, waiting until there is one.
    ///
    /// # Errors
    ///
    /// [`GetError::Closed`] at the end of the queue.
    ///
    /// # Cancellation
    ///
    /// Dropped before it is done, it has taken nothing.
    ///
    /// # Process death
    ///
    /// As for [`lease`](Self::lease).
    pub async fn lease_async(&self) -> Result<Lease<O::Item>, GetError> {
        get(|| self.items(), || self.try_lease()).await
    }
}

impl<T: Message> OrderedQueue<T, Joinable> {
    /// Waits until every value that was put is done with.
    ///
    /// # Errors
    ///
    /// Fails when the queue's memory is corrupt.
    ///
    /// # Cancellation
    ///
    /// Dropping it changes nothing.
    pub async fn join_async(&self) -> Result<(), Error> {
        until(|| self.answers(), || self.try_join()).await
    }
}
