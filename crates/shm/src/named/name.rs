//! Names of segments, and the files behind them.

use std::io;
use std::path::PathBuf;

use super::error::SharedMemoryError;
use super::memory::Refusal;

/// Where the system keeps shared memory by name.
pub(super) const DIRECTORY: &str = "/dev/shm";

/// What the file of a segment is called before its name.
pub(super) const PREFIX: &str = "brigade.";

/// What a file that is being made is called before its random digits. No name makes such a one.
pub(super) const TEMPORARY: &str = "brigade~";

/// How long a file's name may be, in bytes.
const LONGEST_FILE: usize = 255;

/// The name of a segment, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name(String);

impl Name {
    pub(super) fn new(name: &str) -> Result<Self, SharedMemoryError> {
        let expectation = if name.is_empty() {
            "expected at least one character"
        } else if name.contains('\0') {
            "expected no NUL character"
        } else if name.contains('/') {
            "expected no slash"
        } else if name.len() > LONGEST_FILE - PREFIX.len() {
            "expected at most 247 bytes"
        } else {
            return Ok(Self(name.to_owned()));
        };
        Err(SharedMemoryError::InvalidName { name: name.to_owned(), expectation })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// What the system calls the segment.
    pub(super) fn file(&self) -> String {
        format!("{PREFIX}{}", self.0)
    }

    pub(super) fn path(&self) -> PathBuf {
        path(&self.file())
    }

    pub(super) fn exists(&self) -> SharedMemoryError {
        SharedMemoryError::Exists { name: self.0.clone() }
    }

    pub(super) fn missing(&self) -> SharedMemoryError {
        SharedMemoryError::Missing { name: self.0.clone() }
    }

    /// What it means that the system refused an operation on the segment.
    pub(super) fn failed(&self, operation: &'static str, error: io::Error) -> SharedMemoryError {
        match error.kind() {
            io::ErrorKind::NotFound => self.missing(),
            io::ErrorKind::AlreadyExists => self.exists(),
            _ => {
                let object = format!("shared memory {:?}", self.0);
                brigade_sys::Error::new(operation, object, error).into()
            }
        }
    }

    /// What it means that the segment could not be mapped.
    pub(super) fn refused(&self, operation: &'static str, refusal: Refusal) -> SharedMemoryError {
        match refusal {
            Refusal::Exists => self.exists(),
            Refusal::Corrupt(reason) => SharedMemoryError::Corrupt { name: self.0.clone(), reason },
            Refusal::System(error) => self.failed(operation, error),
        }
    }
}

pub(super) fn path(file: &str) -> PathBuf {
    PathBuf::from(DIRECTORY).join(file)
}

/// Sixteen random digits.
pub(super) fn random_digits() -> Result<String, brigade_sys::Error> {
    let mut bytes = [0; 8];
    brigade_sys::random::fill(&mut bytes)?;
    Ok(format!("{:016x}", u64::from_ne_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_part_of_a_file_name() {
        let long = "x".repeat(247);
        for name in ["a", "with space", ".", "..", "ümläut", &long] {
            let path = Name::new(name).expect("a good name").path();
            assert_eq!(path.parent(), Some(DIRECTORY.as_ref()));
        }
        let too_long = "x".repeat(248);
        for name in ["", "a/b", "/", "nul\0inside", "\0", &too_long] {
            let error = Name::new(name).expect_err("a bad name");
            assert!(matches!(error, SharedMemoryError::InvalidName { .. }), "{error}");
        }
    }
}
