//! Queues: values from many producers to many consumers.

mod batch;
mod endpoint;
mod error;
mod fifo;
mod refusal;

pub use endpoint::{Consumer, Producer};
pub use error::{
    GetError, GetFailure, GetManyError, GetTimeoutError, PutAllError, PutError, PutFailure,
    PutTimeoutError, TryGetError, TryPutError,
};
pub use fifo::Queue;
