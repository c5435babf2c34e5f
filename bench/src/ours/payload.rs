//! Messages as the types that a program would send.

use crate::Result;
use brigade::codec::Bytes;
use serde::{Deserialize, Serialize};

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

impl Payload for Bytes {
    const QUEUE: &'static str = "Queue, byte strings";
    const PIPE: &'static str = "pipe, byte strings";

    fn of(bytes: &[u8]) -> Result<Self> {
        Ok(bytes.into())
    }

    fn write_to(self, bytes: &mut Vec<u8>) {
        *bytes = self.into();
    }
}
