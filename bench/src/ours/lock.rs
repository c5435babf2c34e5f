//! Locks, semaphores and values, as what lets one at a time add to a number.

use crate::Result;
use crate::companion::{Companion, Job, Joint};
use crate::ours::worker;
use crate::turns::Turns;
use brigade::{Lock, OwnerDied, RLock, Semaphore, Value};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

impl Joint for Lock<u64> {
    fn invite<J: Job<Self>>(self: &Arc<Self>, job: J) -> Result<Box<dyn Companion>> {
        worker::invite(&**self, job)
    }
}

impl Turns for Lock<u64> {
    #[inline]
    fn turn(&self, within: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut number = self.lock().unwrap_or_else(OwnerDied::recover);
        within()?;
        *number += 1;
        Ok(())
    }

    fn total(&self) -> Result<u64> {
        Ok(*self.lock().unwrap_or_else(OwnerDied::recover))
    }
}

impl Joint for RLock<u64> {
    fn invite<J: Job<Self>>(self: &Arc<Self>, job: J) -> Result<Box<dyn Companion>> {
        worker::invite(&**self, job)
    }
}

impl Turns for RLock<u64> {
    #[inline]
    fn turn(&self, within: impl FnOnce() -> Result<()>) -> Result<()> {
        let number = self.lock().unwrap_or_else(OwnerDied::recover);
        within()?;
        number.set(number.get() + 1);
        Ok(())
    }

    fn total(&self) -> Result<u64> {
        Ok(self.lock().unwrap_or_else(OwnerDied::recover).get())
    }
}

/// A semaphore of one permit, and the number that it protects.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OnePermit(Semaphore, Value<u64>);

impl OnePermit {
    pub(crate) fn create() -> Result<Self> {
        Ok(Self(Semaphore::bounded(1)?, Value::new(0)?))
    }
}

impl Joint for OnePermit {
    fn invite<J: Job<Self>>(self: &Arc<Self>, job: J) -> Result<Box<dyn Companion>> {
        worker::invite(&**self, job)
    }
}

impl Turns for OnePermit {
    #[inline]
    fn turn(&self, within: impl FnOnce() -> Result<()>) -> Result<()> {
        let _permit = self.0.acquire();
        within()?;
        // A load and a store, which only the permit keeps together.
        self.1.set(self.1.get() + 1);
        Ok(())
    }

    fn total(&self) -> Result<u64> {
        Ok(self.1.get())
    }
}

/// A value that is added to at once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Added(Value<u64>);

/// A value that is changed by a function.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Updated(Value<u64>);

impl Added {
    pub(crate) fn create() -> Result<Self> {
        Ok(Self(Value::new(0)?))
    }
}

impl Updated {
    pub(crate) fn create() -> Result<Self> {
        Ok(Self(Value::new(0)?))
    }
}

impl Joint for Added {
    fn invite<J: Job<Self>>(self: &Arc<Self>, job: J) -> Result<Box<dyn Companion>> {
        worker::invite(&**self, job)
    }
}

impl Joint for Updated {
    fn invite<J: Job<Self>>(self: &Arc<Self>, job: J) -> Result<Box<dyn Companion>> {
        worker::invite(&**self, job)
    }
}

impl Turns for Added {
    #[inline]
    fn turn(&self, within: impl FnOnce() -> Result<()>) -> Result<()> {
        self.0.fetch_add(1);
        within()
    }

    fn total(&self) -> Result<u64> {
        Ok(self.0.get())
    }
}

impl Turns for Updated {
    #[inline]
    fn turn(&self, within: impl FnOnce() -> Result<()>) -> Result<()> {
        self.0.update(|number| *number += 1);
        within()
    }

    fn total(&self) -> Result<u64> {
        Ok(self.0.get())
    }
}
