//! Asynchronous forms of a queue's operations.

use brigade_codec::Message;
use brigade_sys::wait::{Sleep, Waitable};

use super::{get, put, until};
use crate::channel::Channel;
use crate::plain::Plain;
use crate::queue::{Borrowed, GetError, Loan, LoanError, LoanQueue, PutError, Queue, TryLoanError};

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

impl<T: Plain> LoanQueue<T> {
    /// Borrows a slot to write a message into, waiting while all are in use.
    ///
    /// # Errors
    ///
    /// [`LoanError::Closed`] when nobody would get the message.
    ///
    /// # Cancellation
    ///
    /// Dropped before it is done, it has borrowed nothing.
    pub async fn loan_async(&self) -> Result<Loan<T>, LoanError> {
        let loan = || match self.try_loan() {
            Ok(loan) => Some(Ok(loan)),
            Err(TryLoanError::Full) => None,
            Err(TryLoanError::Closed) => Some(Err(LoanError::Closed)),
            Err(TryLoanError::Memory(error)) => Some(Err(LoanError::Memory(error))),
        };
        until(|| self.room(), loan).await
    }

    /// Gets the next message, to be read in place, waiting until there is one.
    ///
    /// # Errors
    ///
    /// [`GetError::Closed`] at the end of the queue.
    ///
    /// # Cancellation
    ///
    /// Dropped before it is done, it has got nothing.
    pub async fn get_async(&self) -> Result<Borrowed<T>, GetError> {
        get(|| self.clone(), || self.try_get()).await
    }
}
