//! The thread that sleeps for tasks, which no model has.

use crate::wait::Waitable;

/// Is done at once, whether the object is ready or not.
pub async fn ready<W: Waitable + Send + Sync + 'static>(_object: W) {}
