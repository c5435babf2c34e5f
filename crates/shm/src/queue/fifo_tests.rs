#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use brigade_sys::wait::wait;

use super::*;
use crate::queue::PutFailure;
use crate::queue::{GetManyError, PutAllError};

const SOON: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(10);

/// QUE-01, QUE-02, QUE-04, QUE-06, LQU-05.
#[test]
fn a_full_queue_refuses_and_an_empty_one_has_nothing() {
    let queue = Queue::bounded(3).unwrap();
    for size in 0..3 {
        assert_eq!(queue.len(), size);
        queue.put(size).unwrap();
    }
    assert!(queue.is_full());
    assert!(matches!(queue.try_put(9), Err(TryPutError::Full(9))));
    assert!(matches!(queue.put_timeout(9, SHORT), Err(PutTimeoutError::TimedOut(9))));
    for expected in 0..3 {
        assert_eq!(queue.get().unwrap(), expected);
    }
    assert!(queue.is_empty());
    assert!(matches!(queue.try_get(), Err(TryGetError::Empty)));
    assert!(matches!(queue.get_timeout(SHORT), Err(GetTimeoutError::TimedOut)));
}

/// QUE-10.
#[test]
fn a_closed_queue_gives_what_it_has_and_takes_nothing() {
    let queue = Queue::bounded(3).unwrap();
    queue.put(1).unwrap();
    queue.close();
    assert!(matches!(queue.put(2), Err(PutError::Closed(2))));
    assert!(matches!(queue.try_put(2), Err(TryPutError::Closed(2))));
    assert_eq!(queue.get().unwrap(), 1);
    assert!(matches!(queue.get(), Err(GetError::Closed)));
    assert!(matches!(queue.try_get(), Err(TryGetError::Closed)));
}

#[test]
fn closing_wakes_everyone_who_waits() {
    for _ in 0..20 {
        let (empty, full) = (Queue::<u32>::bounded(1).unwrap(), Queue::bounded(1).unwrap());
        full.put(0).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| assert!(matches!(empty.get(), Err(GetError::Closed))));
                scope.spawn(|| assert!(matches!(full.put(1), Err(PutError::Closed(1)))));
            }
            empty.close();
            full.close();
        });
    }
}

#[test]
fn messages_of_every_size_come_out_as_they_went_in() {
    let queue = Queue::with_ring(8, 1024).unwrap();
    for length in (0..2_000).step_by(37).chain([100_000, 3_000_000]) {
        let message: Vec<u8> = (0..length).map(|n| n as u8).collect();
        queue.put(message.clone()).unwrap();
        queue.put(message.clone()).unwrap();
        assert_eq!(queue.get().unwrap(), message);
        assert_eq!(queue.get().unwrap(), message);
    }
}

#[test]
fn a_queue_holds_as_many_messages_as_it_says_however_long() {
    let queue = Queue::with_ring(50, 1024).unwrap();
    let arena = crate::Arena::program().unwrap();
    for round in 0..20 {
        for n in 0..50_usize {
            queue.try_put(vec![n as u8; n * 11]).unwrap();
        }
        assert!(matches!(queue.try_put(vec![]), Err(TryPutError::Full(_))), "round {round}");
        for n in 0..50_usize {
            assert_eq!(queue.try_get().unwrap(), vec![n as u8; n * 11]);
        }
    }
    assert!(arena.size().unwrap() < 1 << 30);
}

#[test]
fn many_producers_and_consumers_lose_and_double_nothing() {
    let queue = Queue::bounded(16).unwrap();
    let (count, sum) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for part in 0..4_u32 {
            let producer = queue.producer().unwrap();
            scope.spawn(move || {
                for n in 0..3_000 {
                    producer.put(part * 3_000 + n).unwrap();
                }
            });
        }
        for _ in 0..3 {
            scope.spawn(|| {
                for value in queue.iter() {
                    count.fetch_add(1, Relaxed);
                    sum.fetch_xor(value, Relaxed);
                }
            });
        }
    });
    assert_eq!(count.load(Relaxed), 12_000);
    assert_eq!(sum.load(Relaxed), (0..12_000).fold(0, |all, n| all ^ n));
}

