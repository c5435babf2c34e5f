//! What only threads of one process can share: bounds.

use crate::Result;
use crate::companion::{self, Companion, Job, Joint};
use crate::exchange::{Exchange, Message};
use crate::relay::Relay;
use crate::turns::Turns;
use crossbeam_channel::{Receiver, Sender};
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

/// The standard library's condition variable: the number says whose turn it is, odd for who hands
/// back.
#[derive(Debug, Default)]
pub(crate) struct Condvar {
    turn: sync::Mutex<u64>,
    condition: sync::Condvar,
}

impl Condvar {
    fn wait_for<'a>(
        &'a self,
        mut turn: sync::MutexGuard<'a, u64>,
        wanted: u64,
    ) -> sync::MutexGuard<'a, u64> {
        while *turn != wanted {
            turn = self.condition.wait(turn).unwrap_or_else(PoisonError::into_inner);
        }
        turn
    }
}

impl Joint for Condvar {
    fn invite<J: Job<Self>>(self: &Arc<Self>, job: J) -> Result<Box<dyn Companion>> {
        Ok(companion::thread(self, job))
    }
}

impl Relay for Condvar {
    fn hand_over(&self, round: u64) -> Result<()> {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        *turn = 2 * round + 1;
        self.condition.notify_one();
        drop(self.wait_for(turn, 2 * round + 2));
        Ok(())
    }

    fn hand_back(&self, round: u64) -> Result<()> {
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        *self.wait_for(turn, 2 * round + 1) = 2 * round + 2;
        self.condition.notify_one();
        Ok(())
    }
}

impl Joint for sync::Barrier {
    fn invite<J: Job<Self>>(self: &Arc<Self>, job: J) -> Result<Box<dyn Companion>> {
        Ok(companion::thread(self, job))
    }
}

impl Relay for sync::Barrier {
    fn hand_over(&self, _round: u64) -> Result<()> {
        self.wait();
        Ok(())
    }

    fn hand_back(&self, _round: u64) -> Result<()> {
        self.wait();
        Ok(())
    }
}

/// Both ends of crossbeam's channel.
pub(crate) type Both = (Sender<Message>, Receiver<Message>);

impl Joint for Both {
    fn invite<J: Job<Self>>(self: &Arc<Self>, job: J) -> Result<Box<dyn Companion>> {
        Ok(companion::thread(self, job))
    }
}

impl Exchange for Both {
    fn put(&self, message: Message) -> Result<()> {
        Ok(self.0.send(message)?)
    }

    fn get(&self) -> Result<Message> {
        Ok(self.1.recv()?)
    }
}
