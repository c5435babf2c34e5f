//! What is put once comes to everybody, whoever dies meanwhile.
#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::time::Duration;

use brigade_shm::queue::{GetTimeoutError, PutTimeoutError, TryGetError, TryPutError};
use brigade_shm::testing::{Ended, alone, at_every_step, start};
use brigade_shm::{Arena, Broadcast, Event, GetError, Overflow, PutError, Queue};
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Waitable, wait};

const SOON: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(10);

fn park() {
    loop {
        std::thread::park();
    }
}

#[test]
fn every_subscriber_gets_what_is_put_after_it_came_and_then_the_end() {
    let _alone = alone();
    let news = Broadcast::new(4).unwrap();
    news.put(0).unwrap();
    let early = news.subscribe().unwrap();
    news.put(1).unwrap();
    let late = news.subscribe().unwrap();
    news.put(2).unwrap();
    assert_eq!((early.len(), late.len()), (2, 1));
    news.close();
    assert!(matches!(news.put(3), Err(PutError::Closed(3))));
    assert_eq!(early.iter().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(late.get().unwrap(), 2);
    assert!(matches!(late.try_get(), Err(TryGetError::Closed)));
    assert!(matches!(late.get(), Err(GetError::Closed)));
}

#[test]
fn a_put_waits_for_the_slowest_and_for_nobody_who_has_gone() {
    let _alone = alone();
    for _ in 0..20 {
        let news = Broadcast::new(2).unwrap();
        let (quick, slow) = (news.subscribe().unwrap(), news.subscribe().unwrap());
        news.put(1).unwrap();
        news.put(2).unwrap();
        assert_eq!((quick.get().unwrap(), quick.get().unwrap()), (1, 2));
        assert!(matches!(news.try_put(3), Err(TryPutError::Full(3))));
        assert!(matches!(news.put_timeout(3, SHORT), Err(PutTimeoutError::TimedOut(3))));
        std::thread::scope(|scope| {
            scope.spawn(|| news.put(3).unwrap());
            assert_eq!(slow.get().unwrap(), 1);
        });
        assert_eq!(quick.get().unwrap(), 3);
        assert!(matches!(quick.get_timeout(SHORT), Err(GetTimeoutError::TimedOut)));
        std::thread::scope(|scope| {
            scope.spawn(|| news.put(4).unwrap());
            drop(slow);
        });
        assert_eq!(quick.get().unwrap(), 4);
    }
}

#[test]
fn what_is_overwritten_is_counted_as_missed() {
    let _alone = alone();
    let news = Broadcast::with_overflow(3, Overflow::Overwrite).unwrap();
    let slow = news.subscribe().unwrap();
    for n in 0..10 {
        news.put(vec![n; n * 40]).unwrap();
    }
    news.close();
    let got: Vec<Vec<usize>> = slow.iter().collect();
    assert_eq!(got, [vec![7; 280], vec![8; 320], vec![9; 360]]);
    assert_eq!(slow.missed(), 7);
}

#[test]
fn messages_of_every_size_come_to_all_in_the_order_of_each_publisher() {
    let _alone = alone();
    let news = Broadcast::<(u32, u32, Vec<u8>)>::new(8).unwrap();
    let subscribers: Vec<_> = (0..3).map(|_| news.subscribe().unwrap()).collect();
    std::thread::scope(|scope| {
        for part in 0..2_u32 {
            let publisher = news.publisher().unwrap();
            scope.spawn(move || {
                for n in 0..500_u32 {
                    publisher.put((part, n, vec![n as u8; n as usize % 300])).unwrap();
                }
            });
        }
        for subscriber in &subscribers {
            scope.spawn(move || {
                let mut next = [0, 0];
                for (part, n, bytes) in subscriber.iter() {
                    assert_eq!(n, next[part as usize]);
                    assert!(bytes.len() == n as usize % 300);
                    assert!(bytes.iter().all(|&byte| byte == n as u8));
                    next[part as usize] += 1;
                }
                assert_eq!(next, [500, 500]);
            });
        }
    });
}

#[test]
fn clones_of_a_subscriber_share_what_comes_to_it() {
    let _alone = alone();
    let news = Broadcast::new(16).unwrap();
    let one = news.subscribe().unwrap();
    let same = one.clone();
    (0..6).for_each(|n| news.put(n).unwrap());
    let got = [one.get(), same.get(), one.get()].map(Result::unwrap);
    assert_eq!(got, [0, 1, 2]);
    assert_eq!(same.len(), 3);
    assert_eq!(news.subscribers(), 1);
}

#[test]
fn a_seat_is_free_again_when_its_subscriber_has_gone() {
    let _alone = alone();
    let news = Broadcast::<u32>::new(1).unwrap();
    for _ in 0..5 {
        let all: Vec<_> = (0..64).map(|_| news.subscribe().unwrap()).collect();
        assert!(news.subscribe().is_err());
        assert_eq!(news.subscribers(), all.len());
    }
    assert_eq!(news.subscribers(), 0);
}

#[test]
fn a_process_killed_at_any_step_of_a_put_has_put_for_all_or_for_nobody_and_leaks_nothing() {
    let _alone = alone();
    for length in [8, 1_000] {
        let news = Broadcast::<(u32, Vec<u8>, Option<Event>)>::new(2).unwrap();
        let (one, two) = (news.subscribe().unwrap(), news.subscribe().unwrap());
        let put = |n| news.put((n, vec![7; length], Some(Event::new().unwrap())));
        // Every place has been used, so that what is used stays the same.
        (0..4).for_each(|n| {
            put(n).unwrap();
            one.get().unwrap();
            two.get().unwrap();
        });
        let arena = Arena::program().unwrap();
        arena.bury_the_dead();
        let used = arena.used().unwrap();
        let died = at_every_step(
            || put(8).unwrap(),
            |came_through| {
                put(9).unwrap();
                let (first, second) = (one.get().unwrap().0, two.get().unwrap().0);
                assert_eq!(first, second);
                assert!(!came_through || first == 8);
                if first == 8 {
                    assert_eq!((one.get().unwrap().0, two.get().unwrap().0), (9, 9));
                }
                assert!(one.is_empty() && two.is_empty());
                arena.bury_the_dead();
                // One message for the other in the same place.
                put(9).unwrap();
                one.get().unwrap();
                two.get().unwrap();
                assert_eq!(arena.used().unwrap(), used);
            },
        );
        assert!(died >= 8, "only {died} steps");
    }
}

#[test]
fn a_process_killed_at_any_step_of_a_get_keeps_nobody_waiting_and_loses_one_value_at_most() {
    let _alone = alone();
    for overflow in [Overflow::Wait, Overflow::Overwrite] {
        let news = Broadcast::<(u32, Option<Event>)>::with_overflow(2, overflow).unwrap();
        let (one, two) = (news.subscribe().unwrap(), news.subscribe().unwrap());
        let died = at_every_step(
            || {
                news.put((1, Some(Event::new().unwrap()))).unwrap();
                assert_eq!(one.get().unwrap().0, 1);
            },
            |_| {
                let mut left = 0;
                while one.try_get().is_ok() {
                    left += 1;
                }
                while two.try_get().is_ok() {
                    left += 1;
                }
                assert!(left <= 2, "{left}");
                news.put_timeout((2, None), SOON).unwrap();
                assert_eq!(one.get_timeout(SOON).unwrap().0, 2);
                assert_eq!(two.get_timeout(SOON).unwrap().0, 2);
            },
        );
        assert!(died >= 8, "only {died} steps");
    }
}

#[test]
fn a_process_killed_at_any_step_of_subscribing_leaves_no_subscriber() {
    let _alone = alone();
    let news = Broadcast::new(1).unwrap();
    let arena = Arena::program().unwrap();
    arena.bury_the_dead();
    let used = arena.used().unwrap();
    at_every_step(
        || {
            let subscriber = news.subscribe().unwrap();
            news.put(1).unwrap();
            assert_eq!(subscriber.get().unwrap(), 1);
        },
        |_| {
            arena.bury_the_dead();
            // Nobody is waited for.
            (0..3).for_each(|n| news.put_timeout(n, SOON).unwrap());
            assert_eq!(news.subscribers(), 0);
            assert_eq!(arena.used().unwrap(), used);
        },
    );
}

#[test]
fn a_put_goes_on_when_the_slowest_subscriber_is_killed() {
    let _alone = alone();
    for _ in 0..10 {
        let news = Broadcast::new(1).unwrap();
        let there = Event::new().unwrap();
        let slow = start(|| {
            let _subscriber = news.subscribe().unwrap();
            there.set();
            park();
        });
        assert!(there.wait_timeout(SOON));
        news.put(1).unwrap();
        std::thread::scope(|scope| {
            let put = scope.spawn(|| news.put_timeout(2, SOON));
            slow.kill();
            put.join().unwrap().unwrap();
        });
    }
}

#[test]
fn subscribers_hear_of_the_end_when_the_last_publisher_is_killed() {
    let _alone = alone();
    for _ in 0..10 {
        let news = Broadcast::new(4).unwrap();
        let subscriber = news.subscribe().unwrap();
        let publisher = start(|| {
            let publisher = news.publisher().unwrap();
            publisher.put(1).unwrap();
            park();
        });
        assert_eq!(subscriber.get_timeout(SOON).unwrap(), 1);
        std::thread::scope(|scope| {
            let end = scope.spawn(|| subscriber.get_timeout(SOON));
            publisher.kill();
            assert!(matches!(end.join().unwrap(), Err(GetTimeoutError::Closed)));
        });
    }
}

#[test]
fn a_subscriber_travels_and_gets_on_where_it_was() {
    let _alone = alone();
    let news = Broadcast::new(4).unwrap();
    let (there, back) = (Queue::bounded(1).unwrap(), Queue::bounded(4).unwrap());
    let other = start(|| {
        let subscriber: brigade_shm::Subscriber<u32> = there.get().unwrap();
        subscriber.iter().for_each(|n| back.put(n).unwrap());
    });
    let subscriber = news.subscribe().unwrap();
    news.put(1).unwrap();
    news.put(2).unwrap();
    assert_eq!(subscriber.get().unwrap(), 1);
    there.put(subscriber).unwrap();
    news.put(3).unwrap();
    news.close();
    assert_eq!(other.join(), Ended::Code(0));
    assert_eq!((back.get().unwrap(), back.get().unwrap()), (2, 3));
}

#[test]
fn subscribers_and_room_can_be_waited_for() {
    let _alone = alone();
    let news = Broadcast::new(1).unwrap();
    let (one, two) = (news.subscribe().unwrap(), news.subscribe().unwrap());
    let all: [&dyn Waitable; 3] = [&one, &two, &news];
    assert_eq!(wait(&all, Deadline::after(SOON)), [2]);
    news.put(1).unwrap();
    assert_eq!(wait(&all, Deadline::after(SOON)), [0, 1]);
    one.get().unwrap();
    assert_eq!(wait(&all, Deadline::after(SOON)), [1]);
    for _ in 0..50 {
        two.get().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| news.put(1).unwrap());
            assert_eq!(wait(&all[..1], Deadline::after(SOON)), [0]);
        });
        one.get().unwrap();
    }
}
