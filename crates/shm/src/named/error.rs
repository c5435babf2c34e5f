//! What can go wrong with memory by name.

/// Why a segment could not be had or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SharedMemoryError {
    /// Someone uses a segment of this name.
    #[error("cannot create shared memory {name:?}: it exists and is in use")]
    Exists {
        /// The name.
        name: String,
    },
    /// There is no segment of this name.
    #[error("cannot find shared memory {name:?}: it does not exist")]
    Missing {
        /// The name.
        name: String,
    },
    /// The name cannot be one of a segment.
    #[error("cannot use {name:?} as a name of shared memory: {expectation}")]
    InvalidName {
        /// The name.
        name: String,
        /// What is allowed.
        expectation: &'static str,
    },
    /// The size cannot be one of a segment.
    #[error("cannot create shared memory of {size} bytes: {expectation}")]
    InvalidSize {
        /// The size asked for.
        size: usize,
        /// What is allowed.
        expectation: &'static str,
    },
    /// The system has not so much shared memory.
    #[error("cannot create shared memory {name:?}: there is no room for {size} bytes")]
    NoSpace {
        /// The name.
        name: String,
        /// The size asked for.
        size: usize,
    },
    /// The file is not what brigade would have written.
    #[error("cannot use shared memory {name:?}: {reason}")]
    Corrupt {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Some of the bytes asked for do not lie in the segment.
    #[error("cannot reach {length} bytes at {offset} of shared memory: it has {size}")]
    OutOfRange {
        /// Where the bytes would start.
        offset: usize,
        /// How many they would be.
        length: usize,
        /// How many bytes there are.
        size: usize,
    },
    /// An atomic was asked for at an offset where none can be.
    #[error("cannot use the bytes at {offset} as an atomic: expected a multiple of {alignment}")]
    Misaligned {
        /// The offset.
        offset: usize,
        /// What the offset must be a multiple of.
        alignment: usize,
    },
    /// The system refused.
    #[error(transparent)]
    System(#[from] brigade_sys::Error),
}
