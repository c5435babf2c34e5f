//! A page of shared memory for objects of the C library and bare words.

use crate::Result;
use crate::partner::standard_input;
use brigade_sys::memory::{self, Mapping, Shareable};
use std::os::fd::OwnedFd;

const SIZE: usize = 4096;

/// The page in this process, for the rest of its life.
#[derive(Debug)]
pub(crate) struct Page {
    mapping: &'static Mapping,
    file: OwnedFd,
}

impl Page {
    pub(crate) fn create() -> Result<Self> {
        Self::open(memory::create("brigade-bench", SIZE as u64)?)
    }

    /// In the partner: the one that it was started with.
    pub(crate) fn inherited() -> Result<Self> {
        Self::open(standard_input()?.into())
    }

    fn open(file: OwnedFd) -> Result<Self> {
        Ok(Self { mapping: Mapping::new(file.try_clone()?, SIZE)?, file })
    }

    /// The descriptor that the partner is started with.
    pub(crate) fn for_partner(&self) -> Result<Option<OwnedFd>> {
        Ok(Some(self.file.try_clone()?))
    }

    pub(crate) fn word<T: Shareable>(&self, offset: usize) -> Result<&'static T> {
        Ok(self.mapping.get(offset).ok_or("the shared page is too small")?)
    }

    /// Where an object of another language is: aligned as a page, if `offset` is.
    pub(crate) fn place<T>(&self, offset: usize) -> Result<*mut T> {
        let place = self.mapping.bytes(offset, size_of::<T>());
        Ok(place.ok_or("the shared page is too small")?.cast())
    }
}
