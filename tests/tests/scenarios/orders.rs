//! Queues in other orders than that of arrival, and queues without a bound (LQU, QUE).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use brigade::queue::{
    GetTimeoutError, Order, OrderedQueue, PutError, PutTimeoutError, TryGetError, TryPutError,
};
use brigade::{
    DelayQueue, Event, GetError, LifoQueue, PriorityQueue, Producer, Queue, SimpleQueue,
};

use brigade_tests::stage::{LONG, Mode, SHORT, here, in_every_mode, join_all, takes, until_asleep};

/// Puts 111, 333 and 222, and sees that they come in the order of `expected`.
fn orders<O>(queue: &OrderedQueue<u32, O>, item: fn(u32) -> O::Item, expected: [u32; 3])
where
    O: Order<u32, Item: PartialEq + std::fmt::Debug>,
{
    for n in [111, 333, 222] {
        queue.put(item(n)).unwrap();
    }
    assert!(queue.is_full() && !queue.is_empty());
    assert!(matches!(queue.try_put(item(4)), Err(TryPutError::Full(it)) if it == item(4)));
    let late = takes(SHORT, || queue.put_timeout(item(5), SHORT));
    assert!(matches!(late, Err(PutTimeoutError::TimedOut(it)) if it == item(5)));
    for n in expected {
        assert_eq!(queue.get().unwrap(), item(n));
    }
    assert!(queue.is_empty() && !queue.is_full());
    assert!(matches!(queue.try_get(), Err(TryGetError::Empty)));
    let late = takes(SHORT, || queue.get_timeout(SHORT));
    assert!(matches!(late, Err(GetTimeoutError::TimedOut)));
}

/// LQU-01, LQU-05
#[test]
fn a_stack_is_emptied_from_its_end_and_a_queue_by_keys_in_their_order() {
    in_every_mode(|mode| {
        let stack = LifoQueue::<u32>::bounded(3).unwrap();
        let ranks = PriorityQueue::<u32, u32>::bounded(3).unwrap();
        let use_them = |(stack, ranks): (LifoQueue<u32>, PriorityQueue<u32, u32>)| {
            for _twice in 0..2 {
                orders(&stack, |n| n, [222, 333, 111]);
                orders(&ranks, |n| (n, n), [111, 222, 333]);
            }
        };
        mode.start(use_them, (stack.clone(), ranks.clone())).join();
        use_them((stack, ranks));
    });
}

type Posts = (LifoQueue<u32>, Queue<String>, Queue<Option<u32>>);

/// LQU-01
#[test]
fn a_blocked_put_goes_on_after_a_get_and_a_blocked_get_after_a_put_in_any_order() {
    in_every_mode(|mode| {
        let queue = LifoQueue::bounded(1).unwrap();
        let (waiting, got) = (Queue::bounded(1).unwrap(), Queue::bounded(1).unwrap());
        let posts: Posts = (queue.clone(), waiting.clone(), got.clone());
        for _twice in 0..2 {
            queue.put(1).unwrap();
            let put = |(queue, waiting, _): Posts| {
                waiting.put(here()).unwrap();
                queue.put(2).unwrap();
            };
            let putter = mode.start(put, posts.clone());
            until_asleep(&waiting.get().unwrap());
            assert_eq!(queue.get().unwrap(), 1);
            putter.join();
            assert_eq!(queue.get().unwrap(), 2);

            let get = |(queue, waiting, _): Posts| {
                waiting.put(here()).unwrap();
                assert_eq!(queue.get().unwrap(), 3);
            };
            let getter = mode.start(get, posts.clone());
            until_asleep(&waiting.get().unwrap());
            queue.put(3).unwrap();
            getter.join();
        }
    });
}

#[test]
fn nothing_is_taken_before_it_is_due_whoever_has_put_it() {
    in_every_mode(|mode| {
        let queue = DelayQueue::<u64>::bounded(10).unwrap();
        let put = |queue: DelayQueue<u64>| {
            for millis in [60, 20, 40] {
                queue.put_after(millis, Duration::from_millis(millis)).unwrap();
            }
        };
        let began = Instant::now();
        let waiting = Queue::bounded(1).unwrap();
        let get = |(queue, waiting): (DelayQueue<u64>, Queue<String>)| {
            let began = Instant::now();
            waiting.put(here()).unwrap();
            // Asleep until something is put, and then until it is due.
            assert_eq!(queue.get().unwrap(), 20);
            assert!(began.elapsed() < LONG);
        };
        let getter = mode.start(get, (queue.clone(), waiting.clone()));
        until_asleep(&waiting.get().unwrap());
        mode.start(put, queue.clone()).join();
        getter.join();
        for millis in [40, 60] {
            assert_eq!(queue.get_timeout(LONG).unwrap(), millis);
            assert!(began.elapsed() >= Duration::from_millis(millis));
        }
    });
}

