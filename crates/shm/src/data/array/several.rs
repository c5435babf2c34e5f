//! Several elements of an array: one after the other, or at once.

use std::ops::{Bound, RangeBounds};

use super::Array;
use crate::data::draft::Run;
use crate::data::elements::Elements;
use crate::error::Error;
use crate::plain::Plain;

impl<T: Plain> Array<T> {
    /// Replaces all elements by `value`, one after the other.
    ///
    /// # Deadlock
    ///
    /// As for [`set`](Self::set).
    pub fn fill(&self, value: T) {
        match self.elements {
            Elements::Small(cells) => {
                self.settle();
                cells.store_all(0, std::iter::repeat_n(value, self.length));
            }
            Elements::Large(_) => {
                let locked = self.lock();
                (0..self.length).for_each(|index| self.write(&locked, index, &value));
            }
        }
    }

    /// Replaces the elements from `start` on by `values`, one after the other.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] when they are more than there are; then none is replaced.
    ///
    /// # Deadlock
    ///
    /// As for [`set`](Self::set).
    #[doc(alias = "__setitem__")]
    pub fn copy_from_slice(&self, start: usize, values: &[T]) -> Result<(), Error> {
        self.check_range(start, values.len())?;
        match self.elements {
            Elements::Small(_) => {
                self.settle();
                self.elements.fill(start, values);
            }
            Elements::Large(_) => {
                let locked = self.lock();
                for (index, value) in (start..).zip(values) {
                    self.write(&locked, index, value);
                }
            }
        }
        Ok(())
    }

    /// Copies the elements from `start` on to all of `values`, one after the other. Those that
    /// others change at once are all as before the change or all as after it.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] when there are fewer.
    pub fn copy_to_slice(&self, start: usize, values: &mut [T]) -> Result<(), Error> {
        self.check_range(start, values.len())?;
        self.read_all(start, values);
        Ok(())
    }

    /// The elements in `range`, read one after the other. Those that others change at once are all
    /// as before the change or all as after it.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] when not all of the range is in the array.
    #[doc(alias = "__getitem__")]
    pub fn range(&self, range: impl RangeBounds<usize>) -> Result<Vec<T>, Error> {
        let start = match range.start_bound() {
            Bound::Included(&start) => start,
            Bound::Excluded(&before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&last) => last.saturating_add(1),
            Bound::Excluded(&end) => end,
            Bound::Unbounded => self.length,
        };
        let count = end.saturating_sub(start);
        self.check_range(start, count)?;
        let mut values = vec![T::new_zeroed(); count];
        self.read_all(start, &mut values);
        Ok(values)
    }

    /// All elements, read one after the other. Those that others change at once are all as before
    /// the change or all as after it.
    pub fn to_vec(&self) -> Vec<T> {
        let mut values = vec![T::new_zeroed(); self.length];
        self.read_all(0, &mut values);
        values
    }

    /// The index of the first element for which `is_wanted` says yes, reading one after the other.
    pub fn position(&self, is_wanted: impl FnMut(T) -> bool) -> Option<usize> {
        self.iter().position(is_wanted)
    }

    /// Whether an element equals `value`, reading one after the other.
    #[doc(alias = "__contains__")]
    pub fn contains(&self, value: &T) -> bool
    where
        T: PartialEq,
    {
        self.iter().any(|element| element == *value)
    }

    /// Changes any of the elements by `change`, under the array's lock, and returns what `change`
    /// returns. Those that `change` has changed are replaced at once.
    ///
    /// No update of the array runs meanwhile, and no other change of several elements. Whoever has
    /// read one of the new elements reads no old one afterwards. What others set an element of at
    /// most eight bytes to, or add to it, while `change` runs, is lost if `change` changes that
    /// element too.
    ///
    /// # Process death
    ///
    /// A process that dies leaves the elements as they were before or after the change, all of them.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory to write the change aside; then no element is changed.
    ///
    /// # Panics
    ///
    /// Panics when `change` does; the elements then are as they were before.
    ///
    /// # Deadlock
    ///
    /// A `change` that updates the same array waits for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// use brigade_shm::Array;
    ///
    /// let accounts = Array::from_slice(&[70_u64, 30])?;
    /// accounts.update_all(|accounts| {
    ///     accounts[0] -= 20;
    ///     accounts[1] += 20;
    /// })?;
    /// assert_eq!(accounts.to_vec(), [50, 50]);
    /// # Ok::<(), brigade_shm::Error>(())
    /// ```
    pub fn update_all<R>(&self, change: impl FnOnce(&mut [T]) -> R) -> Result<R, Error> {
        let locked = self.lock();
        let old = self.to_vec();
        let mut new = old.clone();
        let result = change(&mut new);
        let runs = Run::between(&old, &new);
        if !runs.is_empty() {
            let target = self.desk.write(&self.handle, self.length, &runs)?;
            locked.commit(target, || self.make(target));
            self.desk.clear(&self.handle, target);
        }
        Ok(result)
    }

    /// Exchanges two elements at once, as [`update_all`](Self::update_all) does.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`].
    ///
    /// # Deadlock
    ///
    /// As for [`set`](Self::set), whatever the size of the elements.
    pub fn swap(&self, one: usize, other: usize) -> Result<(), Error> {
        let [first, second] = [self.slot(one)?, self.slot(other)?];
        let locked = self.lock();
        let [first, second]: [T; 2] = [first.load(), second.load()];
        let runs = [Run { start: one, values: &[second] }, Run { start: other, values: &[first] }];
        let target = self.desk.write(&self.handle, self.length, &runs)?;
        locked.commit(target, || self.make(target));
        Ok(())
    }

    /// Sorts the elements, at once, as [`update_all`](Self::update_all) does.
    ///
    /// # Errors
    ///
    /// As for [`update_all`](Self::update_all).
    ///
    /// # Deadlock
    ///
    /// As for [`swap`](Self::swap).
    pub fn sort(&self) -> Result<(), Error>
    where
        T: Ord,
    {
        self.update_all(<[T]>::sort)
    }

    fn read_all(&self, start: usize, values: &mut [T]) {
        // Again if several elements change at once meanwhile, some of which were read before.
        let load = || self.elements.load(start, values);
        self.shared.journal.read(load, || self.lock());
    }

    fn check_range(&self, start: usize, count: usize) -> Result<(), Error> {
        match start.checked_add(count) {
            Some(end) if end <= self.length => Ok(()),
            end => Err(self.out_of_range(end.map_or(usize::MAX, |end| end.saturating_sub(1)))),
        }
    }
}
