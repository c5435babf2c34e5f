//! Values of any size as a row of words, each of which is read and written by itself.
//!
//! A row can be read while another process writes it: the reader gets a mixture, and finds out
//! afterwards, by the word that guards the row, that it has to read again.

use brigade_sys::atomic::AtomicU64;
use brigade_sys::atomic::Ordering::Relaxed;
use brigade_sys::kill_point::kill_point;

use crate::plain::Plain;

/// How many words hold `size` bytes.
pub(super) const fn words_for(size: usize) -> usize {
    size.div_ceil(8)
}

/// The value whose bytes the row holds, or a mixture: see the head of this file.
///
/// # Panics
///
/// Panics when the row is too short.
#[inline]
pub(super) fn load<T: Plain>(row: &[AtomicU64]) -> T {
    let mut value = T::new_zeroed();
    // So many words at once are read without a loop, where the row's length is not known.
    let row = &row[..const { words_for(size_of::<T>()) }];
    load_bytes(row, value.as_mut_bytes());
    value
}

/// Copies the row's first bytes.
#[inline]
pub(super) fn load_bytes(row: &[AtomicU64], bytes: &mut [u8]) {
    for (part, word) in bytes.chunks_mut(8).zip(row) {
        let word = word.load(Relaxed).to_ne_bytes();
        part.copy_from_slice(&word[..part.len()]);
    }
}

/// Copies `bytes` to the start of the row.
#[inline]
pub(super) fn store_bytes(row: &[AtomicU64], bytes: &[u8]) {
    for (part, one) in bytes.chunks(8).zip(row) {
        one.store(word(part), Relaxed);
        kill_point("words.store");
    }
}

/// Whether the row holds `bytes` and no others, as [`store_bytes`] writes them.
#[inline]
pub(super) fn equal(row: &[AtomicU64], bytes: &[u8]) -> bool {
    row.len() == words_for(bytes.len())
        && bytes.chunks(8).zip(row).all(|(part, one)| one.load(Relaxed) == word(part))
}

/// At most eight bytes as a word, the rest zero.
#[inline]
pub(super) fn word(bytes: &[u8]) -> u64 {
    let mut eight = [0; 8];
    eight[..bytes.len()].copy_from_slice(bytes);
    u64::from_ne_bytes(eight)
}

/// Copies one row to another.
#[inline]
pub(super) fn copy(from: &[AtomicU64], to: &[AtomicU64]) {
    for (from, to) in from.iter().zip(to) {
        to.store(from.load(Relaxed), Relaxed);
        kill_point("words.copy");
    }
}
