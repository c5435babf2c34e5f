//! The queue.

use std::cell::RefCell;

use brigade_codec::Bytes;
use brigade_shm::queue::TryGetError;
use brigade_shm::{Event, GetError, PutError, Queue};
use brigade_sys::stepping::through;

use super::{Case, SOON, case};
use crate::steps::{Fate, Steps};

pub(super) const CASES: &[Case] = &[
    case("queue: put", "a short message", put),
    case("queue: put", "a short message, another waits to get", put_awaited),
    case("queue: put", "two messages, two others wait to get", put_two_awaited),
    case("queue: put", "a long message", put_long),
    case("queue: put", "a long message, another waits to get", put_long_awaited),
    case("queue: put", "it is full, then another gets", put_late),
    case("queue: put", "it carries a handle", put_handle),
    case("queue: get", "a short message", get),
    case("queue: get", "a short message, another waits to put", get_awaited),
    case("queue: get", "a long message", get_long),
    case("queue: get", "it is empty, then another puts", get_late),
    case("queue: get", "it is empty and another waits too, then two are put", get_beside_another),
    case("queue: get", "it carries a handle", get_handle),
    case("queue: close", "one waits to get and one to put", close_awaited),
    case("queue: drop the last producer", "another waits to get", drop_producer),
    case("queue: drop the last consumer", "another waits to put", drop_consumer),
    case("queue: become a producer", "alone", become_producer),
];

type Messages = Queue<Bytes>;

/// A queue for two, whose long messages get blocks of their own.
fn queue() -> Messages {
    Queue::with_ring(2, 256).unwrap()
}

fn short() -> Bytes {
    Bytes(vec![1; 10])
}

fn long() -> Bytes {
    Bytes(vec![2; 3_000])
}

/// Takes what is left, at least `least` and at most `most` of `message`; then it works.
fn check(queue: &Messages, message: &Bytes, least: usize, most: usize) {
    let mut found = 0;
    while let Ok(taken) = queue.get_timeout(if queue.is_empty() { NOW } else { SOON }) {
        assert_eq!(&taken, message);
        found += 1;
    }
    assert!((least..=most).contains(&found), "{found} messages, not {least} to {most}");
    // Short ones only: a long one that nobody has put stays in its slot until it is used again.
    for _ in 0..queue.capacity() {
        queue.put_timeout(Bytes(vec![3]), SOON).unwrap();
    }
    assert!(queue.is_full());
    for _ in 0..queue.capacity() {
        assert_eq!(queue.get_timeout(SOON).unwrap(), Bytes(vec![3]));
    }
    assert!(matches!(queue.try_get(), Err(TryGetError::Empty)));
}

const NOW: std::time::Duration = std::time::Duration::ZERO;

fn least(fate: Fate) -> usize {
    usize::from(fate == Fate::CameThrough)
}

fn prove_put(steps: &mut Steps, message: fn() -> Bytes) {
    let queue = queue();
    steps
        .of(|| {
            let message = message();
            through(|| queue.put(message)).unwrap();
        })
        .check(|fate| check(&queue, &message(), least(fate), 1));
}

fn prove_put_awaited(steps: &mut Steps, message: fn() -> Bytes) {
    let queue = queue();
    steps
        .of(|| {
            let message = message();
            through(|| queue.put(message)).unwrap();
        })
        .awaited_by(|| assert_eq!(queue.get().unwrap(), message()))
        .unless(|| !queue.is_empty(), || queue.put(message()).unwrap())
        .check(|_| check(&queue, &message(), 0, 1));
}

fn put(steps: &mut Steps) {
    prove_put(steps, short);
}

fn put_awaited(steps: &mut Steps) {
    prove_put_awaited(steps, short);
}

fn put_long(steps: &mut Steps) {
    prove_put(steps, long);
}

fn put_long_awaited(steps: &mut Steps) {
    prove_put_awaited(steps, long);
}

fn put_two_awaited(steps: &mut Steps) {
    let queue = queue();
    let put_two = || (0..2).for_each(|_| queue.put(short()).unwrap());
    steps
        .of(|| through(put_two))
        .awaited_by(|| assert_eq!(queue.get().unwrap(), short()))
        .awaited_by(|| assert_eq!(queue.get().unwrap(), short()))
        .unless(|| !queue.is_empty(), put_two)
        .check(|_| check(&queue, &short(), 0, 2));
}

fn put_late(steps: &mut Steps) {
    let queue = queue();
    steps
        .of(|| through(|| queue.put(short())).unwrap())
        .after(|| while queue.try_put(short()).is_ok() {})
        .release(|| while queue.try_get().is_ok() {})
        .check(|_| check(&queue, &short(), 0, 1));
}

/// An object that only a message carries goes with the message.
fn put_handle(steps: &mut Steps) {
    let queue = Queue::<Event>::bounded(2).unwrap();
    let current = RefCell::new(Event::new().unwrap());
    steps
        .of(|| {
            let event = current.borrow().clone();
            through(|| queue.put(event)).unwrap();
        })
        .check(|fate| {
            match queue.try_get() {
                Ok(event) => event.set(),
                Err(TryGetError::Empty) => assert_eq!(fate, Fate::Killed),
                Err(error) => panic!("{error}"),
            }
            assert!(queue.is_empty());
            current.replace(Event::new().unwrap());
        });
}

