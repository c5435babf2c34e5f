//! A descriptor that travels.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::carry;

/// An open file, socket or other kernel object that can be a part of a message.
///
/// The receiver gets a descriptor of its own for the same object, with another number. It travels
/// only in a [`Parcel`](crate::Parcel), so over links that can pass descriptors: to be encoded or
/// decoded anywhere else is an error that says so.
#[derive(Debug)]
pub struct Descriptor(OwnedFd);

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Descriptor {
    fn from(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }
}

impl From<File> for Descriptor {
    fn from(file: File) -> Self {
        Self(file.into())
    }
}

impl From<Descriptor> for OwnedFd {
    fn from(descriptor: Descriptor) -> Self {
        descriptor.0
    }
}

impl From<Descriptor> for File {
    fn from(descriptor: Descriptor) -> Self {
        descriptor.0.into()
    }
}

impl Serialize for Descriptor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        carry::attach(self.as_fd()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Descriptor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        carry::take(u32::deserialize(deserializer)?).map(Self).map_err(D::Error::custom)
    }
}
