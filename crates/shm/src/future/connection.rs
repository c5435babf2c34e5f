//! Asynchronous forms of the operations of a pipe's end.

use brigade_codec::Message;

use crate::pipe::{Connection, RecvError, SendError};
use crate::queue::{GetError, PutError};

impl<Out: Message, In: Message> Connection<Out, In> {
    /// Sends a message, waiting while the pipe is full.
    ///
    /// # Errors
    ///
    /// [`SendError`], with the message.
    ///
    /// # Cancellation
    ///
    /// Dropped before it is done, it has sent nothing, and the message is dropped with it.
    pub async fn send_async(&self, message: Out) -> Result<(), SendError<Out>> {
        let Some(sender) = self.sender() else { return Err(SendError::OneWay(message)) };
        sender.put_async(message).await.map_err(|error| match error {
            PutError::Closed(message) => SendError::Ended(message),
            PutError::Failed { value, reason } => SendError::Failed { message: value, reason },
        })
    }

    /// Receives the next message, waiting until there is one.
    ///
    /// # Errors
    ///
    /// [`RecvError::Ended`] when nothing is left and the other end is gone.
    ///
    /// # Cancellation
    ///
    /// Dropped before it is done, it has received nothing.
    pub async fn recv_async(&self) -> Result<In, RecvError> {
        self.receiver()?.get_async().await.map_err(|error| match error {
            GetError::Closed => RecvError::Ended,
            GetError::Failed(reason) => RecvError::Failed(reason),
        })
    }
}
