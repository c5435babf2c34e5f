//! Queues between parties: order, limits, time-outs (QUE, LQU).

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use brigade::queue::{
    GetTimeoutError, PutError, PutFailure, PutTimeoutError, TryGetError, TryPutError,
};
use brigade::{Event, Producer, Queue};
use serde::{Deserialize, Serialize, Serializer};

use brigade_tests::stage::{LONG, SHORT, here, in_every_mode, join_all, takes, until_asleep};

/// QUE-01
#[test]
fn a_queue_of_six_is_filled_by_every_form_of_put_and_emptied_by_another() {
    in_every_mode(|mode| {
        let queue = Queue::bounded(6).unwrap();
        for n in [0, 3] {
            queue.put(n).unwrap();
            queue.try_put(n + 1).unwrap();
            queue.put_timeout(n + 2, SHORT).unwrap();
        }
        assert!(queue.is_full());
        assert!(matches!(queue.try_put(9), Err(TryPutError::Full(9))));
        let refused = takes(SHORT, || queue.put_timeout(9, SHORT));
        assert!(matches!(refused, Err(PutTimeoutError::TimedOut(9))));
        let drain = |queue: Queue<u32>| {
            for n in 0..6 {
                assert_eq!(queue.get().unwrap(), n);
            }
        };
        mode.start(drain, queue.clone()).join();
        assert!(queue.is_empty() && !queue.is_full());
    });
}

/// QUE-02, QUE-06
#[test]
fn every_form_of_get_returns_what_another_has_put_and_then_nothing() {
    in_every_mode(|mode| {
        let queue = Queue::bounded(6).unwrap();
        let put = |queue: Queue<u32>| (1..=4).for_each(|n| queue.put(n).unwrap());
        let party = mode.start(put, queue.clone());
        assert_eq!(queue.get().unwrap(), 1);
        assert_eq!(queue.get_timeout(LONG).unwrap(), 2);
        party.join();
        assert_eq!(queue.try_get().unwrap(), 3);
        assert_eq!(queue.get().unwrap(), 4);
        assert!(matches!(queue.try_get(), Err(TryGetError::Empty)));
        let missed = takes(SHORT * 5, || queue.get_timeout(SHORT * 5));
        assert!(matches!(missed, Err(GetTimeoutError::TimedOut)));
    });
}

/// QUE-04, QUE-12 (a queue that is in the memory of both, not served), QUE-13
#[test]
fn all_parties_agree_on_how_full_a_queue_is() {
    type Sizes = Queue<(usize, bool, bool)>;
    in_every_mode(|mode| {
        let queue = Queue::bounded(2).unwrap();
        let (go, sizes) = (Queue::bounded(1).unwrap(), Sizes::bounded(5).unwrap());
        let look = |(queue, go, sizes): (Queue<char>, Queue<()>, Sizes)| {
            while go.get().is_ok() {
                sizes.put((queue.len(), queue.is_empty(), queue.is_full())).unwrap();
            }
        };
        let party = mode.start(look, (queue.clone(), go.clone(), sizes.clone()));
        let mut seen = Vec::new();
        for step in 0..5 {
            match step {
                0 => {}
                1 | 2 => queue.put('x').unwrap(),
                _ => assert_eq!(queue.get().unwrap(), 'x'),
            }
            go.put(()).unwrap();
            let theirs = sizes.get_timeout(LONG).unwrap();
            assert_eq!(theirs, (queue.len(), queue.is_empty(), queue.is_full()));
            seen.push(theirs.0);
        }
        assert_eq!(seen, [0, 1, 2, 1, 0]);
        go.close();
        party.join();
    });
}

/// A value that may refuse to be written.
#[derive(Deserialize)]
struct Willing(bool);

impl Serialize for Willing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.0 {
            return Err(serde::ser::Error::custom("unwilling"));
        }
        self.0.serialize(serializer)
    }
}

