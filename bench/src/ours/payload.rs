//! Messages as the types that a program would send.

use crate::Result;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A type that stands for the bytes of a numbered message.
pub(crate) trait Payload: Serialize + for<'de> Deserialize<'de> + Send + 'static {
    const QUEUE: &'static str;
    const PIPE: &'static str;

    fn of(bytes: &[u8]) -> Result<Self>;
    fn write_to(self, bytes: &mut Vec<u8>);
}

impl Payload for u64 {
    const QUEUE: &'static str = "Queue<u64>";
    const PIPE: &'static str = "pipe::<u64>";

    fn of(bytes: &[u8]) -> Result<Self> {
        Ok(Self::from_le_bytes(bytes.try_into()?))
    }

    fn write_to(self, bytes: &mut Vec<u8>) {
        bytes.clear();
        bytes.extend_from_slice(&self.to_le_bytes());
    }
}

impl Payload for [u64; 8] {
    const QUEUE: &'static str = "Queue<[u64; 8]>";
    const PIPE: &'static str = "pipe::<[u64; 8]>";

    fn of(bytes: &[u8]) -> Result<Self> {
        let mut words = [0; 8];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_le_bytes(bytes.try_into()?);
        }
        Ok(words)
    }

    fn write_to(self, bytes: &mut Vec<u8>) {
        bytes.clear();
        self.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
    }
}

impl Payload for Vec<u8> {
    const QUEUE: &'static str = "Queue<Vec<u8>>";
    const PIPE: &'static str = "pipe::<Vec<u8>>";

    fn of(bytes: &[u8]) -> Result<Self> {
        Ok(bytes.to_vec())
    }

    fn write_to(self, bytes: &mut Vec<u8>) {
        *bytes = self;
    }
}

/// A byte string that is written and read as one piece. serde treats a `Vec<u8>` as a list of
/// numbers.
#[derive(Debug)]
pub(crate) struct ByteString(Vec<u8>);

impl Payload for ByteString {
    const QUEUE: &'static str = "Queue, byte strings";
    const PIPE: &'static str = "pipe, byte strings";

    fn of(bytes: &[u8]) -> Result<Self> {
        Ok(Self(bytes.to_vec()))
    }

    fn write_to(self, bytes: &mut Vec<u8>) {
        *bytes = self.0;
    }
}

impl Serialize for ByteString {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for ByteString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = ByteString;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a byte string")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> std::result::Result<ByteString, E> {
                Ok(ByteString(bytes.to_vec()))
            }

            fn visit_byte_buf<E: Error>(
                self,
                bytes: Vec<u8>,
            ) -> std::result::Result<ByteString, E> {
                Ok(ByteString(bytes))
            }
        }

        deserializer.deserialize_byte_buf(Bytes)
    }
}
