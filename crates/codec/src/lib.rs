//! Floor 0: values and their bytes.
//!
//! Everything that leaves a process as bytes goes through this crate: an element of a queue, a
//! frame on a socket, an argument of a process. [`encode`] and [`decode`] are data only. No byte
//! of a message is ever run, and bytes from a hostile sender end in a [`DecodeError`]: never in a
//! panic, an overflowing stack, an endless loop, or an allocation beyond [`LIMIT`].
//!
//! A [`Parcel`] is a value together with the descriptors that belong to it. Types that hold a
//! descriptor ([`Descriptor`], the handles of the floors above) attach it while they are
//! serialized, through [`carry`].
//!
//! The byte format is chosen in one place. [`Codec`] is the seam, [`Bincode`] the default behind
//! the free functions, [`Postcard`] the second.
//!
//! # Examples
//!
//! ```
//! let bytes = brigade_codec::encode(&("six", 6_u32))?;
//! let (word, number): (String, u32) = brigade_codec::decode(&bytes)?;
//! assert_eq!((word.as_str(), number), ("six", 6));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod bincode;
mod bytes;
pub mod carry;
mod codec;
mod descriptor;
mod error;
mod guard;
mod limit;
mod message;
mod parcel;
mod postcard;

pub use crate::bincode::Bincode;
pub use crate::bytes::Bytes;
pub use crate::codec::Codec;
pub use crate::descriptor::Descriptor;
pub use crate::error::{DecodeError, EncodeError};
pub use crate::limit::{DEPTH, DESCRIPTORS, LIMIT, SPARE_ELEMENTS};
pub use crate::message::{Message, decode, encode, encode_into};
pub use crate::parcel::{
    Parcel, decode_parcel, decode_parcel_parts, encode_parcel, encode_parcel_into,
};
pub use crate::postcard::Postcard;
