//! The program's shared memory, as children inherit it.

use std::os::fd::OwnedFd;

use brigade_codec::{DecodeError, Parcel, decode_parcel};
use brigade_shm::arena::{self, Birth, Fork, Seat};
use brigade_shm::transit::Contents;
use brigade_shm::{Arena, Error};
use serde::de::DeserializeOwned;

use crate::error::Trouble;

/// The memory to hand to a child that starts afresh.
pub(crate) fn descriptor() -> Result<OwnedFd, Trouble> {
    let descriptor = Arena::program()?.descriptor().try_clone_to_owned();
    let failed = |source| brigade_sys::Error::new("duplicate", "the program's memory", source);
    Ok(descriptor.map_err(failed)?)
}

/// Prepares for a child that starts afresh and is given `contents`.
pub(crate) fn prepare_birth(contents: &Contents) -> Result<Birth, Error> {
    arena::expect_child(contents)
}

/// Makes the memory that the parent handed over this program's.
pub(crate) fn adopt(descriptor: OwnedFd) -> Result<(), Error> {
    arena::adopt(descriptor)
}

/// Takes this process's entries, with all that its parent holds in its name.
pub(crate) fn take_seats(seats: &[Seat]) -> Result<(), Error> {
    arena::take_seats(seats.to_vec())
}

/// Decodes what the parent gave to this process.
pub(crate) fn receive<T: DeserializeOwned>(parcel: Parcel) -> Result<T, DecodeError> {
    arena::inherit(|| decode_parcel(parcel))
}

/// Prepares for a copy of this process, which will hold all that this process holds.
pub(crate) fn prepare_fork() -> Result<Fork, Error> {
    arena::fork_begin()
}