/// QUE-08
#[test]
fn a_value_that_cannot_be_written_comes_back_from_put_and_the_queue_goes_on() {
    in_every_mode(|mode| {
        let queue = Queue::bounded(2).unwrap();
        let put = |queue: Queue<Willing>| {
            match queue.put(Willing(false)).unwrap_err() {
                PutError::Failed { value: Willing(false), reason: PutFailure::Encode(error) } => {
                    assert!(error.to_string().contains("unwilling"), "{error}");
                }
                other => panic!("{other}"),
            }
            queue.put(Willing(true)).unwrap();
        };
        mode.start(put, queue.clone()).join();
        assert!(queue.get().unwrap().0);
        assert!(queue.is_empty());
    });
}

static AT_START: LazyLock<(Queue<u32>, u32)> = LazyLock::new(|| {
    let queue = Queue::bounded(2).unwrap();
    let theirs = queue.clone();
    let putter = std::thread::spawn(move || theirs.put(1).unwrap());
    let got = queue.get().unwrap();
    putter.join().unwrap();
    (queue, got)
});

/// QUE-11, RES-10
#[test]
fn a_queue_may_be_made_and_used_while_a_static_is_initialized() {
    in_every_mode(|mode| {
        let use_it = |()| {
            let (queue, got) = &*AT_START;
            queue.put(*got + 1).unwrap();
            assert_eq!(queue.get().unwrap(), 2);
        };
        let party = mode.start(use_it, ());
        party.join();
        use_it(());
    });
}

/// LQU-01
#[test]
fn a_blocked_put_goes_on_after_a_get_and_a_blocked_get_after_a_put() {
    type Line = Queue<u32>;
    in_every_mode(|mode| {
        let queue = Line::bounded(3).unwrap();
        for _twice in 0..2 {
            for n in [111, 333, 222] {
                queue.put(n).unwrap();
            }
            let waiting = Queue::bounded(1).unwrap();
            let put = |(queue, waiting): (Line, Queue<String>)| {
                waiting.put(here()).unwrap();
                queue.put(444).unwrap();
            };
            let putter = mode.start(put, (queue.clone(), waiting.clone()));
            until_asleep(&waiting.get().unwrap());
            assert_eq!(queue.len(), 3);
            for n in [111, 333, 222] {
                assert_eq!(queue.get().unwrap(), n);
            }
            putter.join();
            assert_eq!(queue.get().unwrap(), 444);

            let get = |(queue, waiting): (Line, Queue<String>)| {
                waiting.put(here()).unwrap();
                assert_eq!(queue.get().unwrap(), 555);
            };
            let getter = mode.start(get, (queue.clone(), waiting.clone()));
            until_asleep(&waiting.get().unwrap());
            queue.put(555).unwrap();
            getter.join();
            assert!(queue.is_empty());
        }
    });
}

/// LQU-05, LQU-20 (but for the missing bound: every queue here has one)
#[test]
fn five_fill_it_and_the_sixth_is_refused_by_either_side() {
    in_every_mode(|mode| {
        let queue = Queue::bounded(5).unwrap();
        let fill = |queue: Queue<u32>| {
            (0..5).for_each(|n| queue.try_put(n).unwrap());
            assert!(matches!(queue.try_put(5), Err(TryPutError::Full(5))));
        };
        mode.start(fill, queue.clone()).join();
        assert!(matches!(queue.try_put(5), Err(TryPutError::Full(5))));
        let empty = |queue: Queue<u32>| {
            (0..5).for_each(|n| assert_eq!(queue.try_get().unwrap(), n));
            assert!(matches!(queue.try_get(), Err(TryGetError::Empty)));
        };
        mode.start(empty, queue.clone()).join();
        assert!(matches!(queue.try_get(), Err(TryGetError::Empty)));
    });
}

