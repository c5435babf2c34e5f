//! The second byte format: packed integers, and the way out should the first one end.

use ::postcard::ser_flavors::Flavor;
use ::postcard::{Deserializer, Error, serialize_with_flavor};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::carry::{self, Failure};
use crate::codec::Codec;
use crate::error::{DecodeError, EncodeError};
use crate::guard::{self, Budget};
use crate::limit::LIMIT;

/// The format of the `postcard` package: smaller messages, integers packed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Postcard;

impl Codec for Postcard {
    const NAME: &'static str = "postcard";

    fn encode_into<T: Serialize + ?Sized>(
        value: &T,
        bytes: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let start = bytes.len();
        let output = Output { bytes, end: start.saturating_add(LIMIT) };
        let write = || serialize_with_flavor::<T, Output<'_>, ()>(value, output);
        carry::explain(write).map_err(|failure| {
            bytes.truncate(start);
            match failure {
                Failure::NotCarried(fault) => EncodeError::NotCarried(fault),
                Failure::Other(Error::SerializeBufferFull) => {
                    EncodeError::TooLarge { limit: LIMIT }
                }
                Failure::Other(other) => EncodeError::Refused(other.to_string()),
            }
        })
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
        if bytes.len() > LIMIT {
            return Err(DecodeError::TooLarge { limit: LIMIT });
        }
        let mut deserializer = Deserializer::from_bytes(bytes);
        let budget = Budget::new(bytes.len());
        let value = carry::explain(|| guard::deserialize(&mut deserializer, &budget))
            .map_err(|failure| budget.fault().unwrap_or_else(|| explain(failure)))?;
        let rest = deserializer.finalize().map_err(|error| explain(Failure::Other(error)))?;
        match rest.len() {
            0 => Ok(value),
            bytes => Err(DecodeError::Trailing { bytes }),
        }
    }
}

fn explain(failure: Failure<Error>) -> DecodeError {
    match failure {
        Failure::NotCarried(fault) => DecodeError::NotCarried(fault),
        Failure::Other(Error::DeserializeUnexpectedEnd) => DecodeError::Truncated,
        Failure::Other(other) => DecodeError::Invalid(other.to_string()),
    }
}

/// Appends to a vector and stops at the limit.
struct Output<'a> {
    bytes: &'a mut Vec<u8>,
    end: usize,
}

impl Flavor for Output<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> Result<(), Error> {
        self.try_extend(&[byte])
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if bytes.len() > self.end - self.bytes.len() {
            return Err(Error::SerializeBufferFull);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> Result<(), Error> {
        Ok(())
    }
}
