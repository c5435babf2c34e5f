//! Read-write locks between parties. Python has none; the scenarios are those of a lock (LCK), for
//! readers and writers.

use std::time::{Duration, Instant};

use brigade::sync::{LockTimeoutError, TryLockError};
use brigade::{Event, OwnerDied, Queue, RwLock};

use brigade_tests::stage::{
    LONG, Mode, Party, SHORT, here, in_every_mode, in_processes, join_all, takes, until_asleep,
};

fn can_read(lock: RwLock<u32>) {
    assert!(matches!(lock.try_write(), Err(TryLockError::Locked)));
    let refused = takes(SHORT, || lock.write_timeout(SHORT).map(drop));
    assert!(matches!(refused, Err(LockTimeoutError::TimedOut)));
    drop((lock.try_read().unwrap(), lock.read().unwrap(), lock.read_timeout(LONG).unwrap()));
}

fn can_do_nothing(lock: RwLock<u32>) {
    assert!(matches!(lock.try_read(), Err(TryLockError::Locked)));
    assert!(matches!(lock.try_write(), Err(TryLockError::Locked)));
    let refused = takes(SHORT, || lock.read_timeout(SHORT).map(drop));
    assert!(matches!(refused, Err(LockTimeoutError::TimedOut)));
    let refused = takes(SHORT, || lock.write_timeout(SHORT).map(drop));
    assert!(matches!(refused, Err(LockTimeoutError::TimedOut)));
}

fn can_do_all(lock: RwLock<u32>) {
    drop(lock.try_read().unwrap());
    drop(lock.try_write().unwrap());
    drop(lock.write_timeout(Duration::ZERO).unwrap());
}

/// As LCK-01, LCK-03, LCK-08
#[test]
fn readers_share_the_lock_and_a_writer_has_it_alone() {
    in_every_mode(|mode| {
        let lock = RwLock::new(0_u32).unwrap();
        mode.start(can_do_all, lock.clone()).join();
        let shares = (lock.read().unwrap(), lock.read().unwrap());
        mode.start(can_read, lock.clone()).join();
        drop(shares);
        let guard = lock.write().unwrap();
        mode.start(can_do_nothing, lock.clone()).join();
        drop(guard);
        mode.start(can_do_all, lock.clone()).join();
    });
}

/// As LCK-01 under load
#[test]
fn readers_see_whole_values_and_writers_lose_nothing() {
    in_every_mode(|mode| {
        let lock = RwLock::new([0_u64; 4]).unwrap();
        let read = |lock: RwLock<[u64; 4]>| {
            for _ in 0..1_000 {
                let guard = lock.read().unwrap();
                assert!(guard.iter().all(|number| *number == guard[0]));
            }
        };
        let write = |lock: RwLock<[u64; 4]>| {
            for _ in 0..500 {
                lock.write().unwrap().iter_mut().for_each(|number| *number += 1);
            }
        };
        let mut parties = mode.start_many(2, read, &lock);
        parties.extend(mode.start_many(2, write, &lock));
        join_all(parties);
        assert_eq!(*lock.read().unwrap(), [1_000; 4]);
    });
}

/// As LCK-04: one who waits to write has its turn before those who come later to read.
#[test]
fn one_who_waits_to_write_goes_before_readers_that_come_later() {
    type Posts = (RwLock<u32>, Queue<String>);
    in_every_mode(|mode| {
        for _ in 0..mode.rounds() / 2 {
            let (lock, waiting) = (RwLock::new(0_u32).unwrap(), Queue::bounded(1).unwrap());
            let write = |(lock, waiting): Posts| {
                waiting.put(here()).unwrap();
                *lock.write().unwrap() = 1;
            };
            let read = |(lock, waiting): Posts| {
                waiting.put(here()).unwrap();
                assert_eq!(*lock.read().unwrap(), 1);
            };
            let share = lock.read().unwrap();
            let writer = mode.start(write, (lock.clone(), waiting.clone()));
            until_asleep(&waiting.get_timeout(LONG).unwrap());
            // It may have slept for another reason: from here on it waits for the lock.
            let begin = Instant::now();
            while lock.try_read().is_ok() {
                assert!(begin.elapsed() < LONG);
            }
            let reader = mode.start(read, (lock.clone(), waiting.clone()));
            until_asleep(&waiting.get_timeout(LONG).unwrap());
            assert_eq!(*share, 0);
            drop(share);
            join_all(vec![writer, reader]);
        }
    });
}

/// As W1: the death of a writer is reported, to a reader and to a writer.
#[test]
fn a_party_that_ends_while_it_writes_is_reported_to_the_next_one() {
    in_every_mode(|mode| {
        for _ in 0..mode.rounds() {
            let (lock, held) = (RwLock::new(1_u32).unwrap(), Event::new().unwrap());
            let keep = |(lock, held): (RwLock<u32>, Event)| {
                let mut guard = lock.write().unwrap();
                *guard = 2;
                std::mem::forget(guard);
                held.set();
            };
            let party = mode.start(keep, (lock.clone(), held.clone()));
            assert!(held.wait_timeout(LONG));
            assert_eq!(**lock.read().unwrap_err().guard_mut(), 2);
            let mut guard = OwnerDied::recover(lock.write().unwrap_err());
            *guard = 3;
            drop(guard);
            party.join();
            assert_eq!(*lock.read().unwrap(), 3);
        }
    });
}

/// As GAP-08, for shares
#[test]
fn shares_of_killed_readers_come_back_to_one_who_waits_to_write() {
    in_processes(|method| {
        let mode = Mode::Processes(method);
        for _ in 0..mode.rounds() {
            let (lock, held) = (RwLock::new(0_u32).unwrap(), Queue::bounded(2).unwrap());
            let hold = |(lock, held): (RwLock<u32>, Queue<()>)| {
                let _shares = (lock.read().unwrap(), lock.read().unwrap());
                held.put(()).unwrap();
                Event::new().unwrap().wait();
            };
            let readers = mode.start_many(2, hold, &(lock.clone(), held.clone()));
            held.get_timeout(LONG).unwrap();
            held.get_timeout(LONG).unwrap();
            assert!(matches!(lock.try_write(), Err(TryLockError::Locked)));
            let waiting = Queue::bounded(1).unwrap();
            let write = |(lock, waiting): (RwLock<u32>, Queue<String>)| {
                waiting.put(here()).unwrap();
                *lock.write_timeout(LONG).unwrap() += 1;
            };
            let writer = mode.start(write, (lock.clone(), waiting.clone()));
            until_asleep(&waiting.get_timeout(LONG).unwrap());
            for reader in &readers {
                let Party::Process(process) = reader else { unreachable!("as was asked for") };
                process.kill().unwrap();
            }
            writer.join();
            assert!(readers.into_iter().all(|reader| !reader.ended_well()));
            assert_eq!(*lock.read().unwrap(), 1);
        }
    });
}
