//! The seam behind which the byte format can be exchanged.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{DecodeError, EncodeError};

/// A byte format.
///
/// Every codec keeps the limits of this crate. Unlike [`encode`](crate::encode) and
/// [`decode`](crate::decode), a codec called while a parcel is being packed or unpacked takes part
/// in it: descriptors in the value go with that parcel.
///
/// # Examples
///
/// ```
/// use brigade_codec::{Bincode, Codec, Postcard};
///
/// fn round_trip<C: Codec>(value: u64) -> Result<u64, Box<dyn std::error::Error>> {
///     let mut bytes = Vec::new();
///     C::encode_into(&value, &mut bytes)?;
///     Ok(C::decode(&bytes)?)
/// }
///
/// assert_eq!(round_trip::<Bincode>(7)?, 7);
/// assert_eq!(round_trip::<Postcard>(7)?, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Codec {
    /// The name by which the two ends of a link agree on the format.
    const NAME: &'static str;

    /// Appends the encoding of `value` to `bytes`.
    ///
    /// # Errors
    ///
    /// [`EncodeError`]; `bytes` is then as it was before.
    fn encode_into<T: Serialize + ?Sized>(
        value: &T,
        bytes: &mut Vec<u8>,
    ) -> Result<(), EncodeError>;

    /// Reads the value that is encoded by all of `bytes`.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] for anything else than the whole encoding of one value.
    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError>;
}
