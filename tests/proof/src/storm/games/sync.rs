//! Taking turns: nobody waits for the dead, and no more are inside than may be.

use std::time::Duration;

use brigade_shm::sync::{BrokenBarrier, LockTimeoutError};
use brigade_shm::{Barrier, Condition, Event, Lock, LockGuard, OwnerDied, RLock, Semaphore};

use super::Make;
use crate::storm::board::Seat;
use crate::storm::game::{Deaths, Game, Player, Turn, driver, follower};

pub(super) const GAMES: &[(&str, Make)] = &[
    ("lock", |_| Box::new(Locks(Lock::new([0; 2]).unwrap()))),
    ("re-entrant lock", |_| Box::new(ReentrantLocks(RLock::new([0; 2]).unwrap()))),
    ("condition", |_| Box::new(Conditions::new())),
    ("barrier", |_| Box::new(Barriers(Barrier::new(3).unwrap()))),
    ("semaphore of one", |_| Box::new(Semaphores::new(1))),
    ("semaphore of two", |_| Box::new(Semaphores::new(2))),
    ("event", |_| Box::new(Events(Event::new().unwrap()))),
];

struct Locks(Lock<[u64; 2]>);

/// Adds one to both numbers, which are equal unless their last changer has died.
fn add_one(lock: &Lock<[u64; 2]>, seat: &Seat) {
    let acquired = match seat.turns() % 2 {
        0 => lock.lock(),
        _ => match lock.lock_timeout(Duration::from_millis(5)) {
            Ok(guard) => Ok(guard),
            Err(LockTimeoutError::OwnerDied(died)) => Err(died),
            Err(LockTimeoutError::TimedOut) => return,
        },
    };
    let mut guard = match acquired {
        Ok(guard) => {
            assert_eq!(guard[0], guard[1], "nobody has died with the lock");
            guard
        }
        Err(mut died) => {
            let larger = died.guard_mut()[0];
            died.guard_mut()[1] = larger;
            died.recover()
        }
    };
    guard[0] += 1;
    guard[1] += 1;
}

impl Game for Locks {
    fn players(&self) -> Vec<Player> {
        let locker = || {
            let lock = self.0.clone();
            driver("locker", move |seat| add_one(&lock, seat))
        };
        vec![locker(), locker(), locker()]
    }

    fn check(&self, deaths: &Deaths) {
        let died = match self.0.try_lock() {
            Ok(guard) => {
                assert_eq!(guard[0], guard[1]);
                false
            }
            Err(brigade_shm::sync::TryLockError::OwnerDied(died)) => {
                drop(died.recover());
                true
            }
            Err(error) => panic!("{error}"),
        };
        assert!(!died || deaths.contains_key("locker"), "nobody was killed");
    }
}

struct ReentrantLocks(RLock<[u64; 2]>);

/// Adds one to both numbers, each with a guard of its own.
fn add_one_each(lock: &RLock<[u64; 2]>) {
    let outer = lock.lock().unwrap_or_else(|died| {
        let guard = died.recover();
        guard.set([guard.get()[0]; 2]);
        guard
    });
    let [first, second] = outer.get();
    assert_eq!(first, second, "nobody has died with the lock");
    outer.set([first + 1, second]);
    let inner = lock.try_lock().expect("it is this thread's");
    inner.set([first + 1, second + 1]);
    drop(inner);
    assert!(lock.is_owned());
}

impl Game for ReentrantLocks {
    fn players(&self) -> Vec<Player> {
        let locker = || {
            let lock = self.0.clone();
            driver("locker", move |_| add_one_each(&lock))
        };
        vec![locker(), locker(), locker()]
    }

    fn check(&self, _: &Deaths) {
        add_one_each(&self.0);
        assert!(!self.0.is_locked());
    }
}

/// A stock behind a lock: makers add to it and notify, takers wait until there is something.
#[derive(Clone)]
struct Conditions {
    stock: Lock<u64>,
    more: Condition,
}

impl Conditions {
    fn new() -> Self {
        Self { stock: Lock::new(0).unwrap(), more: Condition::new().unwrap() }
    }

    fn make(&self) {
        *self.stock.lock().unwrap_or_else(OwnerDied::recover) += 1;
        self.more.notify_one();
    }

