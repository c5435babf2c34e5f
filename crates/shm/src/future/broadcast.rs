//! Asynchronous forms of the operations of a broadcast.

use brigade_codec::Message;

use super::{get, put};
use crate::broadcast::{Broadcast, Subscriber};
use crate::queue::{GetError, PutError};

impl<T: Message> Broadcast<T> {
    /// Puts a value for every subscriber, waiting while the slowest has no room for it.
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
    /// use brigade_shm::Broadcast;
    /// use brigade_sys::reactor::block_on;
    ///
    /// let news = Broadcast::new(8)?;
    /// let reader = news.subscribe()?;
    /// block_on(async {
    ///     news.put_async("rain".to_owned()).await?;
    ///     assert_eq!(reader.get_async().await?, "rain");
    ///     Ok::<(), Box<dyn std::error::Error>>(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn put_async(&self, value: T) -> Result<(), PutError<T>> {
        put(value, || self.room(), |value| self.try_put(value)).await
    }
}

impl<T: Message> Subscriber<T> {
    /// Gets the next value, waiting until there is one.
    ///
    /// # Errors
    ///
    /// [`GetError::Closed`] at the end of the broadcast.
    ///
    /// # Cancellation
    ///
    /// Dropped before it is done, it has got nothing.
    pub async fn get_async(&self) -> Result<T, GetError> {
        get(|| self.values(), || self.try_get()).await
    }
}
