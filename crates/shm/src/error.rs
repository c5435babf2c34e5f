//! What can go wrong with shared memory itself.

/// Why shared memory could not be had or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system refused.
    #[error(transparent)]
    System(#[from] brigade_sys::Error),
    /// The memory is not what this program would have written: another version of brigade, another
    /// kind of file, or bytes that a faulty process overwrote.
    #[error("shared memory is corrupt: {0}")]
    Corrupt(&'static str),
    /// As many processes as fit are attached to the arena.
    #[error("cannot attach to the arena: all {limit} process slots are in use")]
    TooManyProcesses {
        /// How many fit.
        limit: usize,
    },
    /// An object larger than any arena was asked for.
    #[error("cannot allocate {size} bytes: an object may have at most {limit}")]
    TooLarge {
        /// The bytes asked for.
        size: usize,
        /// The bytes an object may have.
        limit: usize,
    },
    /// A handle came from an arena that this process does not share.
    #[error("cannot use a handle of arena {arena:032x}: it is not attached to this process")]
    ForeignArena {
        /// The arena's identity.
        arena: u128,
    },
    /// A handle came too late: its object is gone.
    #[error("cannot use a handle of a {kind}: the object no longer exists")]
    Gone {
        /// What the handle was of.
        kind: &'static str,
    },
    /// A handle is of another type of object than was expected.
    #[error("cannot use a handle as a {expected}: it is of another type")]
    WrongType {
        /// What was expected.
        expected: &'static str,
    },
    /// An argument is outside its range.
    #[error("cannot create a {kind}: {expectation}")]
    Invalid {
        /// What was to be created.
        kind: &'static str,
        /// What is allowed.
        expectation: &'static str,
    },
    /// An index that the object does not have.
    #[error("cannot reach index {index} of the {kind}: it has {length} elements")]
    OutOfRange {
        /// What was indexed.
        kind: &'static str,
        /// The index asked for.
        index: usize,
        /// How many elements there are.
        length: usize,
    },
}
