//! The broadcast.

use std::cell::RefCell;

use brigade_codec::Bytes;
use brigade_shm::queue::TryGetError;
use brigade_shm::{Broadcast, Event, GetError, PutError, Subscriber};
use brigade_sys::stepping::through;

use super::{Case, SOON, case};
use crate::steps::{Fate, Steps};

pub(super) const CASES: &[Case] = &[
    case("broadcast: put", "two others wait for it", put_awaited),
    case("broadcast: put", "a long value", put_long),
    case("broadcast: put", "it carries a handle", put_handle),
    case("broadcast: put", "a subscriber is slow, then gets", put_late),
    case("broadcast: get", "another waits to put", get_awaited),
    case("broadcast: get", "nothing is there, then another puts", get_late),
    case("broadcast: subscribe", "alone", subscribe),
    case("broadcast: drop a subscriber", "another waits to put", drop_subscriber),
    case("broadcast: drop the last publisher", "another waits to get", drop_publisher),
    case("broadcast: close", "one waits to get and one to put", close_awaited),
];

fn short() -> Bytes {
    Bytes(vec![1; 10])
}

fn long() -> Bytes {
    Bytes(vec![2; 3_000])
}

/// What is left for a subscriber is whole; then a value comes to it.
fn check(subscriber: &Subscriber<Bytes>, value: &Bytes, least: usize, most: usize) {
    let mut found = 0;
    while let Ok(got) = subscriber.try_get() {
        assert_eq!(&got, value);
        found += 1;
    }
    assert!((least..=most).contains(&found), "{found} values, not {least} to {most}");
    subscriber.broadcast().put_timeout(Bytes(vec![3]), SOON).unwrap();
    assert_eq!(subscriber.get_timeout(SOON).unwrap(), Bytes(vec![3]));
    assert!(matches!(subscriber.try_get(), Err(TryGetError::Empty)));
}

fn put_awaited(steps: &mut Steps) {
    let broadcast = Broadcast::new(2).unwrap();
    let all = [0; 3].map(|_| broadcast.subscribe().unwrap());
    steps
        .of(|| through(|| broadcast.put(short())).unwrap())
        .awaited_by(|| assert_eq!(all[0].get().unwrap(), short()))
        .awaited_by(|| assert_eq!(all[1].get().unwrap(), short()))
        .unless(|| !all[2].is_empty(), || broadcast.put(short()).unwrap())
        .check(|_| {
            assert_eq!(all[2].try_get().unwrap(), short());
            for subscriber in &all {
                while subscriber.try_get().is_ok() {}
            }
            check(&all[2], &short(), 0, 0);
            assert_eq!(all[0].try_get().unwrap(), all[1].try_get().unwrap());
        });
}

fn put_long(steps: &mut Steps) {
    let broadcast = Broadcast::new(2).unwrap();
    let subscriber = broadcast.subscribe().unwrap();
    // The places keep what was in them last: after this they do not.
    let clean = || {
        for _ in 0..broadcast.capacity() {
            broadcast.put_timeout(short(), SOON).unwrap();
            assert_eq!(subscriber.get_timeout(SOON).unwrap(), short());
        }
    };
    clean();
    steps
        .of(|| {
            let value = long();
            through(|| broadcast.put(value)).unwrap();
        })
        .check(|fate| {
            check(&subscriber, &long(), usize::from(fate == Fate::CameThrough), 1);
            clean();
        });
}

fn put_handle(steps: &mut Steps) {
    let broadcast = Broadcast::<Option<Event>>::new(2).unwrap();
    let subscriber = broadcast.subscribe().unwrap();
    let clean = || {
        for _ in 0..broadcast.capacity() {
            broadcast.put_timeout(None, SOON).unwrap();
            assert!(subscriber.get_timeout(SOON).unwrap().is_none());
        }
    };
    clean();
    steps
        .of(|| {
            let event = Event::new().unwrap();
            through(|| broadcast.put(Some(event))).unwrap();
        })
        .check(|fate| {
            match subscriber.try_get() {
                Ok(event) => event.unwrap().set(),
                Err(TryGetError::Empty) => assert_eq!(fate, Fate::Killed),
                Err(error) => panic!("{error}"),
            }
            clean();
        });
}

