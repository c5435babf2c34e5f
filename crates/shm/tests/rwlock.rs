//! What a killed process leaves in a read-write lock: nothing that anyone waits for.
#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::time::{Duration, Instant};

use brigade_shm::sync::{LockTimeoutError, TryLockError};
use brigade_shm::testing::{Child, Ended, alone, at_every_step, at_once, start};
use brigade_shm::{Event, Queue, RwLock};

const SOON: Duration = Duration::from_secs(10);

type Pair = RwLock<[u64; 2]>;

fn read(lock: &Pair) -> [u64; 2] {
    match lock.read_timeout(SOON) {
        Ok(guard) => *guard,
        Err(LockTimeoutError::OwnerDied(died)) => *died.recover(),
        Err(error @ LockTimeoutError::TimedOut) => panic!("{error}"),
    }
}

fn write(lock: &Pair) {
    let mut guard = match lock.write_timeout(SOON) {
        Ok(guard) => guard,
        Err(LockTimeoutError::OwnerDied(mut died)) => {
            **died.guard_mut() = [0; 2];
            died.recover()
        }
        Err(error @ LockTimeoutError::TimedOut) => panic!("{error}"),
    };
    assert_eq!(guard[0], guard[1]);
    guard[0] += 1;
    guard[1] += 1;
}

/// Starts a child and waits until it sleeps in `body`.
fn start_to_rest(body: impl FnOnce()) -> Child {
    let begun = Event::new().unwrap();
    let child = start(|| {
        begun.set();
        body();
    });
    assert!(begun.wait_timeout(SOON));
    let began = Instant::now();
    while !child.rests() {
        assert!(began.elapsed() < SOON, "it never waits");
        std::thread::yield_now();
    }
    child
}

#[test]
fn a_lock_is_had_by_the_next_at_whatever_step_one_dies_that_writes() {
    let _alone = alone();
    let lock = Pair::new([0; 2]).unwrap();
    let steps = at_every_step(
        || write(&lock),
        |came_through| {
            match lock.read_timeout(SOON) {
                Ok(guard) => assert_eq!(guard[0], guard[1]),
                Err(LockTimeoutError::OwnerDied(_)) => assert!(!came_through),
                Err(error @ LockTimeoutError::TimedOut) => panic!("{error}"),
            }
            write(&lock);
            assert!(lock.try_read().is_ok());
        },
    );
    assert!(steps >= 6, "only {steps} steps were labelled");
}

#[test]
fn a_share_is_returned_at_whatever_step_its_reader_dies() {
    let _alone = alone();
    let lock = Pair::new([0; 2]).unwrap();
    let steps = at_every_step(
        || {
            let first = lock.read().unwrap();
            let second = lock.read().unwrap();
            assert_eq!(*first, *second);
        },
        |_| {
            assert!(lock.try_read().is_ok(), "it has left no trace");
            assert!(lock.try_write().is_ok(), "its shares are returned");
        },
    );
    assert!(steps >= 5, "only {steps} steps were labelled");
}

/// By the gate, since a writer holds it when they come.
#[test]
fn one_who_waits_to_read_or_to_write_harms_nobody_at_whatever_step_it_dies() {
    let _alone = alone();
    for writes in [false, true] {
        for step in 1.. {
            let lock = Pair::new([0; 2]).unwrap();
            let guard = lock.write().unwrap();
            let mortal = start_to_rest(|| {
                brigade_sys::kill_point::arm(step);
                if writes {
                    write(&lock);
                } else {
                    read(&lock);
                }
                brigade_sys::kill_point::arm(0);
            });
            let others = [start(|| assert!(read(&lock)[0] < 4)), start(|| write(&lock))];
            drop(guard);
            let ended = mortal.join();
            for other in others {
                assert_eq!(other.join(), Ended::Code(0));
            }
            write(&lock);
            if ended == Ended::Code(0) {
                assert!(step > 4, "only {step} steps were labelled");
                break;
            }
        }
    }
}

#[test]
fn one_who_waits_to_write_has_the_lock_at_once_when_the_last_reader_is_killed() {
    let _alone = alone();
    at_once(|| {
        let lock = Pair::new([0; 2]).unwrap();
        let written = Queue::bounded(1).unwrap();
        let readers = [(); 2].map(|()| {
            start_to_rest(|| {
                let _guard = lock.read().unwrap();
                Event::new().unwrap().wait();
            })
        });
        assert!(matches!(lock.try_write(), Err(TryLockError::Locked)));
        let writer = start_to_rest(|| {
            write(&lock);
            written.put(()).unwrap();
        });
        let mut began = Instant::now();
        for reader in readers {
            assert!(written.is_empty());
            began = Instant::now();
            reader.kill();
        }
        written.get_timeout(SOON).unwrap();
        let took = began.elapsed();
        writer.join();
        took
    });
}

