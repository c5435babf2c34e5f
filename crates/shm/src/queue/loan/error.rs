//! Why a queue that lends memory had none to lend, or did not take it back as a message.

use std::fmt;

use crate::error::Error;

/// Why [`LoanQueue::loan`](super::LoanQueue::loan) returned no loan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoanError {
    /// The queue is closed, or its consumers are gone.
    #[error("cannot borrow memory of a closed queue")]
    Closed,
    /// The shared memory failed.
    #[error("cannot borrow memory of the queue: {0}")]
    Memory(Error),
}

/// Why [`LoanQueue::try_loan`](super::LoanQueue::try_loan) returned no loan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TryLoanError {
    /// All slots are lent, sent or read.
    #[error("cannot borrow memory of the queue: all its slots are in use")]
    Full,
    /// The queue is closed, or its consumers are gone.
    #[error("cannot borrow memory of a closed queue")]
    Closed,
    /// The shared memory failed.
    #[error("cannot borrow memory of the queue: {0}")]
    Memory(Error),
}

/// Why [`LoanQueue::loan_timeout`](super::LoanQueue::loan_timeout) returned no loan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoanTimeoutError {
    /// All slots were lent, sent or read all the time.
    #[error("timed out waiting for a slot of the queue")]
    TimedOut,
    /// The queue is closed, or its consumers are gone.
    #[error("cannot borrow memory of a closed queue")]
    Closed,
    /// The shared memory failed.
    #[error("cannot borrow memory of the queue: {0}")]
    Memory(Error),
}

/// Why a loan was not sent. It holds the loan.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SendLoanError<L> {
    /// The queue is closed, or its consumers are gone.
    #[error("cannot send into a closed queue")]
    Closed(L),
    /// The slot is not lent to this process: the loan was made by another, of which this one is a
    /// copy.
    #[error("cannot send a slot of the queue: it is not lent to this process")]
    NotHeld(L),
}

impl<L> fmt::Debug for SendLoanError<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed(_) => "Closed",
            Self::NotHeld(_) => "NotHeld",
        })
    }
}