fn put_late(steps: &mut Steps) {
    let broadcast = Broadcast::new(2).unwrap();
    let subscriber = broadcast.subscribe().unwrap();
    steps
        .of(|| through(|| broadcast.put(short())).unwrap())
        .after(|| while broadcast.try_put(short()).is_ok() {})
        .release(|| while subscriber.try_get().is_ok() {})
        .check(|_| check(&subscriber, &short(), 0, 1));
}

fn get_awaited(steps: &mut Steps) {
    let broadcast = Broadcast::new(2).unwrap();
    let subscriber = broadcast.subscribe().unwrap();
    steps
        .of(|| assert_eq!(through(|| subscriber.get()).unwrap(), short()))
        .after(|| while broadcast.try_put(short()).is_ok() {})
        .awaited_by(|| broadcast.put(short()).unwrap())
        .unless(|| subscriber.len() < 2, || drop(subscriber.get().unwrap()))
        .check(|_| check(&subscriber, &short(), 1, 2));
}

fn get_late(steps: &mut Steps) {
    let broadcast = Broadcast::new(2).unwrap();
    let subscriber = broadcast.subscribe().unwrap();
    steps
        .of(|| assert_eq!(through(|| subscriber.get()).unwrap(), short()))
        .release(|| {
            if subscriber.is_empty() {
                broadcast.put(short()).unwrap();
            }
        })
        .check(|_| check(&subscriber, &short(), 0, 1));
}

fn subscribe(steps: &mut Steps) {
    let broadcast = Broadcast::<Bytes>::new(2).unwrap();
    let subscriber = broadcast.subscribe().unwrap();
    steps.of(|| drop(through(|| broadcast.subscribe()).unwrap())).check(|_| {
        // More values than fit: nobody who is dead keeps them.
        for _ in 0..2 * broadcast.capacity() {
            check(&subscriber, &short(), 0, 0);
        }
        assert_eq!(broadcast.subscribers(), 1);
    });
}

fn drop_subscriber(steps: &mut Steps) {
    let current = RefCell::new(Broadcast::new(2).unwrap());
    steps
        .of(|| {
            let subscriber = current.borrow().subscribe().unwrap();
            while current.borrow().try_put(short()).is_ok() {}
            through(|| drop(subscriber));
        })
        .after(|| {
            current.replace(Broadcast::new(2).unwrap());
        })
        .awaited_by(|| current.borrow().put(short()).unwrap())
        .check(|_| current.borrow().put_timeout(short(), SOON).unwrap());
}

fn drop_publisher(steps: &mut Steps) {
    let broadcast = RefCell::new(Broadcast::<Bytes>::new(2).unwrap());
    let subscriber = RefCell::new(broadcast.borrow().subscribe().unwrap());
    steps
        .of(|| {
            let publisher = broadcast.borrow().publisher().unwrap();
            through(|| drop(publisher));
        })
        .after(|| {
            broadcast.replace(Broadcast::new(2).unwrap());
            subscriber.replace(broadcast.borrow().subscribe().unwrap());
        })
        .awaited_by(|| assert!(matches!(subscriber.borrow().get(), Err(GetError::Closed))))
        .check(|_| assert!(matches!(subscriber.borrow().get(), Err(GetError::Closed))));
}

fn close_awaited(steps: &mut Steps) {
    let make = || {
        let broadcast = Broadcast::new(2).unwrap();
        let subscriber = broadcast.subscribe().unwrap();
        (broadcast, subscriber)
    };
    let both = RefCell::new([make(), make()]);
    let close = || both.borrow().iter().for_each(|(broadcast, _)| broadcast.close());
    steps
        .of(|| through(close))
        .after(|| {
            both.replace([make(), make()]);
            while both.borrow()[1].0.try_put(short()).is_ok() {}
        })
        .awaited_by(|| assert!(matches!(both.borrow()[0].1.get(), Err(GetError::Closed))))
        .awaited_by(|| {
            assert!(matches!(both.borrow()[1].0.put(short()), Err(PutError::Closed(_))));
        })
        .unless(|| both.borrow().iter().all(|(broadcast, _)| broadcast.is_closed()), close)
        // Two bells are rung: one who is killed in between has not rung the second.
        .by_the_clock()
        .check(|_| ());
}
