//! Conditions between parties (CND).

use std::time::{Duration, Instant};

use brigade::{Condition, Event, Lock, OwnerDied, Queue, RLock, Woken};

use brigade_tests::stage::{
    LONG, Mode, SHORT, here, in_every_mode, in_processes, join_all, takes, until_asleep,
};

type Place = (Condition, Lock<u32>);

fn until(what: impl Fn() -> bool) {
    let begin = Instant::now();
    while !what() {
        assert!(begin.elapsed() < LONG, "it never happens");
        std::thread::yield_now();
    }
}

/// CND-01
#[test]
fn each_notification_wakes_one_and_nobody_wakes_without() {
    in_every_mode(|mode| {
        for _ in 0..mode.rounds() / 2 {
            let place: Place = (Condition::new().unwrap(), Lock::new(0).unwrap());
            let wait = |(condition, woken): Place| {
                *condition.wait(woken.lock().unwrap()).unwrap() += 1;
            };
            let (condition, woken) = &place;
            // A party of each kind.
            let parties =
                [mode.start(wait, place.clone()), Mode::Threads.start(wait, place.clone())];
            until(|| condition.waiting() == 2);
            for number in 0..2 {
                assert_eq!(*woken.lock().unwrap(), number, "nobody wakes by itself");
                assert!(condition.notify_one());
                until(|| *woken.lock().unwrap() == number + 1);
                assert_eq!(condition.waiting(), 1 - number as usize);
            }
            assert!(!condition.notify_one());
            join_all(parties.into());
        }
    });
}

/// CND-04
#[test]
fn a_wait_without_a_notification_ends_at_its_time_out() {
    in_every_mode(|mode| {
        let wait = |(condition, lock): Place| {
            // Not kept for those who come later.
            assert_eq!(condition.notify_all(), 0);
            for timeout in [Duration::ZERO, SHORT, SHORT * 10] {
                let guard = lock.lock().unwrap();
                let (guard, woken) = takes(timeout, || condition.wait_timeout(guard, timeout));
                assert_eq!(woken, Woken::TimedOut);
                drop(guard.unwrap());
            }
        };
        let place = (Condition::new().unwrap(), Lock::new(0).unwrap());
        mode.start(wait, place.clone()).join();
        wait(place);
    });
}

/// CND-05
#[test]
fn one_who_waits_for_a_number_returns_when_it_is_reached_and_not_before() {
    in_every_mode(|mode| {
        for _ in 0..mode.rounds() / 2 {
            let place: Place = (Condition::new().unwrap(), Lock::new(0).unwrap());
            let wait = |(condition, number): Place| {
                let mut guard = number.lock().unwrap();
                *guard = 0;
                condition.notify_all();
                let guard = condition.wait_while(guard, |number| **number < 4).unwrap();
                assert_eq!(*guard, 4);
            };
            let (condition, number) = &place;
            let guard = number.lock().unwrap();
            let party = mode.start(wait, place.clone());
            let mut guard = condition.wait(guard).unwrap();
            for next in 1..=4 {
                *guard = next;
                condition.notify_one();
                // It looks, and waits again, or has seen what it waited for.
                drop(guard);
                until(|| condition.waiting() == 1 || next == 4);
                guard = number.lock().unwrap();
            }
            drop(guard);
            party.join();
            // With a time-out in all, and in vain.
            let guard = number.lock().unwrap();
            let (guard, woken) =
                takes(SHORT, || condition.wait_while_timeout(guard, SHORT, |number| **number == 4));
            assert_eq!((*guard.unwrap(), woken), (4, Woken::TimedOut));
        }
    });
}

/// CND-08 (a wait without a guard cannot be written; to notify without one is allowed), CND-09
#[test]
fn one_who_waits_gives_up_all_its_guards_and_its_notifier_may_have_none() {
    in_every_mode(|mode| {
        for _ in 0..mode.rounds() / 2 {
            let (condition, lock) = (Condition::new().unwrap(), RLock::new(0_u32).unwrap());
            let wait = |(condition, lock): (Condition, RLock<u32>)| {
                let outer = lock.lock().unwrap();
                let inner = lock.lock().unwrap();
                let inner = condition.wait_while(inner, |number| number.get() == 0).unwrap();
                assert_eq!((lock.recursion_count(), outer.get(), inner.get()), (2, 1, 1));
            };
            let party = mode.start(wait, (condition.clone(), lock.clone()));
            until(|| condition.waiting() == 1);
            // The lock is to be had, although the party has two guards of it.
            let guards = (lock.lock_timeout(LONG).unwrap(), lock.try_lock().unwrap());
            guards.0.set(1);
            drop(guards);
            assert!(condition.notify_one());
            party.join();
            assert!(!lock.is_locked());
        }
    });
}

