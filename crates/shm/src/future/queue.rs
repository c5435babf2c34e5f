//! Asynchronous forms of a queue's operations.

use brigade_codec::Message;
use brigade_sys::wait::{Sleep, Waitable};

use super::{get, put};
use crate::channel::Channel;
use crate::queue::{GetError, PutError, Queue};

/// A channel as one waits for a message in it.
struct Messages(Channel);

impl Waitable for Messages {
    fn is_ready(&self) -> bool {
        self.0.may_get()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.0.prepare_get(sleep);
    }
}

/// A channel as one waits for room in it.
struct Room(Channel);

impl Waitable for Room {
    fn is_ready(&self) -> bool {
        self.0.may_put()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.0.prepare_put(sleep);
    }
}

impl<T: Message> Queue<T> {
    /// Puts a value at the end, waiting while the queue is full.
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
    /// use brigade_shm::Queue;
    /// use brigade_sys::reactor::block_on;
    ///
    /// let queue = Queue::bounded(1)?;
    /// block_on(async {
    ///     queue.put_async(7).await?;
    ///     assert_eq!(queue.get_async().await?, 7);
    ///     Ok::<(), Box<dyn std::error::Error>>(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn put_async(&self, value: T) -> Result<(), PutError<T>> {
        put(value, || Room(self.channel().clone()), |value| self.try_put(value)).await
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
    pub async fn get_async(&self) -> Result<T, GetError> {
        get(|| Messages(self.channel().clone()), || self.try_get()).await
    }
}
