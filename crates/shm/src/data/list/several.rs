//! Several elements of a list, at once.

use std::ops::{Bound, RangeBounds};

use super::{List, OUTSIDE, too_large};
use crate::data::draft::Run;
use crate::data::journal::Locked;
use crate::data::slot::Slot;
use crate::error::Error;
use crate::plain::Plain;

impl<T: Plain> List<T> {
    /// Adds all elements of `values` at the end, at once: nobody sees a part of them.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory for them; then the list is as it was before.
    ///
    /// # Deadlock
    ///
    /// As for [`set`](Self::set). `values` may read and change the list.
    pub fn extend(&self, values: impl IntoIterator<Item = T>) -> Result<(), Error> {
        // Collected first: the iterator may look at this very list.
        self.extend_from_slice(&values.into_iter().collect::<Vec<_>>())
    }

    /// Adds all elements of `values` at the end, at once: nobody sees a part of them.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory for them; then the list is as it was before.
    ///
    /// # Deadlock
    ///
    /// As for [`set`](Self::set).
    pub fn extend_from_slice(&self, values: &[T]) -> Result<(), Error> {
        let locked = self.lock();
        let length = self.length();
        let end = length.checked_add(values.len()).ok_or_else(too_large)?;
        // Each chunk is asked for once, before anything is written.
        self.reserve(length, end)?;
        locked.begin();
        self.fill_slots(length, values)?;
        self.commit(end);
        Ok(())
    }

    /// Puts `value` before the element at `index`, or at the end if `index` is the length. The
    /// elements behind it move.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] when `index` is beyond the end; otherwise fails when there is no memory
    /// for it. Then the list is as it was before.
    ///
    /// # Deadlock
    ///
    /// As for [`set`](Self::set).
    pub fn insert(&self, index: usize, value: T) -> Result<(), Error> {
        let locked = self.lock();
        let length = self.length();
        if index > length {
            return Err(self.out_of_range(index));
        }
        let end = length.checked_add(1).ok_or_else(too_large)?;
        self.reserve(length, end)?;
        let mut values = vec![value];
        values.extend(self.load(index, length - index)?);
        self.change(&locked, end, &[Run { start: index, values: &values }])
    }

    /// Takes the element at `index` away, and returns it. The elements behind it move.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] when there is none; otherwise fails when there is no memory to write
    /// the change aside. Then the list is as it was before.
    ///
    /// # Deadlock
    ///
    /// As for [`set`](Self::set).
    #[doc(alias = "pop(index)")]
    pub fn remove(&self, index: usize) -> Result<T, Error> {
        let locked = self.lock();
        let length = self.check(index)?;
        let values = self.load(index, length - index)?;
        self.change(&locked, length - 1, &[Run { start: index, values: &values[1..] }])?;
        Ok(values[0])
    }

    /// Takes the element at `index` away, puts the last one into its place, and returns it.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] when there is none.
    ///
    /// # Deadlock
    ///
    /// As for [`set`](Self::set).
    pub fn swap_remove(&self, index: usize) -> Result<T, Error> {
        let locked = self.lock();
        let last = self.check(index)? - 1;
        let [removed, moved] = [self.element(index)?, self.element(last)?];
        self.change(&locked, last, &[Run { start: index, values: &[moved] }])?;
        Ok(removed)
    }

    /// Exchanges two elements.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] when there is no such element.
    ///
    /// # Deadlock
    ///
    /// As for [`set`](Self::set).
    pub fn swap(&self, one: usize, other: usize) -> Result<(), Error> {
        let locked = self.lock();
        self.check(one)?;
        let length = self.check(other)?;
        let [first, second] = [self.element(one)?, self.element(other)?];
        let runs = [Run { start: one, values: &[second] }, Run { start: other, values: &[first] }];
        self.change(&locked, length, &runs)
    }

    /// Changes the list by `change`, under its lock, and returns what `change` returns. Whatever
    /// `change` does happens at once: nobody sees a part of it.
    ///
    /// `change` works on a copy, so the call takes the longer the longer the list is.
    ///
    /// # Process death
    ///
    /// A process that dies leaves the list as it was before or after the whole change.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory for it; then the list is as it was before.
    ///
    /// # Panics
    ///
    /// Panics when `change` does; the list then is as it was before.
    ///
    /// # Deadlock
    ///
    /// A `change` that changes the same list waits for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// use brigade_shm::List;
    ///
    /// let jobs = List::from_slice(&[4_u32, 8, 15, 16, 23, 42])?;
    /// let odd = jobs.update_all(|jobs| jobs.extract_if(.., |job| *job % 2 == 1).count())?;
    /// assert_eq!((odd, jobs.to_vec()?), (2, vec![4, 8, 16, 42]));
    /// # Ok::<(), brigade_shm::Error>(())
    /// ```
    pub fn update_all<R>(&self, change: impl FnOnce(&mut Vec<T>) -> R) -> Result<R, Error> {
        let locked = self.lock();
        let old = self.load(0, self.length())?;
        let mut new = old.clone();
        let result = change(&mut new);
        self.reserve(old.len(), new.len())?;
        let runs = Run::between(&old, &new);
        if !runs.is_empty() || old.len() != new.len() {
            self.change(&locked, new.len(), &runs)?;
        }
        Ok(result)
    }