#[test]
fn the_order_of_each_producer_is_kept() {
    let queue = Queue::bounded(4).unwrap();
    std::thread::scope(|scope| {
        for part in 0..3_u32 {
            let producer = queue.producer().unwrap();
            scope.spawn(move || (0..2_000_u32).for_each(|n| producer.put((part, n)).unwrap()));
        }
        let mut next = BTreeMap::from([(0, 0), (1, 0), (2, 0)]);
        for (part, n) in queue.iter() {
            let expected = next.get_mut(&part).unwrap();
            assert_eq!(n, *expected);
            *expected += 1;
        }
        assert!(next.values().all(|&n| n == 2_000));
    });
}

#[test]
fn a_queue_without_producers_ends_and_one_that_never_had_any_waits() {
    let queue = Queue::<u32>::bounded(2).unwrap();
    assert!(matches!(queue.get_timeout(SHORT), Err(GetTimeoutError::TimedOut)));
    let producer = queue.producer().unwrap();
    let second = producer.clone();
    drop(producer);
    assert!(matches!(queue.get_timeout(SHORT), Err(GetTimeoutError::TimedOut)));
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(matches!(queue.get(), Err(GetError::Closed))));
        drop(second);
    });
    let _again = queue.producer().unwrap();
    assert!(matches!(queue.try_get(), Err(TryGetError::Empty)));
}

#[test]
fn a_put_is_refused_when_the_consumers_are_gone() {
    let queue = Queue::bounded(1).unwrap();
    let consumer = queue.consumer().unwrap();
    queue.put(1).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(matches!(queue.put(2), Err(PutError::Closed(2)))));
        drop(consumer);
    });
}

#[test]
fn a_queue_travels_through_a_queue_with_its_producers() {
    let outer = Queue::bounded(2).unwrap();
    let inner = Queue::<String>::bounded(2).unwrap();
    outer.put(inner.producer().unwrap()).unwrap();
    // Under way, the producer still counts.
    assert!(matches!(inner.get_timeout(SHORT), Err(GetTimeoutError::TimedOut)));
    let producer = outer.get().unwrap();
    producer.put("hello".to_owned()).unwrap();
    drop(producer);
    assert_eq!(inner.get().unwrap(), "hello");
    assert!(matches!(inner.get(), Err(GetError::Closed)));
}

/// QUE-08, W33.
#[test]
fn a_value_that_cannot_be_serialized_is_refused_by_put_with_what_it_carries() {
    #[derive(serde::Deserialize)]
    struct Faulty(Queue<u32>);
    impl Serialize for Faulty {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.serialize(serializer)?;
            Err(serde::ser::Error::custom("no"))
        }
    }
    let queue = Queue::bounded(2).unwrap();
    let carried = Queue::bounded(1).unwrap();
    let error = queue.put(Faulty(carried.clone())).unwrap_err();
    let PutError::Failed { value, reason: PutFailure::Encode(_) } = error else {
        panic!("{error}");
    };
    assert!(value.0.handle_is(&carried));
    assert!(queue.is_empty());
    assert_eq!(carried.channel.handle().under_way(), (0, 0));
}

impl<T> Queue<T> {
    fn handle_is(&self, other: &Self) -> bool {
        self.channel.handle().place() == other.channel.handle().place()
    }
}

#[test]
fn queues_can_be_waited_for_together() {
    let queues: Vec<_> = (0..3).map(|_| Queue::<u32>::bounded(2).unwrap()).collect();
    let all: Vec<&dyn Waitable> = queues.iter().map(|queue| queue as _).collect();
    assert!(wait(&all, Deadline::after(SHORT)).is_empty());
    for round in 0..60 {
        std::thread::scope(|scope| {
            let queue = &queues[round % 3];
            scope.spawn(|| queue.put(1).unwrap());
            assert_eq!(wait(&all, Deadline::after(SOON)), [round % 3]);
            queue.get().unwrap();
        });
    }
}

#[test]
fn many_values_are_put_and_taken_in_order_whatever_their_size() {
    let queue = Queue::with_ring(64, 1024).unwrap();
    let values: Vec<Vec<u8>> = (0..40_usize).map(|n| vec![n as u8; n * 29 % 400]).collect();
    for most in [1, 7, 64, usize::MAX] {
        queue.put_all(values.clone()).unwrap();
        let mut taken = Vec::new();
        while taken.len() < values.len() {
            let some = queue.try_get_many(most).unwrap();
            assert!(!some.is_empty() && some.len() <= most);
            taken.extend(some);
        }
        assert_eq!(taken, values);
    }
    assert!(queue.get_many(0).unwrap().is_empty());
}

