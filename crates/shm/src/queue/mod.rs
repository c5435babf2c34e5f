//! Queues: values from many producers to many consumers.

mod endpoint;
mod error;
mod fifo;

pub use endpoint::{Consumer, Producer};
pub use error::{
    GetError, GetFailure, GetTimeoutError, PutError, PutFailure, PutTimeoutError, TryGetError,
    TryPutError,
};
pub use fifo::Queue;
