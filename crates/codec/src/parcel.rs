//! A value together with the descriptors that belong to it.

use std::os::fd::OwnedFd;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bincode::Bincode;
use crate::carry;
use crate::codec::Codec;
use crate::error::{DecodeError, EncodeError};

/// An encoded value and its descriptors, in the order in which the bytes name them.
#[derive(Debug, Default)]
pub struct Parcel {
    /// The encoded value.
    pub bytes: Vec<u8>,
    /// Duplicates that belong to the parcel, and are closed with it.
    pub descriptors: Vec<OwnedFd>,
}

/// Encodes `value`, and duplicates the descriptors that it holds.
///
/// # Errors
///
/// [`EncodeError`] if the value is too large, refuses to be serialized, or a descriptor cannot be
/// duplicated.
///
/// # Examples
///
/// ```
/// use std::fs::File;
/// use std::io::{Read, Seek, Write};
///
/// use brigade_codec::{Descriptor, decode_parcel, encode_parcel};
///
/// let directory = std::env::temp_dir();
/// let path = directory.join(format!("brigade-parcel-{}", std::process::id()));
/// let mut file = File::options().read(true).write(true).create_new(true).open(&path)?;
/// std::fs::remove_file(&path)?;
///
/// let parcel = encode_parcel(&("log", Descriptor::from(file.try_clone()?)))?;
/// assert_eq!(parcel.descriptors.len(), 1);
///
/// let (name, descriptor): (String, Descriptor) = decode_parcel(parcel)?;
/// File::from(descriptor).write_all(name.as_bytes())?;
///
/// let mut text = String::new();
/// file.rewind()?;
/// file.read_to_string(&mut text)?;
/// assert_eq!(text, "log");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn encode_parcel<T: Serialize + ?Sized>(value: &T) -> Result<Parcel, EncodeError> {
    let mut bytes = Vec::new();
    let descriptors = encode_parcel_into(value, &mut bytes)?;
    Ok(Parcel { bytes, descriptors })
}

/// Encodes `value` as [`encode_parcel`] does, appends it to `bytes` and returns its descriptors.
///
/// # Errors
///
/// As [`encode_parcel`]; `bytes` is then as it was before.
pub fn encode_parcel_into<T: Serialize + ?Sized>(
    value: &T,
    bytes: &mut Vec<u8>,
) -> Result<Vec<OwnedFd>, EncodeError> {
    let start = bytes.len();
    let (encoded, descriptors) = carry::pack(|| Bincode::encode_into(value, bytes));
    encoded.and(descriptors.map_err(EncodeError::NotCarried)).inspect_err(|_| bytes.truncate(start))
}

/// Reads the value of a parcel. Descriptors that it does not take are closed.
///
/// # Errors
///
/// [`DecodeError`] for anything else than the whole encoding of one value, and if it names a
/// descriptor that did not come with it.
pub fn decode_parcel<T: DeserializeOwned>(parcel: Parcel) -> Result<T, DecodeError> {
    decode_parcel_parts(&parcel.bytes, parcel.descriptors)
}

/// Reads the value of a parcel whose bytes belong to someone else.
///
/// # Errors
///
/// As [`decode_parcel`].
pub fn decode_parcel_parts<T: DeserializeOwned>(
    bytes: &[u8],
    descriptors: Vec<OwnedFd>,
) -> Result<T, DecodeError> {
    carry::unpack(descriptors, || Bincode::decode(bytes))
}
