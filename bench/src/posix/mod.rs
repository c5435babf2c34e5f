//! What the C library and the kernel have for processes that share memory.

pub(crate) mod file_lock;
pub(crate) mod mutex;
