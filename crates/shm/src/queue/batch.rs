//! Many values at a time: one commit and one wake-up for all that fit.

use std::time::Duration;

use brigade_codec::Message;
use brigade_sys::time::Deadline;

use super::error::{GetFailure, GetManyError, PutAllError};
use super::fifo::{Queue, message, value};
use super::refusal::{Missed, Refusal};
use crate::channel::{GetRefusal, PutRefusal};
use crate::error::Error;
use crate::message::{self, Payload};

/// How many values are encoded before they are put.
const CHUNK: usize = 256;

/// How long a put of many waits for room.
#[derive(Clone, Copy)]
enum Patience {
    Until(Deadline),
    No,
}

impl<T: Message> Queue<T> {
    /// Puts all these values at the end, in order, blocking while the queue is full.
    ///
    /// Values of others may come in between where the queue was full, or where a value is long or
    /// carries handles. The iterator is asked for a few hundred values at a time.
    ///
    /// # Errors
    ///
    /// [`PutAllError`], with the values that were asked for and not put. The rest stays in the
    /// iterator: pass it [`by_ref`](Iterator::by_ref) to go on with it.
    ///
    /// # Process death
    ///
    /// A process killed in here has put the first of the values, some number of them, and none of
    /// the others.
    ///
    /// # Examples
    ///
    /// ```
    /// use brigade_shm::Queue;
    ///
    /// let queue = Queue::bounded(100)?;
    /// queue.put_all(1..=3)?;
    /// assert_eq!(queue.get_many(10)?, [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn put_all(&self, values: impl IntoIterator<Item = T>) -> Result<(), PutAllError<T>> {
        self.put_chunks(values.into_iter(), Patience::Until(Deadline::NEVER))
    }

    /// Puts as many of these values at the end as there is room for. As [`put_all`](Self::put_all)
    /// otherwise.
    ///
    /// Waits for nobody but a process that is inside the queue at this moment, as
    /// [`try_put`](Self::try_put) does.
    ///
    /// # Errors
    ///
    /// [`PutAllError`]; [`PutAllError::Full`] when there was not room for all.
    pub fn try_put_all(&self, values: impl IntoIterator<Item = T>) -> Result<(), PutAllError<T>> {
        self.put_chunks(values.into_iter(), Patience::No)
    }

    /// Puts all these values at the end, blocking at most for `timeout` while the queue is full. As
    /// [`put_all`](Self::put_all) otherwise.
    ///
    /// # Errors
    ///
    /// [`PutAllError`]; [`PutAllError::Full`] when there was not room for all in time.
    pub fn put_all_timeout(
        &self,
        values: impl IntoIterator<Item = T>,
        timeout: Duration,
    ) -> Result<(), PutAllError<T>> {
        self.put_chunks(values.into_iter(), Patience::Until(Deadline::after(timeout)))
    }

    /// Takes the first values, as many as are there but at most `most`, blocking until there is
    /// one.
    ///
    /// # Errors
    ///
    /// [`GetManyError`]; [`GetManyError::Closed`] at the end of the queue.
    ///
    /// # Process death
    ///
    /// A process killed in here has taken all of the values or none; what it had taken is gone with
    /// it.
    pub fn get_many(&self, most: usize) -> Result<Vec<T>, GetManyError<T>> {
        self.get_many_until(most, Deadline::NEVER)
    }

    /// Takes the first values, as many as are there but at most `most`.
    ///
    /// Waits for nobody but a process that is inside the queue at this moment, as
    /// [`try_get`](Self::try_get) does.
    ///
    /// # Errors
    ///
    /// [`GetManyError`]; [`GetManyError::Empty`] when there is none yet.
    pub fn try_get_many(&self, most: usize) -> Result<Vec<T>, GetManyError<T>> {
        Taken::of(most, |sink| self.channel.try_get_some(most, sink))
    }

    /// Takes the first values, as many as are there but at most `most`, blocking at most for
    /// `timeout` until there is one.
    ///
    /// # Errors
    ///
    /// [`GetManyError`]; [`GetManyError::Empty`] when there was none in time.
    pub fn get_many_timeout(
        &self,
        most: usize,
        timeout: Duration,
    ) -> Result<Vec<T>, GetManyError<T>> {
        self.get_many_until(most, Deadline::after(timeout))
    }

    fn get_many_until(&self, most: usize, deadline: Deadline) -> Result<Vec<T>, GetManyError<T>> {
        Taken::of(most, |sink| self.channel.get_some(most, deadline, sink))
    }

    fn put_chunks(
        &self,
        mut values: impl Iterator<Item = T>,
        patience: Patience,
    ) -> Result<(), PutAllError<T>> {
        loop {
            let mut chunk: Vec<T> = values.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                return Ok(());
            }
            self.put_chunk(&mut chunk, patience).map_err(|refusal| match refusal {
                Refusal::Full => PutAllError::Full(chunk),
                Refusal::Closed => PutAllError::Closed(chunk),
                Refusal::Failed(reason) => PutAllError::Failed { values: chunk, reason },
            })?;
        }
    }

    /// Puts the values of `chunk`, and leaves those there that were not put.
    fn put_chunk(&self, chunk: &mut Vec<T>, patience: Patience) -> Result<(), Refusal> {
        // What cannot be encoded or packed is refused after the values before it are put.
        let mut refused = None;
        let (mut encoded, mut carried) = (Vec::new(), Vec::new());
        for value in chunk.iter() {
            match message(value) {
                Ok((bytes, contents)) => {
                    encoded.push(bytes);
                    carried.push(contents);
                }
                Err(refusal) => {
                    refused = Some(refusal);
                    break;
                }
            }
        }
        let mut payloads = Vec::with_capacity(encoded.len());
        // The contents hold handles; they go with this loop.
        for (bytes, contents) in encoded.iter().zip(carried) {
            match self.channel.prepare(bytes, &contents) {
                Ok(payload) => payloads.push(payload),
                Err(error) => {
                    refused = Some(PutRefusal::Failed(error).into());
                    break;
                }
            }
        }
        let mut left = payloads.as_mut_slice();
        while !left.is_empty() {
            let count = self.put_some(left, patience)?;
            // Their handles are the queue's now, and are not held here while the others wait.
            chunk.drain(..count);
            left = &mut left[count..];
        }
        refused.map_or(Ok(()), Err)
    }

    fn put_some(
        &self,
        payloads: &mut [Payload<'_>],
        patience: Patience,
    ) -> Result<usize, PutRefusal> {
        match patience {
            Patience::Until(deadline) => self.channel.put_some(payloads, deadline),
            Patience::No => self.channel.try_put_some(payloads),
        }
    }
}