fn refuses_everything(queue: &LifoQueue<u32>) {
    assert!(matches!(queue.put(7), Err(PutError::Closed(7))));
    assert!(matches!(queue.try_put(7), Err(TryPutError::Closed(7))));
    assert!(matches!(queue.put_timeout(7, LONG), Err(PutTimeoutError::Closed(7))));
    assert!(matches!(queue.get(), Err(GetError::Closed)));
    assert!(matches!(queue.try_get(), Err(TryGetError::Closed)));
    assert!(matches!(queue.get_timeout(LONG), Err(GetTimeoutError::Closed)));
}

/// LQU-07, LQU-08, LQU-09, LQU-10, LQU-11
#[test]
fn an_end_of_either_kind_is_the_same_for_all_and_is_never_taken_back() {
    in_every_mode(|mode| {
        let queue = LifoQueue::bounded(3).unwrap();
        let close = |queue: LifoQueue<u32>| {
            (1..=3).for_each(|n| queue.put(n).unwrap());
            queue.close();
            assert_eq!(queue.get().unwrap(), 3);
        };
        mode.start(close, queue.clone()).join();
        assert!(matches!(queue.put(9), Err(PutError::Closed(9))));
        assert_eq!((queue.get().unwrap(), queue.len()), (2, 1));
        let shut = |queue: LifoQueue<u32>| {
            queue.shutdown_now();
            refuses_everything(&queue);
        };
        mode.start(shut, queue.clone()).join();
        assert!(queue.is_empty() && queue.is_closed());
        refuses_everything(&queue);
        queue.close();
        mode.start(|queue: LifoQueue<u32>| refuses_everything(&queue), queue.clone()).join();
    });
}

/// LQU-13
#[test]
fn two_getters_of_an_immediate_end_get_nothing_but_the_end() {
    in_every_mode(|mode| {
        for round in 0..mode.rounds() {
            let queue = LifoQueue::bounded(4).unwrap();
            let (waiting, got) = (Queue::bounded(2).unwrap(), Queue::bounded(2).unwrap());
            let get = |(queue, waiting, got): Posts| {
                waiting.put(here()).unwrap();
                got.put(queue.get().ok()).unwrap();
            };
            let getters = mode.start_many(2, get, &(queue.clone(), waiting.clone(), got.clone()));
            for _ in 0..2 {
                let place = waiting.get_timeout(LONG).unwrap();
                if round % 2 == 0 {
                    until_asleep(&place);
                }
            }
            queue.shutdown_now();
            assert!(matches!(queue.put(1), Err(PutError::Closed(1))));
            assert_eq!((got.get().unwrap(), got.get().unwrap()), (None, None));
            join_all(getters);
        }
    });
}

/// LQU-14
#[test]
fn those_who_wait_to_put_are_turned_away_by_an_immediate_end_however_it_meets_them() {
    in_every_mode(|mode| {
        for round in 0..mode.rounds() {
            let queue = LifoQueue::bounded(1).unwrap();
            let (waiting, got) = (Queue::bounded(3).unwrap(), Queue::bounded(3).unwrap());
            queue.put(0).unwrap();
            let put = |(queue, waiting, got): Posts| {
                waiting.put(here()).unwrap();
                match queue.put(5) {
                    Err(PutError::Closed(value)) => got.put(Some(value)).unwrap(),
                    other => panic!("{other:?}"),
                }
            };
            let putters = mode.start_many(3, put, &(queue.clone(), waiting.clone(), got.clone()));
            for _ in 0..3 {
                let place = waiting.get_timeout(LONG).unwrap();
                if round % 2 == 0 {
                    until_asleep(&place);
                }
            }
            queue.shutdown_now();
            (0..3).for_each(|_| assert_eq!(got.get_timeout(LONG).unwrap(), Some(5)));
            join_all(putters);
            refuses_everything(&queue);
        }
    });
}