#[test]
fn those_who_wait_have_the_lock_at_once_when_readers_and_writers_leave() {
    let _alone = alone();
    at_once(|| {
        let lock = Pair::new([0; 2]).unwrap();
        let passed = Queue::bounded(4).unwrap();
        let leave = Event::new().unwrap();
        let reader = start_to_rest(|| {
            let shares = (lock.read().unwrap(), lock.read().unwrap());
            leave.wait();
            drop(shares);
            Event::new().unwrap().wait();
        });
        let others = [true, false, true, false].map(|writes| {
            start_to_rest(|| {
                if writes {
                    write(&lock);
                } else {
                    read(&lock);
                }
                passed.put(()).unwrap();
            })
        });
        assert!(passed.is_empty());
        let began = Instant::now();
        leave.set();
        for _ in &others {
            passed.get_timeout(SOON).unwrap();
        }
        let took = began.elapsed();
        others.into_iter().for_each(|other| assert_eq!(other.join(), Ended::Code(0)));
        reader.kill();
        took
    });
}

#[test]
fn those_who_wait_have_the_lock_at_once_when_its_writer_is_killed_writing_or_waiting() {
    let _alone = alone();
    for waiting in [false, true] {
        at_once(|| {
            let lock = Pair::new([0; 2]).unwrap();
            let passed = Queue::bounded(4).unwrap();
            let share = waiting.then(|| lock.read().unwrap());
            let writer = start_to_rest(|| {
                let mut guard = lock.write().unwrap();
                guard[0] += 1;
                Event::new().unwrap().wait();
            });
            let readers = [(); 2].map(|()| {
                start_to_rest(|| {
                    passed.put(lock.read().is_err()).unwrap();
                    Event::new().unwrap().wait();
                })
            });
            assert!(passed.is_empty());
            let began = Instant::now();
            writer.kill();
            for _ in &readers {
                // One that only waited has left nothing half-written.
                assert_eq!(passed.get_timeout(SOON).unwrap(), !waiting);
            }
            let took = began.elapsed();
            readers.into_iter().for_each(Child::kill);
            drop(share);
            write(&lock);
            took
        });
    }
}

#[test]
fn readers_and_writers_killed_at_random_keep_nobody_waiting() {
    let _alone = alone();
    let lock = Pair::new([0; 2]).unwrap();
    let began = Instant::now();
    for round in 0_u64.. {
        let children: Vec<_> = (0..4)
            .map(|number| {
                let lock = &lock;
                start(move || {
                    loop {
                        if number % 2 == 0 {
                            write(lock);
                        }
                        if let Ok(guard) = lock.read_timeout(SOON) {
                            assert_eq!(guard[0], guard[1]);
                        }
                    }
                })
            })
            .collect();
        let instant = Instant::now() + Duration::from_micros(round * 7919 % 5_000);
        while Instant::now() < instant {
            write(&lock);
        }
        children.into_iter().for_each(Child::kill);
        write(&lock);
        let [first, second] = read(&lock);
        assert_eq!(first, second);
        assert!(lock.try_write().is_ok(), "all shares are returned");
        if began.elapsed() > Duration::from_secs(3) {
            break;
        }
    }
}

#[test]
fn a_forked_child_has_neither_shares_nor_the_lock_of_its_parent() {
    let _alone = alone();
    let lock = Pair::new([0; 2]).unwrap();
    let mut guard = Some(lock.read().unwrap());
    let child = start(|| {
        drop(guard.take());
        assert!(lock.try_read().is_ok());
        assert!(lock.try_write().is_err(), "the parent reads");
    });
    assert_eq!(child.join(), Ended::Code(0));
    assert!(lock.try_write().is_err());
    drop(guard);
    let mut guard = Some(lock.write().unwrap());
    let child = start(|| {
        drop(guard.take());
        assert!(lock.try_read().is_err(), "the parent writes");
    });
    assert_eq!(child.join(), Ended::Code(0));
    assert!(lock.try_read().is_err());
    drop(guard);
    assert!(lock.try_write().is_ok());
}
