//! Values as bytes, without descriptors.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bincode::Bincode;
use crate::carry;
use crate::codec::Codec;
use crate::error::{DecodeError, EncodeError};

/// A value that can be sent to another process: anything that serde can write and read back.
pub trait Message: Serialize + DeserializeOwned {}

impl<T: Serialize + DeserializeOwned> Message for T {}

/// Encodes `value` in the default format.
///
/// # Errors
///
/// [`EncodeError`] if the value is too large, refuses to be serialized, or holds a descriptor:
/// descriptors travel only by [`encode_parcel`](crate::encode_parcel).
///
/// # Examples
///
/// ```
/// let bytes = brigade_codec::encode("six")?;
/// assert_eq!(brigade_codec::decode::<String>(&bytes)?, "six");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "dumps")]
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::new();
    encode_into(value, &mut bytes)?;
    Ok(bytes)
}

/// Encodes `value` as [`encode`] does and appends it to `bytes`.
///
/// # Errors
///
/// As [`encode`]; `bytes` is then as it was before.
pub fn encode_into<T: Serialize + ?Sized>(
    value: &T,
    bytes: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    carry::outside(|| Bincode::encode_into(value, bytes))
}

/// Reads the value that is encoded by all of `bytes`.
///
/// # Errors
///
/// [`DecodeError`] for anything else than the whole encoding of one value: bytes that are missing,
/// left over, or were never a `T`.
///
/// # Examples
///
/// ```
/// use brigade_codec::{DecodeError, decode, encode};
///
/// let mut bytes = encode(&6_u8)?;
/// bytes.push(0);
/// assert!(matches!(decode::<u8>(&bytes), Err(DecodeError::Trailing { bytes: 1 })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "loads")]
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    carry::outside(|| Bincode::decode(bytes))
}