#[test]
fn what_was_not_put_of_many_comes_back() {
    let queue = Queue::bounded(5).unwrap();
    let Err(PutAllError::Full(left)) = queue.try_put_all(0..8) else { panic!("there is no room") };
    assert_eq!(left, [5, 6, 7]);
    let Err(PutAllError::Full(left)) = queue.put_all_timeout(left, SHORT) else { panic!("none") };
    assert_eq!(left, [5, 6, 7]);
    assert_eq!(queue.get_many(3).unwrap(), [0, 1, 2]);
    queue.close();
    let Err(PutAllError::Closed(left)) = queue.put_all(left) else { panic!("it is closed") };
    assert_eq!(left, [5, 6, 7]);
    assert_eq!(queue.get_many_timeout(3, SHORT).unwrap(), [3, 4]);
    assert!(matches!(queue.get_many(3), Err(GetManyError::Closed)));
    let empty = Queue::<u32>::bounded(5).unwrap();
    assert!(matches!(empty.try_get_many(3), Err(GetManyError::Empty)));
    assert!(matches!(empty.get_many_timeout(3, SHORT), Err(GetManyError::Empty)));
}

#[test]
fn many_producers_and_consumers_of_many_lose_and_double_nothing() {
    let queue = Queue::<(u32, u32)>::bounded(16).unwrap();
    std::thread::scope(|scope| {
        for part in 0..3 {
            let producer = queue.producer().unwrap();
            scope.spawn(move || producer.put_all((0..2_000).map(|n| (part, n))).unwrap());
        }
        let taker = || {
            let mut all = Vec::new();
            while let Ok(some) = queue.get_many(9) {
                all.extend(some);
            }
            all
        };
        let takers = [scope.spawn(taker), scope.spawn(taker)];
        let mut all: Vec<_> = takers.into_iter().flat_map(|it| it.join().unwrap()).collect();
        all.sort_unstable();
        let expected = (0..3).flat_map(|part| (0..2_000).map(move |n| (part, n)));
        assert!(all.into_iter().eq(expected));
    });
}

#[test]
fn a_value_of_many_that_cannot_be_read_costs_no_other() {
    let queue = Queue::<u8>::bounded(4).unwrap();
    queue.put_all([1, 2]).unwrap();
    queue.channel.put(&[1, 2, 3], &Contents::default(), Deadline::NEVER).unwrap();
    queue.put(4).unwrap();
    let Err(GetManyError::Failed { values, reason: GetFailure::Decode(_) }) = queue.get_many(9)
    else {
        panic!("three bytes are no number");
    };
    assert_eq!(values, [1, 2, 4]);
}

/// A value that is serialized or not.
#[derive(Debug, PartialEq, Eq, serde::Deserialize)]
struct Fickle(bool);

impl Serialize for Fickle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 { serializer.serialize_bool(true) } else { Err(serde::ser::Error::custom("no")) }
    }
}

#[test]
fn a_value_of_many_that_cannot_be_serialized_is_refused_with_those_behind_it() {
    let queue = Queue::bounded(4).unwrap();
    let put = queue.put_all([true, true, false, true].map(Fickle));
    let Err(PutAllError::Failed { values, reason: PutFailure::Encode(_) }) = put else {
        panic!("the third cannot be serialized");
    };
    assert_eq!(values, [false, true].map(Fickle));
    assert_eq!(queue.try_get_many(9).unwrap(), [true, true].map(Fickle));
}

#[test]
fn handles_among_many_values_are_let_go_with_each() {
    let outer = Queue::bounded(2).unwrap();
    let inner = Queue::<u32>::bounded(1).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| outer.put_all((0..5).map(|_| inner.producer().unwrap())).unwrap());
        for _ in 0..5 {
            let producer = outer.get().unwrap();
            producer.put(1).unwrap();
            assert_eq!(inner.get().unwrap(), 1);
        }
    });
    assert!(matches!(inner.get(), Err(GetError::Closed)));
}