/// CND-10
#[test]
fn of_five_that_wait_twice_as_many_wake_in_each_phase_as_were_notified() {
    in_every_mode(|mode| {
        let place: Place = (Condition::new().unwrap(), Lock::new(0).unwrap());
        let (condition, woken) = &place;
        for _ in 0..mode.rounds() / 3 {
            *woken.lock().unwrap() = 0;
            let twice = |(condition, woken): Place| {
                for _ in 0..2 {
                    *condition.wait(woken.lock().unwrap()).unwrap() += 1;
                }
            };
            let parties = mode.start_many(5, twice, &place);
            for (notified, before, after) in [(3, 5, 3), (5, 5, 8), (usize::MAX, 2, 10)] {
                until(|| condition.waiting() == before);
                assert_eq!(condition.notify(notified), notified.min(before));
                until(|| *woken.lock().unwrap() == after);
            }
            join_all(parties);
            assert_eq!((*woken.lock().unwrap(), condition.waiting()), (10, 0));
        }
    });
}

/// W6: a killed waiter holds nobody up, and takes no notification along.
#[test]
fn a_notification_that_a_killed_party_cannot_follow_wakes_another() {
    in_processes(|method| {
        let mode = Mode::Processes(method);
        for _ in 0..mode.rounds() {
            let place: Place = (Condition::new().unwrap(), Lock::new(0).unwrap());
            let (condition, lock) = &place;
            let wait = |((condition, lock), asleep): (Place, Queue<String>)| {
                let guard = lock.lock().unwrap_or_else(OwnerDied::recover);
                asleep.put(here()).unwrap();
                *condition.wait(guard).unwrap_or_else(OwnerDied::recover) += 1;
            };
            let asleep = Queue::bounded(1).unwrap();
            let mut parties = Vec::new();
            for _ in 0..2 {
                parties.push(mode.start(wait, (place.clone(), asleep.clone())));
                until_asleep(&asleep.get_timeout(LONG).unwrap());
            }
            let guard = lock.lock().unwrap();
            // The first is woken and cannot have its lock.
            assert!(condition.notify_one());
            assert_eq!(condition.waiting(), 1);
            let brigade_tests::stage::Party::Process(first) = &parties[0] else { unreachable!() };
            first.kill().unwrap();
            until(|| condition.waiting() == 0);
            drop(guard);
            assert!(parties.pop().unwrap().ended_well());
            assert!(!parties.pop().unwrap().ended_well());
            assert_eq!(*lock.lock().unwrap(), 1);
        }
    });
}

/// CND-05 under load
#[test]
fn what_many_put_into_one_place_many_take_out_of_it() {
    type Shop = (Condition, Condition, Lock<[u32; 2]>, Event);
    in_every_mode(|mode| {
        let (filled, emptied) = (Condition::new().unwrap(), Condition::new().unwrap());
        let shop: Shop = (filled, emptied, Lock::new([0; 2]).unwrap(), Event::new().unwrap());
        let put = |(filled, emptied, place, begin): Shop| {
            begin.wait();
            for _ in 0..100 {
                let guard = place.lock().unwrap();
                let mut guard = emptied.wait_while(guard, |place| place[0] == 3).unwrap();
                guard[0] += 1;
                filled.notify_one();
            }
        };
        let take = |(filled, emptied, place, begin): Shop| {
            begin.wait();
            for _ in 0..100 {
                let guard = place.lock().unwrap();
                let mut guard = filled.wait_while(guard, |place| place[0] == 0).unwrap();
                guard[0] -= 1;
                guard[1] += 1;
                emptied.notify_one();
            }
        };
        let mut parties = mode.start_many(3, put, &shop);
        parties.extend(mode.start_many(3, take, &shop));
        shop.3.set();
        join_all(parties);
        assert_eq!(*shop.2.lock().unwrap(), [0, 300]);
    });
}