/// Values on their way out, and what went wrong first with one of them.
struct Taken<T> {
    values: Vec<T>,
    failure: Option<GetFailure>,
}

impl<T: Message> Taken<T> {
    /// Runs `take`, which takes up to `most` messages, and decodes them.
    fn of(
        most: usize,
        take: impl FnOnce(&mut dyn FnMut(Result<message::Message, Error>)) -> Result<(), GetRefusal>,
    ) -> Result<Vec<T>, GetManyError<T>> {
        let mut taken = Self { values: Vec::new(), failure: None };
        if most == 0 {
            return Ok(taken.values);
        }
        take(&mut |message| taken.add(message)).map_err(|refusal| match refusal {
            GetRefusal::Empty => GetManyError::Empty,
            GetRefusal::Closed => GetManyError::Closed,
            GetRefusal::Failed(error) => {
                let reason = GetFailure::Memory(error);
                GetManyError::Failed { values: Vec::new(), reason }
            }
        })?;
        match taken.failure {
            None => Ok(taken.values),
            Some(reason) => Err(GetManyError::Failed { values: taken.values, reason }),
        }
    }

    fn add(&mut self, message: Result<message::Message, Error>) {
        match value(message.map_err(GetRefusal::Failed)) {
            Ok(value) => self.values.push(value),
            Err(Missed::Failed(failure)) => {
                self.failure.get_or_insert(failure);
            }
            // A message that is there is neither missing nor the end.
            Err(Missed::Empty | Missed::Closed) => {}
        }
    }
}