    /// Keeps the elements for which `keep` says yes, as [`update_all`](Self::update_all) does.
    ///
    /// # Errors
    ///
    /// As for [`update_all`](Self::update_all).
    ///
    /// # Panics
    ///
    /// Panics when `keep` does; the list then is as it was before.
    ///
    /// # Deadlock
    ///
    /// A `keep` that changes the same list waits for ever.
    pub fn retain(&self, keep: impl FnMut(&T) -> bool) -> Result<(), Error> {
        self.update_all(|values| values.retain(keep))
    }

    /// Sorts the elements, as [`update_all`](Self::update_all) does.
    ///
    /// # Errors
    ///
    /// As for [`update_all`](Self::update_all).
    ///
    /// # Deadlock
    ///
    /// As for [`set`](Self::set).
    pub fn sort(&self) -> Result<(), Error>
    where
        T: Ord,
    {
        self.update_all(|values| values.sort())
    }

    /// Replaces all elements by `value`, as [`update_all`](Self::update_all) does.
    ///
    /// # Errors
    ///
    /// As for [`update_all`](Self::update_all).
    ///
    /// # Deadlock
    ///
    /// As for [`set`](Self::set).
    pub fn fill(&self, value: T) -> Result<(), Error> {
        self.update_all(|values| values.fill(value))
    }

    /// Replaces the elements from `start` on by `values`, at once: nobody sees a part of them.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] when they are more than there are; otherwise fails when there is no
    /// memory to write them aside. Then the list is as it was before.
    ///
    /// # Deadlock
    ///
    /// As for [`set`](Self::set).
    #[doc(alias = "__setitem__")]
    pub fn copy_from_slice(&self, start: usize, values: &[T]) -> Result<(), Error> {
        let locked = self.lock();
        let length = self.check_range(start, values.len())?;
        self.change(&locked, length, &[Run { start, values }])
    }

    /// The elements in `range`, as they were at one instant.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] when not all of the range is in the list.
    ///
    /// # Deadlock
    ///
    /// As for [`set`](Self::set).
    #[doc(alias = "__getitem__")]
    pub fn range(&self, range: impl RangeBounds<usize>) -> Result<Vec<T>, Error> {
        let _locked = self.lock();
        let start = match range.start_bound() {
            Bound::Included(&start) => start,
            Bound::Excluded(&before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&last) => last.saturating_add(1),
            Bound::Excluded(&end) => end,
            Bound::Unbounded => self.length(),
        };
        let count = end.saturating_sub(start);
        self.check_range(start, count)?;
        self.load(start, count)
    }

    /// The elements of one instant.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when a faulty process has overwritten the list.
    ///
    /// # Deadlock
    ///
    /// As for [`set`](Self::set).
    pub fn to_vec(&self) -> Result<Vec<T>, Error> {
        let _locked = self.lock();
        self.load(0, self.length())
    }

    /// The index of the first element for which `is_wanted` says yes, reading one after the other.
    #[doc(alias = "index")]
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

    /// Commits a change, makes it, and gives back what it was written to.
    fn change(&self, locked: &Locked, length: usize, runs: &[Run<'_, T>]) -> Result<(), Error> {
        // What is committed must have a place to go to.
        runs.iter().try_for_each(|run| self.check_slots(run.start, run.values.len()))?;
        let target = self.desk.write(&self.handle, length, runs)?;
        locked.commit(target, || self.make(target));
        self.desk.clear(&self.handle, target);
        Ok(())
    }

    /// The element at `index`, of which the caller knows that there is one. It holds the lock.
    fn element(&self, index: usize) -> Result<T, Error> {
        self.slot(index).map(Slot::load).ok_or(OUTSIDE)
    }

    /// How many elements there are, if all of these are among them.
    fn check_range(&self, start: usize, count: usize) -> Result<usize, Error> {
        let length = self.length();
        match start.checked_add(count) {
            Some(end) if end <= length => Ok(length),
            end => Err(self.out_of_range(end.map_or(usize::MAX, |end| end.saturating_sub(1)))),
        }
    }
}
