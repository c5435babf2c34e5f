//! What a worker can be, one file each: its arguments, and `run`.

pub(crate) mod crash;
pub(crate) mod demonstration;
pub(crate) mod job_worker;
pub(crate) mod never_ready;
pub(crate) mod sleep;
pub(crate) mod web;
