//! What a worker can be, one file each: its arguments, and `run`.

pub(crate) mod crash;
pub(crate) mod never_ready;
pub(crate) mod sleep;
pub(crate) mod web;
