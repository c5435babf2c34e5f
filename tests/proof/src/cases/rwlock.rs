//! The read-write lock.

use brigade_shm::sync::LockTimeoutError;
use brigade_shm::{OwnerDied, RwLock};
use brigade_sys::stepping::through;

use super::{Case, SOON, case};
use crate::shared::Gate;
use crate::steps::{Fate, Steps};

pub(super) const CASES: &[Case] = &[
    case("read-write lock: read", "alone", read),
    case("read-write lock: read", "another writes", read_late),
    case("read-write lock: end of reading", "another reads", leave_beside_reader),
    case("read-write lock: end of reading", "another waits to write", leave_awaited),
    case("read-write lock: write", "alone", write),
    case("read-write lock: write", "another reads", write_late),
    case("read-write lock: write", "another writes", write_after_writer),
    case("read-write lock: end of writing", "two wait, to read and to write", release_awaited),
    case("read-write lock: recover", "alone", recover),
];

type Pair = RwLock<[u64; 2]>;

/// Both words are equal, or their writer has died.
fn look(lock: &Pair) {
    if let Ok(guard) = lock.read() {
        assert_eq!(guard[0], guard[1]);
    }
}

fn add_one(lock: &Pair) {
    let mut guard = lock.write().unwrap_or_else(OwnerDied::recover);
    guard[0] += 1;
    guard[1] = guard[0];
}

/// One can write, two can read, and nobody is left in it.
fn check(lock: &Pair, fate: Fate) {
    match lock.write_timeout(SOON) {
        Ok(guard) => assert_eq!(guard[0], guard[1]),
        Err(LockTimeoutError::OwnerDied(mut died)) => {
            assert_eq!(fate, Fate::Killed, "whoever comes through has released the lock");
            **died.guard_mut() = [0; 2];
            drop(died.recover());
        }
        Err(error @ LockTimeoutError::TimedOut) => panic!("{error}"),
    }
    drop((lock.try_read().unwrap(), lock.try_read().unwrap()));
    drop(lock.try_write().unwrap());
}

fn read(steps: &mut Steps) {
    let lock = Pair::new([0; 2]).unwrap();
    steps.of(|| drop(through(|| lock.read()).unwrap())).check(|fate| check(&lock, fate));
}

fn read_late(steps: &mut Steps) {
    let (lock, gate) = (Pair::new([0; 2]).unwrap(), Gate::new());
    steps
        .of(|| drop(through(|| lock.read()).unwrap()))
        .after(|| gate.close())
        .beside(|| {
            let _guard = lock.write().unwrap();
            gate.wait();
        })
        .release(|| gate.open())
        .check(|fate| check(&lock, fate));
}

fn leave_beside_reader(steps: &mut Steps) {
    let (lock, gate) = (Pair::new([0; 2]).unwrap(), Gate::new());
    steps
        .of(|| {
            let guard = lock.read().unwrap();
            through(|| drop(guard));
        })
        .after(|| gate.close())
        .beside(|| {
            let _guard = lock.read().unwrap();
            gate.wait();
        })
        .release(|| gate.open())
        .check(|fate| check(&lock, fate));
}

fn leave_awaited(steps: &mut Steps) {
    let lock = Pair::new([0; 2]).unwrap();
    steps
        .of(|| {
            let guard = lock.read().unwrap();
            through(|| drop(guard));
        })
        .awaited_by(|| add_one(&lock))
        .check(|fate| check(&lock, fate));
}

fn write(steps: &mut Steps) {
    let lock = Pair::new([0; 2]).unwrap();
    steps.of(|| drop(through(|| lock.write()).unwrap())).check(|fate| check(&lock, fate));
}

fn write_late(steps: &mut Steps) {
    let (lock, gate) = (Pair::new([0; 2]).unwrap(), Gate::new());
    steps
        .of(|| drop(through(|| lock.write()).unwrap()))
        .after(|| gate.close())
        .beside(|| {
            let _guard = lock.read().unwrap();
            gate.wait();
        })
        .release(|| gate.open())
        .check(|fate| check(&lock, fate));
}

fn write_after_writer(steps: &mut Steps) {
    let (lock, gate) = (Pair::new([0; 2]).unwrap(), Gate::new());
    steps
        .of(|| drop(through(|| lock.write()).unwrap()))
        .after(|| gate.close())
        .beside(|| {
            let _guard = lock.write().unwrap();
            gate.wait();
        })
        .release(|| gate.open())
        .check(|fate| check(&lock, fate));
}

fn release_awaited(steps: &mut Steps) {
    let lock = Pair::new([0; 2]).unwrap();
    steps
        .of(|| {
            let mut guard = lock.write().unwrap();
            guard[0] += 1;
            guard[1] = guard[0];
            through(|| drop(guard));
        })
        .awaited_by(|| look(&lock))
        .awaited_by(|| add_one(&lock))
        .check(|fate| check(&lock, fate));
}

/// Writes what a dead writer has left half-written.
fn recover(steps: &mut Steps) {
    let lock = Pair::new([0; 2]).unwrap();
    steps
        .of(|| {
            through(|| match lock.write() {
                Ok(_) => panic!("the last writer has died"),
                Err(died) => drop(died.recover()),
            });
        })
        .after(|| {
            crate::processes::start(|| {
                let _guard = lock.write().unwrap();
                brigade_shm::testing::end_here();
            })
            .join();
        })
        .check(|fate| check(&lock, fate));
}
