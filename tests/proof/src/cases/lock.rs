//! The lock.

use brigade_shm::sync::LockTimeoutError;
use brigade_shm::{Lock, OwnerDied};
use brigade_sys::stepping::through;

use super::{Case, SOON, case};
use crate::shared::Gate;
use crate::steps::{Fate, Steps};

pub(super) const CASES: &[Case] = &[
    case("lock: take", "alone", take),
    case("lock: take", "another holds it", take_held),
    case("lock: release", "alone", release),
    case("lock: release", "another waits", release_awaited),
    case("lock: recover", "alone", recover),
];

type Pair = Lock<[u64; 2]>;

/// Adds one to both words, which the others find equal, or their changer dead.
fn add_one(lock: &Pair) {
    let mut guard = lock.lock().unwrap_or_else(OwnerDied::recover);
    guard[0] += 1;
    guard[1] += 1;
}

/// Takes the lock, and makes it whole.
fn recover_and_check(lock: &Pair, fate: Fate) {
    match lock.lock_timeout(SOON) {
        Ok(guard) => assert_eq!(guard[0], guard[1]),
        Err(LockTimeoutError::OwnerDied(mut died)) => {
            assert_eq!(fate, Fate::Killed, "whoever comes through has released the lock");
            **died.guard_mut() = [0; 2];
            drop(died.recover());
        }
        Err(error @ LockTimeoutError::TimedOut) => panic!("{error}"),
    }
}

fn take(steps: &mut Steps) {
    let lock = Pair::new([0; 2]).unwrap();
    steps
        .of(|| drop(through(|| lock.lock().unwrap_or_else(OwnerDied::recover))))
        .check(|fate| recover_and_check(&lock, fate));
}

fn take_held(steps: &mut Steps) {
    let (lock, gate) = (Pair::new([0; 2]).unwrap(), Gate::new());
    steps
        .of(|| drop(through(|| lock.lock().unwrap_or_else(OwnerDied::recover))))
        .after(|| gate.close())
        .beside(|| {
            let _guard = lock.lock().unwrap();
            gate.wait();
        })
        .release(|| gate.open())
        .check(|fate| recover_and_check(&lock, fate));
}

fn release(steps: &mut Steps) {
    let lock = Pair::new([0; 2]).unwrap();
    steps
        .of(|| {
            let guard = lock.lock().unwrap();
            through(|| drop(guard));
        })
        .check(|fate| recover_and_check(&lock, fate));
}

fn release_awaited(steps: &mut Steps) {
    let lock = Pair::new([0; 2]).unwrap();
    steps
        .of(|| {
            let guard = lock.lock().unwrap();
            through(|| drop(guard));
        })
        .awaited_by(|| add_one(&lock))
        .check(|fate| recover_and_check(&lock, fate));
}

/// Takes a lock whose holder has died, and declares its value whole.
fn recover(steps: &mut Steps) {
    let lock = Pair::new([0; 2]).unwrap();
    steps
        .of(|| {
            through(|| match lock.lock() {
                Ok(_) => panic!("the last holder has died"),
                Err(died) => drop(died.recover()),
            });
        })
        .after(|| {
            crate::processes::start(|| {
                let _guard = lock.lock().unwrap();
                brigade_shm::testing::end_here();
            })
            .join();
        })
        .check(|fate| recover_and_check(&lock, fate));
}
