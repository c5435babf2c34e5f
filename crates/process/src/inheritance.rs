//! The program's shared memory, as children inherit it.

use std::os::fd::OwnedFd;

use brigade_shm::arena::{self, Fork};
use brigade_shm::{Arena, Error};

use crate::error::Trouble;

/// The memory to hand to a child that starts afresh.
pub(crate) fn descriptor() -> Result<OwnedFd, Trouble> {
    let descriptor = Arena::program()?.descriptor().try_clone_to_owned();
    let failed = |source| brigade_sys::Error::new("duplicate", "the program's memory", source);
    Ok(descriptor.map_err(failed)?)
}

/// Makes the memory that the parent handed over this program's.
pub(crate) fn adopt(descriptor: OwnedFd) -> Result<(), Error> {
    arena::adopt(descriptor)
}

/// Prepares for a copy of this process, which will hold all that this process holds.
pub(crate) fn prepare_fork() -> Result<Fork, Error> {
    arena::fork_begin()
}
