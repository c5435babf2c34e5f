//! The memory of a list: chunks, each twice as long as the one before.

use brigade_sys::kill_point::kill_point;

use super::{CHUNKS, List, OUTSIDE};
use crate::arena::heap::MAX_LENGTH;
use crate::data::elements::Elements;
use crate::data::part::{self, NewPart};
use crate::data::slot::Slot;
use crate::error::Error;
use crate::plain::Plain;

/// About how many bytes the first chunk has.
const FIRST_BYTES: usize = 256;

const TOO_LARGE: Error = Error::TooLarge { size: usize::MAX, limit: MAX_LENGTH };

/// How many elements the first chunk holds: a power of two.
pub(super) const fn first_length<T>() -> usize {
    let fitting = FIRST_BYTES / Slot::stride::<T>();
    if fitting < 4 { 4 } else { fitting.next_power_of_two() }
}

/// The number of the chunk that holds element `index`, and the element's index in it.
#[inline]
pub(super) fn chunk_of<T>(index: usize) -> (usize, usize) {
    let first = const { first_length::<T>() };
    // So many elements farther on, each chunk begins at a power of two that is its length.
    let shifted = index.saturating_add(first);
    let length = shifted.ilog2();
    ((length - const { first_length::<T>().ilog2() }) as usize, shifted ^ (1 << length))
}

/// The part of a range of elements that lies in one chunk.
struct Segment {
    chunk: usize,
    /// Its first element, in the chunk.
    within: usize,
    count: usize,
}

/// The segments of `count` elements from `start` on.
fn segments<T>(start: usize, count: usize) -> impl Iterator<Item = Segment> {
    let mut next = start;
    let end = start.saturating_add(count);
    std::iter::from_fn(move || {
        let left = end.checked_sub(next).filter(|&left| left > 0)?;
        let (chunk, within) = chunk_of::<T>(next);
        let count = left.min(length_of::<T>(chunk)? - within);
        next += count;
        Some(Segment { chunk, within, count })
    })
}

/// How many elements a chunk holds; `None` when no list has it.
fn length_of<T>(chunk: usize) -> Option<usize> {
    (chunk < CHUNKS).then(|| first_length::<T>() << chunk)
}

impl<T: Plain> List<T> {
    /// The slot of `index`, whether it is an element or not, if its chunk is there.
    #[inline]
    pub(super) fn slot(&self, index: usize) -> Option<Slot> {
        self.known_slot(index).or_else(|| self.find(index))
    }

    /// The slot of `index`, whether it is an element or not, if its chunk was found before.
    #[inline]
    pub(super) fn known_slot(&self, index: usize) -> Option<Slot> {
        let (chunk, within) = chunk_of::<T>(index);
        self.known.get(chunk)?.get()?.get::<T>(within)
    }

    /// Looks for a chunk that this handle has not used yet. One that is there stays where it is.
    #[cold]
    fn find(&self, index: usize) -> Option<Slot> {
        let (chunk, within) = chunk_of::<T>(index);
        let known = self.known.get(chunk)?;
        let elements = self.chunk(chunk).ok()?;
        known.get_or_init(|| elements).get::<T>(within)
    }

    /// The elements from `start` on, `count` of them, for the holder of the lock.
    pub(super) fn load(&self, start: usize, count: usize) -> Result<Vec<T>, Error> {
        // Grown chunk by chunk: the count may be nonsense, which the first missing chunk shows.
        let mut values = Vec::new();
        for Segment { chunk, within, count } in segments::<T>(start, count) {
            let elements = self.chunk(chunk)?;
            let loaded = values.len();
            values.resize(loaded + count, T::new_zeroed());
            elements.load(within, &mut values[loaded..]);
        }
        if values.len() == count { Ok(values) } else { Err(OUTSIDE) }
    }

    /// Writes elements where nobody reads them yet. Their chunks are there.
    pub(super) fn fill_slots(&self, start: usize, values: &[T]) -> Result<(), Error> {
        let mut rest = values;
        for Segment { chunk, within, count } in segments::<T>(start, values.len()) {
            let (now, later) = rest.split_at(count);
            self.chunk(chunk)?.fill(within, now);
            rest = later;
        }
        Ok(())
    }

    /// Whether there are slots for `count` elements from `start` on.
    pub(super) fn check_slots(&self, start: usize, count: usize) -> Result<(), Error> {
        segments::<T>(start, count).try_for_each(|segment| self.chunk(segment.chunk).map(drop))
    }

    /// Sees to it that there are chunks for the elements from `length` to before `end`. The caller
    /// holds the lock.
    pub(super) fn reserve(&self, length: usize, end: usize) -> Result<(), Error> {
        if end > length {
            // A length that a faulty process wrote must not ask for memory: the elements before it
            // are nowhere.
            if let Some(last) = length.checked_sub(1) {
                self.chunk(chunk_of::<T>(last).0)?;
            }
            for chunk in chunk_of::<T>(length).0..=chunk_of::<T>(end - 1).0 {
                self.ensure(chunk)?;
            }
        }
        Ok(())
    }

    fn ensure(&self, chunk: usize) -> Result<(), Error> {
        let length = length_of::<T>(chunk).ok_or(TOO_LARGE)?;
        if part::owned(&self.handle, chunk)?.is_none() {
            let length = length.saturating_mul(Slot::stride::<T>());
            NewPart::new(&self.handle, length)?.attach(chunk)?;
            kill_point("list.chunk");
        }
        Ok(())
    }

    /// The chunk, checked to be the list's own: a word that a faulty process wrote must not lead
    /// into another object.
    fn chunk(&self, chunk: usize) -> Result<Elements, Error> {
        let count = length_of::<T>(chunk).ok_or(OUTSIDE)?;
        let (body, bytes) = part::owned(&self.handle, chunk)?.ok_or(OUTSIDE)?;
        if count.saturating_mul(Slot::stride::<T>()) > bytes {
            return Err(OUTSIDE);
        }
        Elements::at::<T>(self.handle.arena().mapping(), body, count).ok_or(OUTSIDE)
    }
}
