//! The shared memory behind an object.

use brigade_shm as shm;
use serde::{Deserialize, Serialize};

use crate::cell::{self, Cell};
use crate::protocol::{Datum, Initial};

/// The shared memory behind an object, as a handle that travels.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Memory {
    Counter(shm::Value<i64>),
    Value(shm::Value<Cell>),
    Lock(shm::Lock),
}

impl Memory {
    /// Makes the memory of a new object, if its kind has one.
    pub(crate) fn create(initial: &Initial) -> Result<Option<Self>, shm::Error> {
        Ok(match initial {
            Initial::Counter(number) => Some(Self::Counter(shm::Value::new(*number)?)),
            Initial::Value(datum) => Some(Self::Value(shm::Value::new(cell_of(0, datum))?)),
            Initial::Lock => Some(Self::Lock(shm::Lock::new(())?)),
            Initial::List | Initial::Map => None,
        })
    }
}

/// The cell for a value: the value itself, if it may lie in memory.
pub(crate) fn cell_of(version: u64, datum: &Datum) -> Cell {
    let near = if datum.references.is_empty() { cell::near(version, &datum.bytes.0) } else { None };
    near.unwrap_or_else(|| cell::far(version))
}
