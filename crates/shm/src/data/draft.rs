//! Drafts: a change of several elements, written aside as a whole before any of it is made.
//!
//! ```text
//! +------------------+------+-------+-------+----------+-------+-------+------
//! | length after it  | end  | start | count | elements | start | count | ...
//! +------------------+------+-------+-------+----------+-------+-------+------
//! ```
//!
//! A run is a start, a count and as many elements, each in words of its own. `end` is where the
//! last run ends. What is written are values, not differences, so that making a change twice is
//! making it once.
//!
//! A small draft lies in the note, a row of words that the object has for that; a larger one in a
//! part that is made for it and given back when the change is made. Which of the two it is, is what
//! the [`Journal`](super::journal::Journal)'s target says.
//!
//! # Why no wake-up is lost
//!
//! Nobody sleeps here but on the heap's lock.
//!
//! # What a dead process leaves
//!
//! A draft that was not committed means nothing, and one that was is made by the next holder of the
//! journal's lock. If it is a part, it is given back before the next one is made.

use std::marker::PhantomData;

use brigade_sys::atomic::AtomicU64;
use brigade_sys::atomic::Ordering::Relaxed;

use super::part::{self, NewPart};
use super::words;
use crate::error::Error;
use crate::handle::Handle;
use crate::plain::Plain;

/// The words before the first run.
const HEAD: usize = 2;

/// The words of a run before its elements.
const RUN_HEAD: usize = 2;

/// How many words a note has at least.
const LEAST_NOTE: usize = 32;

/// The target of a draft in the note, and that of one in a part.
const NOTE: u64 = 0;
const PART: u64 = 1;

const CORRUPT: Error = Error::Corrupt("a change of an object does not lie where it should");

/// Elements that are to be written one behind the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'a, T> {
    pub(super) start: usize,
    pub(super) values: &'a [T],
}

impl<'a, T: Plain> Run<'a, T> {
    /// The runs of elements that differ from what they were, and those that are new.
    pub(super) fn between(old: &[T], new: &'a [T]) -> Vec<Self> {
        let is_new =
            |index: usize| old.get(index).is_none_or(|old| old.as_bytes() != new[index].as_bytes());
        let mut runs = Vec::new();
        let mut index = 0;
        while let Some(start) = (index..new.len()).find(|&index| is_new(index)) {
            let end = (start..new.len()).find(|&index| !is_new(index)).unwrap_or(new.len());
            runs.push(Run { start, values: &new[start..end] });
            index = end;
        }
        runs
    }
}

/// Where an object's drafts lie.
#[derive(Debug)]
pub(super) struct Desk<T> {
    note: &'static [AtomicU64],
    /// The number of the part for large drafts.
    part: usize,
    elements: PhantomData<T>,
}

impl<T> Clone for Desk<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Desk<T> {}

impl<T: Plain> Desk<T> {
    /// How many words an element takes in a draft.
    const ROW: usize = {
        let words = words::words_for(size_of::<T>());
        if words == 0 { 1 } else { words }
    };

    /// How many words the note has. It has room for two elements, wherever they are.
    pub(super) const NOTE_WORDS: usize = {
        let two = HEAD + 2 * (RUN_HEAD + Self::ROW);
        if two < LEAST_NOTE { LEAST_NOTE } else { two }
    };

    /// The desk of the object of `handle`, with its note at `note`.
    pub(super) fn new(handle: &Handle, note: usize, part: usize) -> Option<Self> {
        let note = handle.arena().mapping().slice(note, Self::NOTE_WORDS)?;
        Some(Self { note, part, elements: PhantomData })
    }

    /// Writes a draft, and returns the target that names it.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory for it; never for one or two elements.
    pub(super) fn write(
        &self,
        handle: &Handle,
        length: usize,
        runs: &[Run<'_, T>],
    ) -> Result<u64, Error> {
        let words = runs.iter().map(|run| RUN_HEAD + run.values.len() * Self::ROW);
        let words = HEAD + words.sum::<usize>();
        if words <= self.note.len() {
            fill(self.note, length, runs, Self::ROW);
            return Ok(NOTE);
        }
        // What a death may have left.
        part::give_back(handle, self.part)?;
        let new = NewPart::new(handle, words * 8)?;
        let row = handle.arena().mapping().slice(new.body(), words).ok_or(CORRUPT)?;
        fill(row, length, runs, Self::ROW);
        new.attach(self.part)?;
        Ok(PART)
    }

    /// Gives every element of the draft that `target` names, with its index, to `put`, and returns
    /// the length after the change; `None` when there is no such draft.
    pub(super) fn read(
        &self,
        handle: &Handle,
        target: u64,
        mut put: impl FnMut(usize, &T),
    ) -> Option<usize> {
        let row = self.find(handle, target)?;
        let number = |at: usize| usize::try_from(row.get(at)?.load(Relaxed)).ok();
        let (length, end) = (number(0)?, number(1)?);
        let mut at = HEAD;
        while at < end {
            let (start, count) = (number(at)?, number(at + 1)?);
            at += RUN_HEAD;
            let words = count.checked_mul(Self::ROW)?;
            for (index, row) in row.get(at..)?.get(..words)?.chunks(Self::ROW).enumerate() {
                put(start.saturating_add(index), &words::load(row));
            }
            at += words;
        }
        Some(length)
    }

    /// Gives the memory of a draft back that was made in place.
    pub(super) fn clear(&self, handle: &Handle, target: u64) {
        if target == PART {
            // If it fails, the memory is as corrupt for whoever uses it next.
            let _ = part::give_back(handle, self.part);
        }
    }

    fn find(&self, handle: &Handle, target: u64) -> Option<&'static [AtomicU64]> {
        if target == NOTE {
            return Some(self.note);
        }
        let (body, length) = part::owned(handle, self.part).ok().flatten()?;
        handle.arena().mapping().slice(body, length / 8)
    }
}

fn fill<T: Plain>(row: &[AtomicU64], length: usize, runs: &[Run<'_, T>], element: usize) {
    row[0].store(length as u64, Relaxed);
    let mut at = HEAD;
    for run in runs {
        row[at].store(run.start as u64, Relaxed);
        row[at + 1].store(run.values.len() as u64, Relaxed);
        at += RUN_HEAD;
        for value in run.values {
            words::store_bytes(&row[at..at + element], value.as_bytes());
            at += element;
        }
    }
    row[1].store(at as u64, Relaxed);
}

#[cfg(test)]
#[path = "draft_tests.rs"]
mod tests;
