//! The models. Each file has those of one primitive.

mod bell;
mod event;
mod journal;
mod queue;
mod redo;
mod robust_lock;
mod rwlock;
mod semaphore;

use crate::explore::Model;

/// All of them.
pub static MODELS: &[&[Model]] = &[
    robust_lock::MODELS,
    bell::MODELS,
    event::MODELS,
    redo::MODELS,
    journal::MODELS,
    semaphore::MODELS,
    rwlock::MODELS,
    queue::MODELS,
];