/// LQU-21
#[test]
fn one_producer_and_one_consumer_keep_the_order() {
    in_every_mode(|mode| {
        let queue = Queue::bounded(7).unwrap();
        let produce = |queue: Queue<u32>| (0..100).for_each(|n| queue.put(n).unwrap());
        let consume =
            |queue: Queue<u32>| (0..100).for_each(|n| assert_eq!(queue.get().unwrap(), n));
        let parties = vec![mode.start(produce, queue.clone()), mode.start(consume, queue.clone())];
        join_all(parties);
        assert!(queue.is_empty());
    });
}

/// LQU-23
#[test]
fn consumers_that_never_wait_or_hardly_lose_and_double_nothing() {
    const ALL: u32 = 1_000;
    type Set = (Producer<u32>, u32);
    type Got = (Queue<u32>, Queue<Vec<u32>>, Duration);
    in_every_mode(|mode| {
        for patience in [Duration::ZERO, Duration::from_micros(10)] {
            let (queue, results) = (Queue::bounded(16).unwrap(), Queue::bounded(4).unwrap());
            let consume = |(queue, results, patience): Got| {
                let mut got = Vec::new();
                loop {
                    match queue.get_timeout(patience) {
                        Ok(n) => got.push(n),
                        Err(GetTimeoutError::TimedOut) => std::thread::yield_now(),
                        Err(GetTimeoutError::Closed) => break,
                        Err(other) => panic!("{other}"),
                    }
                }
                results.put(got).unwrap();
            };
            let argument = (queue.clone(), results.clone(), patience);
            // Registered before any consumer runs: a queue without producers does not end.
            let produce =
                |(queue, part): Set| (0..ALL / 4).for_each(|n| queue.put(n * 4 + part).unwrap());
            let producer = queue.producer().unwrap();
            let mut parties = mode.start_many(3, consume, &argument);
            parties.extend((0..4).map(|part| mode.start(produce, (producer.clone(), part))));
            drop(producer);
            let lists: Vec<_> = (0..3).map(|_| results.get_timeout(LONG).unwrap()).collect();
            join_all(parties);
            let got: Vec<u32> = lists.concat();
            assert_eq!(got.len(), ALL as usize);
            assert_eq!(got.iter().collect::<BTreeSet<_>>().len(), ALL as usize);
        }
    });
}

/// LQU-24
#[test]
fn a_queue_holds_on_to_nothing_that_was_taken() {
    in_every_mode(|mode| {
        let outer = Queue::bounded(2).unwrap();
        let inner = Queue::<u32>::bounded(1).unwrap();
        outer.put(inner.producer().unwrap()).unwrap();
        assert!(matches!(inner.try_get(), Err(TryGetError::Empty)), "it counts under way");
        let take = |(outer, taken): (Queue<Producer<u32>>, Event)| {
            drop(outer.get().unwrap());
            taken.set();
        };
        let taken = Event::new().unwrap();
        let party = mode.start(take, (outer.clone(), taken.clone()));
        assert!(taken.wait_timeout(LONG));
        assert!(matches!(inner.try_get(), Err(TryGetError::Closed)));
        party.join();
    });
}

/// GAP-26
#[test]
fn what_was_put_is_there_for_whoever_hears_of_it_by_other_means() {
    type Told = (Queue<u32>, Event, Event);
    in_every_mode(|mode| {
        let queue = Queue::bounded(4).unwrap();
        let (told, answered) = (Event::new().unwrap(), Event::new().unwrap());
        let put = |(queue, told, answered): Told| {
            for n in 0..200 {
                queue.put(n).unwrap();
                told.set();
                assert!(answered.wait_timeout(LONG));
                answered.clear();
            }
        };
        let party = mode.start(put, (queue.clone(), told.clone(), answered.clone()));
        for n in 0..200 {
            assert!(told.wait_timeout(LONG));
            told.clear();
            assert_eq!(queue.try_get().unwrap(), n);
            answered.set();
        }
        party.join();
    });
}
