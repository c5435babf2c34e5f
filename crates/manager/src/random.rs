//! Numbers that tell managers, clients and messages apart.

use brigade_sys::{Error, random};

/// A number that no other call has returned or will, in any process.
pub(crate) fn number() -> Result<u128, Error> {
    let mut bytes = [0; 16];
    random::fill(&mut bytes)?;
    Ok(u128::from_le_bytes(bytes))
}
