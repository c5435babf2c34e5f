//! Conditions, events, semaphores and barriers, as what lets the other side go on.

use crate::Result;
use crate::companion::{Companion, Job, Joint};
use crate::ours::worker;
use crate::relay::Relay;
use brigade::{Barrier, Condition, Event, Lock, LockGuard, OwnerDied, Semaphore};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A number under a lock, which says whose turn it is: odd for who hands back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Baton {
    turn: Lock<u64>,
    passed: Condition,
}

impl Baton {
    pub(crate) fn create() -> Result<Self> {
        Ok(Self { turn: Lock::new(0)?, passed: Condition::new()? })
    }

    fn lock(&self) -> LockGuard<'_, u64> {
        self.turn.lock().unwrap_or_else(OwnerDied::recover)
    }

    fn wait_for<'a>(&self, turn: LockGuard<'a, u64>, wanted: u64) -> LockGuard<'a, u64> {
        let passed = self.passed.wait_while(turn, |turn| **turn != wanted);
        passed.unwrap_or_else(OwnerDied::recover)
    }
}

impl Joint for Baton {
    fn invite<J: Job<Self>>(self: &Arc<Self>, job: J) -> Result<Box<dyn Companion>> {
        worker::invite(&**self, job)
    }
}

impl Relay for Baton {
    fn hand_over(&self, round: u64) -> Result<()> {
        let mut turn = self.lock();
        *turn = 2 * round + 1;
        self.passed.notify_one();
        drop(self.wait_for(turn, 2 * round + 2));
        Ok(())
    }

    fn hand_back(&self, round: u64) -> Result<()> {
        *self.wait_for(self.lock(), 2 * round + 1) = 2 * round + 2;
        self.passed.notify_one();
        Ok(())
    }
}

/// An event for each direction. Who has waited for one clears it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Events {
    there: Event,
    back: Event,
}

impl Events {
    pub(crate) fn create() -> Result<Self> {
        Ok(Self { there: Event::new()?, back: Event::new()? })
    }
}

impl Joint for Events {
    fn invite<J: Job<Self>>(self: &Arc<Self>, job: J) -> Result<Box<dyn Companion>> {
        worker::invite(&**self, job)
    }
}

impl Relay for Events {
    fn hand_over(&self, _round: u64) -> Result<()> {
        self.there.set();
        self.back.wait();
        self.back.clear();
        Ok(())
    }

    fn hand_back(&self, _round: u64) -> Result<()> {
        self.there.wait();
        self.there.clear();
        self.back.set();
        Ok(())
    }
}

/// A semaphore for each direction.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Semaphores {
    there: Semaphore,
    back: Semaphore,
}

impl Semaphores {
    pub(crate) fn create() -> Result<Self> {
        Ok(Self { there: Semaphore::new(0)?, back: Semaphore::new(0)? })
    }
}

impl Joint for Semaphores {
    fn invite<J: Job<Self>>(self: &Arc<Self>, job: J) -> Result<Box<dyn Companion>> {
        worker::invite(&**self, job)
    }
}

impl Relay for Semaphores {
    fn hand_over(&self, _round: u64) -> Result<()> {
        self.there.release(1)?;
        self.back.acquire().forget();
        Ok(())
    }

    fn hand_back(&self, _round: u64) -> Result<()> {
        self.there.acquire().forget();
        self.back.release(1)?;
        Ok(())
    }
}

impl Joint for Barrier {
    fn invite<J: Job<Self>>(self: &Arc<Self>, job: J) -> Result<Box<dyn Companion>> {
        worker::invite(&**self, job)
    }
}

impl Relay for Barrier {
    fn hand_over(&self, _round: u64) -> Result<()> {
        self.wait()?;
        Ok(())
    }

    fn hand_back(&self, _round: u64) -> Result<()> {
        self.wait()?;
        Ok(())
    }
}