fn prove_get(steps: &mut Steps, message: fn() -> Bytes) {
    let queue = queue();
    steps
        .of(|| assert_eq!(through(|| queue.get()).unwrap(), message()))
        .after(|| queue.put(message()).unwrap())
        .check(|fate| check(&queue, &message(), 0, 1 - least(fate)));
}

fn get(steps: &mut Steps) {
    prove_get(steps, short);
}

fn get_long(steps: &mut Steps) {
    prove_get(steps, long);
}

fn get_awaited(steps: &mut Steps) {
    let queue = queue();
    steps
        .of(|| assert_eq!(through(|| queue.get()).unwrap(), short()))
        .after(|| while queue.try_put(short()).is_ok() {})
        .awaited_by(|| queue.put(short()).unwrap())
        .unless(|| !queue.is_full(), || drop(queue.get().unwrap()))
        .check(|_| check(&queue, &short(), 1, 2));
}

fn get_late(steps: &mut Steps) {
    let queue = queue();
    steps
        .of(|| assert_eq!(through(|| queue.get()).unwrap(), short()))
        .release(|| while queue.is_empty() && queue.put(short()).is_err() {})
        .check(|_| check(&queue, &short(), 0, 1));
}

fn get_beside_another(steps: &mut Steps) {
    let queue = queue();
    let put_two = || while queue.try_put(short()).is_ok() {};
    steps
        .of(|| assert_eq!(through(|| queue.get()).unwrap(), short()))
        .awaited_by(|| assert_eq!(queue.get().unwrap(), short()))
        .release(put_two)
        .check(|_| check(&queue, &short(), 0, 2));
}

/// An object that a message brings goes with who has taken it.
fn get_handle(steps: &mut Steps) {
    let queue = Queue::<Event>::bounded(2).unwrap();
    steps
        .of(|| through(|| queue.get()).unwrap().set())
        .after(|| queue.put(Event::new().unwrap()).unwrap())
        .check(|fate| {
            match queue.try_get() {
                Ok(event) => event.set(),
                Err(TryGetError::Empty) => {}
                Err(error) => panic!("{error} after {fate:?}"),
            }
            assert!(queue.is_empty());
        });
}

fn close_awaited(steps: &mut Steps) {
    let queues = RefCell::new([queue(), queue()]);
    let close = || queues.borrow().iter().for_each(|queue| queue.close());
    steps
        .of(|| through(close))
        .after(|| {
            queues.replace([queue(), queue()]);
            while queues.borrow()[1].try_put(short()).is_ok() {}
        })
        .awaited_by(|| assert!(matches!(queues.borrow()[0].get(), Err(GetError::Closed))))
        .awaited_by(|| assert!(matches!(queues.borrow()[1].put(short()), Err(PutError::Closed(_)))))
        .unless(|| queues.borrow().iter().all(|queue| queue.is_closed()), close)
        // Two bells are rung: one who is killed in between has not rung the second.
        .by_the_clock()
        .check(|_| ());
}

fn drop_producer(steps: &mut Steps) {
    let current = RefCell::new(queue());
    steps
        .of(|| {
            let producer = current.borrow().producer().unwrap();
            through(|| drop(producer));
        })
        .after(|| {
            current.replace(queue());
        })
        .awaited_by(|| assert!(matches!(current.borrow().get(), Err(GetError::Closed))))
        .check(|_| assert!(matches!(current.borrow().get(), Err(GetError::Closed))));
}

fn drop_consumer(steps: &mut Steps) {
    let current = RefCell::new(queue());
    steps
        .of(|| {
            let consumer = current.borrow().consumer().unwrap();
            through(|| drop(consumer));
        })
        .after(|| {
            current.replace(queue());
            while current.borrow().try_put(short()).is_ok() {}
        })
        .awaited_by(|| assert!(matches!(current.borrow().put(short()), Err(PutError::Closed(_)))))
        .check(|_| {
            assert!(matches!(current.borrow().put(short()), Err(PutError::Closed(_))));
        });
}

/// One who dies before it is a producer leaves a queue that waits for producers, or has ended.
fn become_producer(steps: &mut Steps) {
    let current = RefCell::new(queue());
    steps.of(|| drop(through(|| current.borrow().producer()).unwrap())).check(|fate| {
        let end = current.borrow().try_get();
        assert!(
            matches!(end, Err(TryGetError::Closed))
                || matches!(end, Err(TryGetError::Empty)) && fate == Fate::Killed,
            "{end:?}"
        );
        let producer = current.borrow().producer().unwrap();
        producer.put(short()).unwrap();
        drop(producer);
        assert_eq!(current.borrow().get().unwrap(), short());
        assert!(matches!(current.borrow().get(), Err(GetError::Closed)));
        current.replace(queue());
    });
}
