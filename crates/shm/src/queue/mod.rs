//! Queues: values from many producers to many consumers.

mod batch;
mod dead_letters;
mod delay;
mod endpoint;
mod error;
mod fifo;
mod joinable;
mod leased;
mod lifo;
mod loan;
mod ordered;
mod priority;
pub(crate) mod refusal;
mod simple;

pub use dead_letters::DeadLetters;
pub use delay::{ByTime, DelayQueue};
pub use endpoint::{Consumer, Producer};
pub use error::{
    GetError, GetFailure, GetManyError, GetTimeoutError, PutAllError, PutError, PutFailure,
    PutTimeoutError, TryGetError, TryPutError,
};
pub use fifo::Queue;
pub use joinable::{Joinable, JoinableQueue, TaskDoneError};
pub use leased::{Fifo, Lease, LeaseError, LeasedQueue, Lends};
pub use lifo::{Lifo, LifoQueue};
pub use loan::{
    Borrowed, Loan, LoanError, LoanQueue, LoanTimeoutError, SendLoanError, TryLoanError,
};
pub use ordered::{Order, OrderedQueue};
pub use priority::{ByKey, PriorityQueue};
pub use simple::{Simple, SimpleQueue};
