//! The buffer for a message, which no model keeps.

/// Runs `work` with a buffer.
pub(crate) fn with<R>(work: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    work(&mut Vec::new())
}
