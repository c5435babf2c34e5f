//! Which words are shared: those that somebody writes and that more than one actor uses.

use std::collections::BTreeSet;

use crate::engine::Shape;
use crate::memory;

/// Who has used a word so far, in all executions of the exploration: a bit for each actor.
#[derive(Clone, Copy, Default)]
struct Use {
    readers: u8,
    writers: u8,
}

/// What is known about the words of the memory.
#[derive(Default)]
pub(crate) struct Uses {
    /// By the offset of an atomic.
    atomics: Vec<Use>,
    /// By an eighth of the offset, for bytes that are no atomics.
    bytes: Vec<Use>,
    shared: BTreeSet<(usize, Shape)>,
    base: usize,
}

impl Uses {
    /// Nothing is known.
    pub(crate) fn new() -> Self {
        Self {
            atomics: vec![Use::default(); memory::SIZE],
            bytes: vec![Use::default(); memory::SIZE / 8],
            shared: BTreeSet::new(),
            base: memory::base(),
        }
    }

    /// Notes that `actor` uses the word, and says whether it is shared. What does not lie in the
    /// memory is not.
    pub(crate) fn note(
        &mut self,
        address: usize,
        shape: Shape,
        actor: usize,
        writes: bool,
    ) -> bool {
        let offset = address.wrapping_sub(self.base);
        let word = match shape {
            Shape::None => None,
            Shape::Bytes => self.bytes.get_mut(offset / 8),
            _ => self.atomics.get_mut(offset),
        };
        let Some(word) = word else { return false };
        let (readers, writers) = (word.readers, word.writers);
        if writes {
            word.writers |= 1 << actor;
        } else {
            word.readers |= 1 << actor;
        }
        let is_shared = word.writers != 0 && (word.readers | word.writers).count_ones() > 1;
        if is_shared && (readers, writers) != (word.readers, word.writers) {
            self.shared.insert((address, shape));
        }
        is_shared
    }

    /// The words that are shared, in a fixed order.
    pub(crate) fn shared(&self) -> impl Iterator<Item = (usize, Shape)> {
        self.shared.iter().copied()
    }
}
