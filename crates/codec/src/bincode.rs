//! The default byte format: little-endian, integers in their full width.
//!
//! Full-width integers make the limit exact (the reader is charged for precisely the bytes that
//! the writer was), and cost less than packed ones in memory that two processes share.

use std::cell::Cell;

use ::bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use ::bincode::de::read::Reader;
use ::bincode::enc::write::Writer;
use ::bincode::error::{DecodeError as ReadError, EncodeError as WriteError};
use ::bincode::serde::{OwnedSerdeDecoder, encode_into_writer};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::carry::{self, Failure};
use crate::codec::Codec;
use crate::error::{DecodeError, EncodeError};
use crate::guard::{self, Budget};
use crate::limit::LIMIT;

/// The format of the `bincode` package, the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bincode;

const CONFIGURATION: Configuration<LittleEndian, Fixint, Limit<LIMIT>> =
    ::bincode::config::legacy().with_limit::<LIMIT>();

impl Codec for Bincode {
    const NAME: &'static str = "bincode";

    fn encode_into<T: Serialize + ?Sized>(
        value: &T,
        bytes: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let start = bytes.len();
        let writer = Output { bytes, end: start.saturating_add(LIMIT) };
        carry::explain(|| encode_into_writer(value, writer, CONFIGURATION)).map_err(|failure| {
            bytes.truncate(start);
            match failure {
                Failure::NotCarried(fault) => EncodeError::NotCarried(fault),
                Failure::Other(WriteError::UnexpectedEnd) => EncodeError::TooLarge { limit: LIMIT },
                Failure::Other(WriteError::OtherString(text)) => EncodeError::Refused(text),
                Failure::Other(other) => EncodeError::Refused(other.to_string()),
            }
        })
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
        if bytes.len() > LIMIT {
            return Err(DecodeError::TooLarge { limit: LIMIT });
        }
        let rest = Cell::new(bytes);
        let mut decoder = OwnedSerdeDecoder::from_reader(Input { rest: &rest }, CONFIGURATION);
        let budget = Budget::new(bytes.len());
        let value = carry::explain(|| guard::deserialize(decoder.as_deserializer(), &budget))
            .map_err(|failure| budget.fault().unwrap_or_else(|| explain(failure)))?;
        match rest.get().len() {
            0 => Ok(value),
            bytes => Err(DecodeError::Trailing { bytes }),
        }
    }
}

fn explain(failure: Failure<ReadError>) -> DecodeError {
    match failure {
        Failure::NotCarried(fault) => DecodeError::NotCarried(fault),
        Failure::Other(ReadError::UnexpectedEnd { .. }) => DecodeError::Truncated,
        Failure::Other(ReadError::LimitExceeded) => DecodeError::TooLarge { limit: LIMIT },
        Failure::Other(ReadError::OtherString(text)) => DecodeError::Invalid(text),
        Failure::Other(other) => DecodeError::Invalid(other.to_string()),
    }
}

/// Appends to a vector and stops at the limit.
struct Output<'a> {
    bytes: &'a mut Vec<u8>,
    end: usize,
}

impl Writer for Output<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        if bytes.len() > self.end - self.bytes.len() {
            return Err(WriteError::UnexpectedEnd);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

/// Reads from the front of a slice and leaves the rest where its owner sees it.
struct Input<'a> {
    rest: &'a Cell<&'a [u8]>,
}

impl Reader for Input<'_> {
    #[inline]
    fn read(&mut self, bytes: &mut [u8]) -> Result<(), ReadError> {
        let rest = self.rest.get();
        let Some((head, tail)) = rest.split_at_checked(bytes.len()) else {
            return Err(ReadError::UnexpectedEnd { additional: bytes.len() - rest.len() });
        };
        bytes.copy_from_slice(head);
        self.rest.set(tail);
        Ok(())
    }

    #[inline]
    fn peek_read(&mut self, len: usize) -> Option<&[u8]> {
        self.rest.get().get(..len)
    }

    #[inline]
    fn consume(&mut self, len: usize) {
        let rest = self.rest.get();
        self.rest.set(rest.get(len..).unwrap_or_default());
    }
}
