//! Events between parties (EVT).

use std::time::Duration;

use brigade::{Event, Queue};

use brigade_tests::stage::{LONG, SHORT, here, in_every_mode, join_all, takes, until_asleep};

/// EVT-01, EVT-04
#[test]
fn a_wait_ends_when_another_sets_the_event_and_not_before() {
    in_every_mode(|mode| {
        let event = Event::new().unwrap();
        let unset = |event: Event| {
            assert!(!event.is_set());
            for timeout in [Duration::ZERO, SHORT, SHORT * 10] {
                assert!(!takes(timeout, || event.wait_timeout(timeout)));
            }
        };
        unset(event.clone());
        mode.start(unset, event.clone()).join();
        let set = |event: Event| event.set();
        mode.start(set, event.clone()).join();
        assert!(event.is_set() && event.wait_timeout(Duration::ZERO));
        mode.start(|event: Event| event.wait(), event.clone()).join();
        event.clear();
        unset(event.clone());

        let setter = mode.start(set, event.clone());
        assert!(event.wait_timeout(LONG));
        setter.join();
        mode.start(|event: Event| event.clear(), event.clone()).join();
        unset(event);
    });
}

/// EVT-02
#[test]
fn setting_and_clearing_twice_is_as_good_as_once() {
    in_every_mode(|mode| {
        let event = Event::new().unwrap();
        for _ in 0..2 {
            for _ in 0..2 {
                mode.start(|event: Event| event.set(), event.clone()).join();
                assert!(event.is_set());
            }
            for _ in 0..2 {
                mode.start(|event: Event| event.clear(), event.clone()).join();
                assert!(!event.is_set());
            }
        }
    });
}

/// EVT-03
#[test]
fn one_set_lets_five_pass_that_wait_and_their_next_wait_too() {
    type Posts = (Event, Queue<String>);
    in_every_mode(|mode| {
        let event = Event::new().unwrap();
        for _ in 0..mode.rounds() {
            let waiting = Queue::bounded(5).unwrap();
            let pass = |(event, waiting): Posts| {
                waiting.put(here()).unwrap();
                assert!(event.wait_timeout(LONG));
                assert!(event.wait_timeout(LONG));
            };
            let waiters = mode.start_many(5, pass, &(event.clone(), waiting.clone()));
            for _ in 0..5 {
                until_asleep(&waiting.get_timeout(LONG).unwrap());
            }
            event.set();
            join_all(waiters);
            event.clear();
        }
    });
}

/// GAP-23
#[test]
fn a_set_that_is_cleared_at_once_is_noticed_by_whoever_waits() {
    in_every_mode(|mode| {
        let (event, stop) = (Event::new().unwrap(), Event::new().unwrap());
        let flash = |(event, stop): (Event, Event)| {
            while !stop.is_set() {
                event.set();
                event.clear();
            }
        };
        let setter = mode.start(flash, (event.clone(), stop.clone()));
        for _ in 0..2_000 {
            assert!(event.wait_timeout(Duration::from_secs(10)));
        }
        stop.set();
        setter.join();
    });
}
