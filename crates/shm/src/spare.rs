//! A buffer that each thread keeps for the next message.
//!
//! A message is encoded before the lock is taken and decoded after its release: in between it needs
//! some memory of this process. To ask for it anew for each message would take longer than the rest.

use std::cell::Cell;

/// A larger buffer is given back to the allocator.
const MOST: usize = 1 << 21;

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Runs `work` with a buffer in which anything may be.
///
/// Who puts while it puts, in what it calls to write a value, gets another.
#[inline]
pub(crate) fn with<R>(work: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    // A thread that ends has none any more.
    let mut buffer = SPARE.try_with(Cell::take).unwrap_or_default();
    let done = work(&mut buffer);
    if buffer.capacity() <= MOST {
        let _ = SPARE.try_with(|spare| spare.set(buffer));
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_kept_unless_it_is_large_or_in_use() {
        with(|buffer| buffer.extend([1; 100]));
        with(|buffer| {
            assert!(buffer.capacity() >= 100);
            with(|other| assert_eq!(other.capacity(), 0));
            buffer.resize(MOST + 1, 0);
        });
        with(|buffer| assert_eq!(buffer.capacity(), 0));
    }
}