/// LQU-20
#[test]
fn a_queue_without_a_bound_takes_what_there_is_and_counts_it() {
    in_every_mode(|mode| {
        let queue = SimpleQueue::new().unwrap();
        let fill = |queue: SimpleQueue<usize>| {
            for n in 0..500 {
                assert_eq!(queue.len(), n * 3);
                queue.put(n * 3).unwrap();
                queue.try_put(n * 3 + 1).unwrap();
                queue.put_timeout(n * 3 + 2, SHORT).unwrap();
            }
        };
        mode.start(fill, queue.clone()).join();
        assert!(!queue.is_full() && queue.len() == 1_500);
        let empty = |queue: SimpleQueue<usize>| {
            for n in 0..500 {
                assert_eq!(queue.get().unwrap(), n * 3);
                assert_eq!(queue.try_get().unwrap(), n * 3 + 1);
                assert_eq!(queue.get_timeout(SHORT).unwrap(), n * 3 + 2);
            }
        };
        mode.start(empty, queue.clone()).join();
        assert!(queue.is_empty());
    });
}

/// LQU-21
#[test]
fn one_producer_and_one_consumer_keep_the_order_without_a_bound() {
    in_every_mode(|mode| {
        let queue = SimpleQueue::new().unwrap();
        let produce = |queue: SimpleQueue<u32>| (0..100).for_each(|n| queue.put(n).unwrap());
        let consume =
            |queue: SimpleQueue<u32>| (0..100).for_each(|n| assert_eq!(queue.get().unwrap(), n));
        join_all(vec![mode.start(produce, queue.clone()), mode.start(consume, queue.clone())]);
        assert!(queue.is_empty());
    });
}

/// LQU-23
#[test]
fn consumers_of_a_queue_without_a_bound_lose_and_double_nothing() {
    const ALL: u32 = 1_000;
    type Set = (Producer<u32, SimpleQueue<u32>>, u32);
    type Got = (SimpleQueue<u32>, Queue<Vec<u32>>, Duration);
    in_every_mode(|mode| {
        for patience in [Duration::ZERO, Duration::from_micros(10)] {
            let (queue, results) = (SimpleQueue::new().unwrap(), Queue::bounded(4).unwrap());
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
            let produce =
                |(queue, part): Set| (0..ALL / 4).for_each(|n| queue.put(n * 4 + part).unwrap());
            let producer = queue.producer().unwrap();
            let argument = (queue.clone(), results.clone(), patience);
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
fn a_queue_of_any_order_holds_on_to_nothing_that_was_taken() {
    in_every_mode(|mode| {
        let outer = LifoQueue::bounded(2).unwrap();
        let inner = Queue::<u32>::bounded(1).unwrap();
        outer.put(inner.producer().unwrap()).unwrap();
        assert!(matches!(inner.try_get(), Err(TryGetError::Empty)), "it counts under way");
        let take = |(outer, taken): (LifoQueue<Producer<u32>>, Event)| {
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

/// QUE-13, QUE-14: it still says whether it is empty when it is closed.
#[test]
fn all_parties_agree_on_whether_a_queue_without_a_bound_is_empty() {
    in_every_mode(|mode: Mode| {
        let (queue, answers) = (SimpleQueue::new().unwrap(), SimpleQueue::new().unwrap());
        let look = |(queue, answers): (SimpleQueue<u32>, SimpleQueue<bool>)| {
            answers.put(queue.is_empty()).unwrap();
            while queue.is_empty() {
                std::thread::yield_now();
            }
            answers.put(queue.is_empty()).unwrap();
        };
        assert!(queue.is_empty());
        let party = mode.start(look, (queue.clone(), answers.clone()));
        assert!(answers.get_timeout(LONG).unwrap());
        queue.put(1).unwrap();
        assert!(!answers.get_timeout(LONG).unwrap());
        assert!(!queue.is_empty());
        party.join();
        queue.close();
        queue.close();
        assert_eq!(queue.get().unwrap(), 1);
        assert!(queue.is_empty());
        assert!(matches!(queue.get(), Err(GetError::Closed)));
        assert!(matches!(queue.put(2), Err(PutError::Closed(2))));
    });
}
