//! What a child is told when it starts: a letter in shared memory.
//!
//! ```text
//! +-------------------+---------------+------------------------------+
//! | length of letter  |    letter     |          argument            |
//! +-------------------+---------------+------------------------------+
//! 0                   8
//! ```
//!
//! The whole of it is written before the child exists, so the parent never waits for a child to
//! read, and a child that dies at once blocks nobody.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use brigade_codec::{decode, encode};
use brigade_shm::arena::Seat;
use brigade_sys::memory;
use serde::{Deserialize, Serialize};

use crate::call::Task;
use crate::current::{self, default_name, own_pid};
use crate::error::Trouble;
use crate::method::StartMethod;

/// Whether a child ends when its parent does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Tie {
    Independent,
    DiesWithParent,
}

/// What a child is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Letter {
    pub(crate) name: String,
    pub(crate) path: Vec<u32>,
    pub(crate) method: StartMethod,
    pub(crate) default_method: StartMethod,
    pub(crate) parent_name: String,
    pub(crate) parent_pid: i32,
    pub(crate) tie: Tie,
    /// The function to run; `None` for a fork, which knows it.
    pub(crate) task: Option<Task>,
    /// How many descriptors the argument holds.
    pub(crate) descriptors: usize,
    /// The child's entries in the memory that it shares, with all that the argument holds of it.
    pub(crate) seats: Vec<Seat>,
}

impl Letter {
    /// A letter to a new child of this process.
    pub(crate) fn new(name: Option<String>, method: StartMethod, tie: Tie) -> Self {
        let mut state = current::state();
        let path = state.next_path();
        Self {
            name: name.unwrap_or_else(|| default_name(&path)),
            path,
            method,
            default_method: state.default_method,
            parent_name: state.name(),
            parent_pid: own_pid(),
            tie,
            task: None,
            descriptors: 0,
            seats: Vec::new(),
        }
    }

    /// Writes the letter and the argument into memory of their own.
    pub(crate) fn write(&self, argument: &[u8]) -> Result<OwnedFd, Trouble> {
        let letter = encode(self)?;
        let length = (letter.len() as u64).to_le_bytes();
        let size = length.len() + letter.len() + argument.len();
        let file = File::from(memory::create("brigade letter", size as u64)?);
        let mut offset = 0;
        for part in [&length[..], &letter, argument] {
            file.write_all_at(part, offset)
                .map_err(|source| brigade_sys::Error::new("write", "the letter", source))?;
            offset += part.len() as u64;
        }
        Ok(file.into())
    }

    /// Reads a letter and the argument behind it.
    pub(crate) fn read(file: OwnedFd) -> io::Result<(Self, Vec<u8>)> {
        let torn = || io::Error::new(io::ErrorKind::InvalidData, "the letter is torn");
        let file = File::from(file);
        let size = file.metadata()?.len();
        let mut length = [0; 8];
        file.read_exact_at(&mut length, 0)?;
        let length = u64::from_le_bytes(length);
        let start = 8_u64.checked_add(length).filter(|start| *start <= size).ok_or_else(torn)?;
        let mut letter = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        file.read_exact_at(&mut letter, 8)?;
        let mut argument = vec![0; usize::try_from(size - start).map_err(io::Error::other)?];
        file.read_exact_at(&mut argument, start)?;
        let letter =
            decode(&letter).map_err(|source| io::Error::new(io::ErrorKind::InvalidData, source))?;
        Ok((letter, argument))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

    use super::*;

    #[test]
    fn a_letter_arrives_as_it_was_written() {
        let letter = Letter::new(Some("clerk".to_owned()), StartMethod::Spawn, Tie::Independent);
        for argument in [vec![], vec![7; 100_000]] {
            let (read, bytes) = Letter::read(letter.write(&argument).unwrap()).unwrap();
            assert_eq!((read.name.as_str(), read.path), ("clerk", letter.path.clone()));
            assert_eq!(bytes, argument);
        }
    }

    #[test]
    fn a_torn_letter_is_an_error() {
        let whole = u64::MAX.to_le_bytes();
        for bytes in [&whole[..4], &whole, &5_u64.to_le_bytes(), b"\0\0\0\0\0\0\0\0"] {
            let file = File::from(memory::create("torn", bytes.len() as u64).unwrap());
            file.write_all_at(bytes, 0).unwrap();
            assert!(Letter::read(file.into()).is_err(), "{bytes:?}");
        }
    }
}