    fn take(&self, seat: &Seat) -> Turn {
        let finishing = || seat.board().is_finishing();
        let mut guard = self.stock.lock().unwrap_or_else(OwnerDied::recover);
        let waits = |guard: &mut LockGuard<'_, u64>| **guard == 0 && !finishing();
        guard = self.more.wait_while(guard, waits).unwrap_or_else(OwnerDied::recover);
        // One who recovers the lock has not looked.
        *guard = guard.saturating_sub(1);
        if finishing() { Turn::Done } else { Turn::Again }
    }
}

impl Game for Conditions {
    fn players(&self) -> Vec<Player> {
        let maker = || {
            let this = self.clone();
            driver("maker", move |_| this.make())
        };
        let taker = || {
            let this = self.clone();
            follower("taker", move |seat| this.take(seat))
        };
        vec![maker(), taker(), taker(), taker()]
    }

    /// Under the lock, so that nobody comes to wait between its look and this.
    fn close(&self) {
        let guard = self.stock.lock().unwrap_or_else(OwnerDied::recover);
        self.more.notify_all();
        drop(guard);
    }

    fn check(&self, _: &Deaths) {
        assert_eq!(self.more.notify_all(), 0, "somebody waits who is dead");
    }

    fn describe(&self) -> String {
        format!("{:?} {:?}", self.stock, self.more)
    }
}

struct Barriers(Barrier);

impl Game for Barriers {
    fn players(&self) -> Vec<Player> {
        let party = || {
            let barrier = self.0.clone();
            driver("party", move |seat| {
                let waited = match seat.turns() % 4 {
                    0 => barrier.wait_timeout(Duration::from_millis(20)),
                    // Some of the others may have been killed, and come again.
                    _ => barrier.wait_timeout(Duration::from_millis(500)),
                };
                match waited {
                    Ok(passed) => assert!(passed.index < 3),
                    Err(BrokenBarrier::Aborted | BrokenBarrier::ActionPanicked) => {
                        panic!("nobody has done that")
                    }
                    Err(_) => barrier.reset(),
                }
            })
        };
        vec![party(), party(), party()]
    }

    fn check(&self, _: &Deaths) {
        self.0.reset();
        assert_eq!(self.0.waiting(), 0, "somebody waits who is dead");
    }

    fn describe(&self) -> String {
        format!("{:?}", self.0)
    }
}

struct Semaphores {
    semaphore: Semaphore,
    permits: u32,
}

impl Semaphores {
    fn new(permits: u32) -> Self {
        Self { semaphore: Semaphore::new(permits).unwrap(), permits }
    }
}

impl Game for Semaphores {
    fn players(&self) -> Vec<Player> {
        let user = || {
            let (semaphore, permits) = (self.semaphore.clone(), self.permits as usize);
            driver("user", move |seat| {
                let permit = match seat.turns() % 2 {
                    0 => Some(semaphore.acquire()),
                    _ => semaphore.acquire_timeout(Duration::from_millis(5)),
                };
                if permit.is_some() {
                    seat.enter(permits as u64);
                    let inside = seat.count_at(permits as u64);
                    assert!(inside <= permits, "{inside} have one of {permits} permits");
                    seat.leave();
                }
            })
        };
        vec![user(), user(), user(), user()]
    }

    fn check(&self, _: &Deaths) {
        let all: Vec<_> = (0..self.permits).map(|_| self.semaphore.try_acquire()).collect();
        assert!(all.iter().all(Option::is_some), "a permit is lost");
        assert!(self.semaphore.try_acquire().is_none(), "there is a permit too many");
    }

    fn describe(&self) -> String {
        format!("{:?}", self.semaphore)
    }
}

struct Events(Event);

impl Game for Events {
    fn players(&self) -> Vec<Player> {
        let setter = || {
            let event = self.0.clone();
            driver("setter", move |seat| {
                event.set();
                if !seat.board().is_finishing() {
                    event.clear();
                }
            })
        };
        let waiter = || {
            let event = self.0.clone();
            follower("waiter", move |seat| {
                event.wait();
                if seat.board().is_finishing() { Turn::Done } else { Turn::Again }
            })
        };
        vec![setter(), waiter(), waiter(), waiter()]
    }

    fn close(&self) {
        self.0.set();
    }

    fn check(&self, _: &Deaths) {
        assert!(self.0.wait_timeout(Duration::ZERO));
        self.0.clear();
        assert!(!self.0.is_set());
    }
}
