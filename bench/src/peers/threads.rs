//! Mutexes that only threads of one process can share: bounds.

use crate::Result;
use crate::companion::{self, Companion, Job, Joint};
use crate::turns::Turns;
use std::sync::{self, Arc, PoisonError};

impl Joint for sync::Mutex<u64> {
    fn invite<J: Job<Self>>(self: &Arc<Self>, job: J) -> Result<Box<dyn Companion>> {
        Ok(companion::thread(self, job))
    }
}

impl Turns for sync::Mutex<u64> {
    #[inline]
    fn turn(&self, within: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut number = self.lock().unwrap_or_else(PoisonError::into_inner);
        within()?;
        *number += 1;
        Ok(())
    }

    fn total(&self) -> Result<u64> {
        Ok(*self.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Joint for parking_lot::Mutex<u64> {
    fn invite<J: Job<Self>>(self: &Arc<Self>, job: J) -> Result<Box<dyn Companion>> {
        Ok(companion::thread(self, job))
    }
}

impl Turns for parking_lot::Mutex<u64> {
    #[inline]
    fn turn(&self, within: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut number = self.lock();
        within()?;
        *number += 1;
        Ok(())
    }

    fn total(&self) -> Result<u64> {
        Ok(*self.lock())
    }
}
