//! Re-entrant locks between parties (RLK).

use std::os::fd::AsFd;
use std::time::Duration;

use brigade::sync::{LockTimeoutError, TryLockError};
use brigade::{Event, OwnerDied, Queue, RLock};
use brigade_sys::pidfd;
use brigade_sys::signals::Signal;

use brigade_tests::stage::{
    LONG, Mode, Party, SHORT, here, in_every_mode, in_processes, join_all, takes, until_asleep,
};

fn is_refused(lock: RLock<u32>) {
    assert!(lock.is_locked() && !lock.is_owned());
    assert_eq!(lock.recursion_count(), 0);
    assert!(matches!(lock.try_lock(), Err(TryLockError::Locked)));
    let refused = takes(SHORT, || lock.lock_timeout(SHORT).map(drop));
    assert!(matches!(refused, Err(LockTimeoutError::TimedOut)));
}

fn is_had(lock: RLock<u32>) {
    drop((lock.try_lock().unwrap(), lock.lock().unwrap()));
    assert!(!lock.is_locked());
}

/// RLK-01, RLK-02, RLK-03, RLK-07 (a release or a saving too many cannot be written: there is no
/// guard)
#[test]
fn a_lock_is_had_by_others_when_its_holder_has_given_back_all_that_it_took() {
    in_every_mode(|mode| {
        let lock = RLock::new(0_u32).unwrap();
        for _ in 0..2 {
            let first = lock.lock().unwrap();
            let second = lock.try_lock().unwrap();
            let third = lock.lock_timeout(Duration::ZERO).unwrap();
            drop(first);
            mode.start(is_refused, lock.clone()).join();
            drop(third);
            let fourth = lock.lock().unwrap();
            drop(second);
            mode.start(is_refused, lock.clone()).join();
            drop(fourth);
            mode.start(is_had, lock.clone()).join();
        }
    });
}

/// RLK-05, RLK-06
#[test]
fn the_holder_alone_knows_that_it_holds_the_lock_and_how_often() {
    in_every_mode(|mode| {
        let holds = |lock: RLock<u32>| {
            let sees = |count| {
                assert_eq!((lock.is_owned(), lock.recursion_count()), (count > 0, count));
            };
            sees(0);
            let first = lock.lock().unwrap();
            sees(1);
            let more = (lock.lock().unwrap(), lock.lock().unwrap());
            sees(3);
            drop(more.0);
            sees(2);
            drop((more.1, first));
            sees(0);
        };
        let lock = RLock::new(0_u32).unwrap();
        mode.start(holds, lock.clone()).join();
        let guards = (lock.lock().unwrap(), lock.lock().unwrap());
        mode.start(is_refused, lock.clone()).join();
        assert_eq!(lock.recursion_count(), 2);
        drop(guards);
        holds(lock);
    });
}

/// RLK-02 under load
#[test]
fn parties_that_count_under_nested_guards_lose_nothing() {
    in_every_mode(|mode| {
        let lock = RLock::new(0_u32).unwrap();
        let count = |lock: RLock<u32>| {
            for _ in 0..1_000 {
                let outer = lock.lock().unwrap();
                let before = outer.get();
                let inner = lock.lock().unwrap();
                inner.set(before + 1);
            }
        };
        join_all(mode.start_many(4, count, &lock));
        assert_eq!(lock.lock().unwrap().get(), 4_000);
    });
}

/// RLK-08 (a handler that raises cannot be written; a signal does not end a wait)
#[test]
fn one_who_is_stopped_and_continued_while_it_waits_waits_on() {
    in_processes(|method| {
        let lock = RLock::new(0_u32).unwrap();
        let waiting = Queue::bounded(1).unwrap();
        let wait = |(lock, waiting): (RLock<u32>, Queue<String>)| {
            waiting.put(here()).unwrap();
            let guard = lock.lock_timeout(LONG).unwrap();
            guard.set(guard.get() + 1);
        };
        let guard = lock.lock().unwrap();
        let waiter = Mode::Processes(method).start(wait, (lock.clone(), waiting.clone()));
        let place = waiting.get_timeout(LONG).unwrap();
        until_asleep(&place);
        let Party::Process(process) = &waiter else { unreachable!("as was asked for") };
        let process = pidfd::open(process.pid()).unwrap();
        for signal in [Signal::STOP, Signal::CONT] {
            pidfd::signal(process.as_fd(), signal).unwrap();
        }
        until_asleep(&place);
        assert_eq!(guard.get(), 0, "it has not passed");
        drop(guard);
        waiter.join();
        assert_eq!(lock.lock().unwrap().get(), 1);
    });
}

/// W1 for a holder of several guards
#[test]
fn a_party_that_ends_with_several_guards_is_reported_to_the_next_one() {
    in_every_mode(|mode| {
        for _ in 0..mode.rounds() {
            let (lock, held) = (RLock::new(1_u32).unwrap(), Event::new().unwrap());
            let keep = |(lock, held): (RLock<u32>, Event)| {
                let guards = (lock.lock().unwrap(), lock.lock().unwrap());
                guards.1.set(2);
                std::mem::forget(guards);
                held.set();
            };
            let party = mode.start(keep, (lock.clone(), held.clone()));
            assert!(held.wait_timeout(LONG));
            let guard = OwnerDied::recover(lock.lock().unwrap_err());
            assert_eq!((guard.get(), lock.recursion_count()), (2, 1));
            drop(guard);
            party.join();
            is_had(lock);
        }
    });
}
