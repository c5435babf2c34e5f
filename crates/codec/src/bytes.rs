//! Bytes that are copied as a whole.

use std::fmt;
use std::ops::{Deref, DerefMut};

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes of any length, encoded as a whole.
///
/// A `Vec<u8>` is a sequence to serde like any other, and is encoded element by element; this is
/// copied at once.
///
/// # Examples
///
/// ```
/// use brigade_codec::{Bytes, decode, encode};
///
/// let bytes = Bytes(vec![1, 2, 3]);
/// assert_eq!(decode::<Bytes>(&encode(&bytes)?)?, bytes);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub Vec<u8>);

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<Bytes> for Vec<u8> {
    fn from(bytes: Bytes) -> Self {
        bytes.0
    }
}

impl Deref for Bytes {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Bytes {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(WholeBytes)
    }
}

struct WholeBytes;

impl<'de> Visitor<'de> for WholeBytes {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(bytes.into())
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
        Ok(Bytes(bytes))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Bytes, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = sequence.next_element()? {
            bytes.push(byte);
        }
        Ok(Bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

    use super::*;
    use crate::{Codec, Postcard, decode, encode};

    #[test]
    fn bytes_survive_both_formats_and_look_like_a_sequence_of_them() {
        for length in [0, 1, 127, 128, 70_000] {
            let bytes = Bytes((0..length).map(|n| n as u8).collect());
            assert_eq!(decode::<Bytes>(&encode(&bytes).unwrap()).unwrap(), bytes);
            assert_eq!(decode::<Vec<u8>>(&encode(&bytes).unwrap()).unwrap(), bytes.0);
            let mut packed = Vec::new();
            Postcard::encode_into(&bytes, &mut packed).unwrap();
            assert_eq!(Postcard::decode::<Bytes>(&packed).unwrap(), bytes);
        }
    }

    #[test]
    fn a_length_beyond_the_message_is_an_error() {
        let mut bytes = encode(&Bytes(vec![1, 2, 3])).unwrap();
        bytes.truncate(bytes.len() - 1);
        assert!(decode::<Bytes>(&bytes).is_err());
        bytes.fill(0xff);
        assert!(decode::<Bytes>(&bytes).is_err());
    }
}
