//! How queues end, for those who use them and those who wait (QUE, LQU).

use brigade::queue::{GetTimeoutError, PutError, PutTimeoutError, TryGetError, TryPutError};
use brigade::{GetError, Queue};

use brigade_tests::stage::{LONG, here, in_every_mode, join_all, until_asleep};

fn refuses_everything(queue: &Queue<u32>) {
    assert!(matches!(queue.put(7), Err(PutError::Closed(7))));
    assert!(matches!(queue.try_put(7), Err(TryPutError::Closed(7))));
    assert!(matches!(queue.put_timeout(7, LONG), Err(PutTimeoutError::Closed(7))));
    assert!(matches!(queue.get(), Err(GetError::Closed)));
    assert!(matches!(queue.try_get(), Err(TryGetError::Closed)));
    assert!(matches!(queue.get_timeout(LONG), Err(GetTimeoutError::Closed)));
    assert_eq!(queue.iter().next(), None);
}

/// QUE-10, QUE-14, LQU-07, LQU-10 and LQU-11 (the graceful kind). QUE-09: a closed queue still says
/// what is in it, since it can still be emptied.
#[test]
fn a_queue_that_one_has_closed_is_closed_for_all_and_may_be_closed_again() {
    in_every_mode(|mode| {
        let queue = Queue::bounded(2).unwrap();
        assert!(!queue.is_closed());
        let close = |queue: Queue<u32>| {
            queue.put(1).unwrap();
            assert_eq!(queue.get().unwrap(), 1);
            queue.close();
            queue.close();
            refuses_everything(&queue);
        };
        mode.start(close, queue.clone()).join();
        assert!(queue.is_closed() && queue.is_empty() && !queue.is_full());
        refuses_everything(&queue);
        queue.close();
        refuses_everything(&queue);
    });
}

/// LQU-08
#[test]
fn what_was_put_before_the_end_can_still_be_taken_by_anyone() {
    in_every_mode(|mode| {
        let queue = Queue::bounded(4).unwrap();
        let put = |queue: Queue<u32>| {
            (0..4).for_each(|n| queue.put(n).unwrap());
            queue.close();
        };
        mode.start(put, queue.clone()).join();
        assert_eq!(queue.len(), 4);
        assert!(matches!(queue.try_put(9), Err(TryPutError::Closed(9))));
        assert_eq!((queue.get().unwrap(), queue.try_get().unwrap()), (0, 1));
        let take = |queue: Queue<u32>| assert_eq!(queue.iter().collect::<Vec<_>>(), [2, 3]);
        mode.start(take, queue.clone()).join();
        refuses_everything(&queue);
    });
}

type Posts = (Queue<u32>, Queue<String>, Queue<Option<u32>>);

/// LQU-13
#[test]
fn two_items_and_three_getters_make_two_items_and_one_end() {
    in_every_mode(|mode| {
        for round in 0..mode.rounds() {
            let queue = Queue::bounded(2).unwrap();
            let (waiting, got) = (Queue::bounded(3).unwrap(), Queue::bounded(3).unwrap());
            let get = |(queue, waiting, got): Posts| {
                waiting.put(here()).unwrap();
                got.put(queue.get().ok()).unwrap();
            };
            let posts: Posts = (queue.clone(), waiting.clone(), got.clone());
            let getters = mode.start_many(3, get, &posts);
            for _ in 0..3 {
                let place = waiting.get_timeout(LONG).unwrap();
                // In half of the rounds the end meets them before they wait.
                if round % 2 == 0 {
                    until_asleep(&place);
                }
            }
            queue.put(1).unwrap();
            queue.put(2).unwrap();
            queue.close();
            let mut all: Vec<_> = (0..3).map(|_| got.get_timeout(LONG).unwrap()).collect();
            all.sort();
            assert_eq!(all, [None, Some(1), Some(2)]);
            join_all(getters);
        }
    });
}

/// LQU-14
#[test]
fn those_who_wait_to_put_are_turned_away_by_the_end_however_it_meets_them() {
    in_every_mode(|mode| {
        for round in 0..mode.rounds() {
            let queue = Queue::bounded(1).unwrap();
            let (waiting, got) = (Queue::bounded(3).unwrap(), Queue::bounded(3).unwrap());
            queue.put(0).unwrap();
            let put = |(queue, waiting, got): Posts| {
                waiting.put(here()).unwrap();
                match queue.put(5) {
                    Err(PutError::Closed(value)) => got.put(Some(value)).unwrap(),
                    other => panic!("{other:?}"),
                }
            };
            let posts: Posts = (queue.clone(), waiting.clone(), got.clone());
            let putters = mode.start_many(3, put, &posts);
            for _ in 0..3 {
                let place = waiting.get_timeout(LONG).unwrap();
                if round % 2 == 0 {
                    until_asleep(&place);
                }
            }
            queue.close();
            for _ in 0..3 {
                assert_eq!(got.get_timeout(LONG).unwrap(), Some(5));
            }
            join_all(putters);
            assert_eq!(queue.get().unwrap(), 0);
            assert!(matches!(queue.get(), Err(GetError::Closed)));
        }
    });
}

/// LQU-17, without acknowledgments
#[test]
fn consumers_of_the_last_items_end_with_the_queue_and_without_an_error() {
    in_every_mode(|mode| {
        for _ in 0..mode.rounds() {
            let queue = Queue::bounded(2).unwrap();
            let (waiting, got) = (Queue::bounded(2).unwrap(), Queue::bounded(2).unwrap());
            let consume = |(queue, waiting, got): Posts| {
                waiting.put(here()).unwrap();
                for item in queue.iter() {
                    got.put(Some(item)).unwrap();
                }
            };
            let posts: Posts = (queue.clone(), waiting.clone(), got.clone());
            let consumers = mode.start_many(2, consume, &posts);
            queue.put(1).unwrap();
            queue.put(1).unwrap();
            let closer = mode.start(|queue: Queue<u32>| queue.close(), queue.clone());
            assert_eq!(got.get_timeout(LONG).unwrap(), Some(1));
            assert_eq!(got.get_timeout(LONG).unwrap(), Some(1));
            closer.join();
            join_all(consumers);
        }
    });
}

/// LQU-07, LQU-09, LQU-10 and LQU-11 (the immediate kind)
#[test]
fn an_immediate_end_destroys_what_is_there_and_no_other_end_brings_it_back() {
    in_every_mode(|mode| {
        let queue = Queue::bounded(2).unwrap();
        queue.put(1).unwrap();
        let end = |queue: Queue<u32>| {
            queue.close();
            assert_eq!(queue.len(), 1);
            queue.shutdown_now();
            refuses_everything(&queue);
            queue.close();
            queue.shutdown_now();
        };
        mode.start(end, queue.clone()).join();
        assert!(queue.is_closed() && queue.is_empty() && !queue.is_full());
        refuses_everything(&queue);
    });
}

/// LQU-13, the immediate kind
#[test]
fn two_getters_both_hear_of_an_immediate_end() {
    in_every_mode(|mode| {
        for round in 0..mode.rounds() {
            let queue = Queue::bounded(2).unwrap();
            let (waiting, got) = (Queue::bounded(2).unwrap(), Queue::bounded(2).unwrap());
            let get = |(queue, waiting, got): Posts| {
                waiting.put(here()).unwrap();
                assert!(matches!(queue.get(), Err(GetError::Closed)));
                got.put(None).unwrap();
            };
            let posts: Posts = (queue.clone(), waiting.clone(), got.clone());
            let getters = mode.start_many(2, get, &posts);
            for _ in 0..2 {
                let place = waiting.get_timeout(LONG).unwrap();
                if round % 2 == 0 {
                    until_asleep(&place);
                }
            }
            queue.shutdown_now();
            for _ in 0..2 {
                assert_eq!(got.get_timeout(LONG).unwrap(), None);
            }
            join_all(getters);
        }
    });
}

/// LQU-14, the immediate kind
#[test]
fn those_who_wait_to_put_are_turned_away_by_an_immediate_end() {
    in_every_mode(|mode| {
        for round in 0..mode.rounds() {
            let queue = Queue::bounded(1).unwrap();
            let (waiting, got) = (Queue::bounded(3).unwrap(), Queue::bounded(3).unwrap());
            queue.put(0).unwrap();
            let put = |(queue, waiting, got): Posts| {
                waiting.put(here()).unwrap();
                match queue.put(5) {
                    Err(PutError::Closed(value)) => got.put(Some(value)).unwrap(),
                    other => panic!("{other:?}"),
                }
            };
            let posts: Posts = (queue.clone(), waiting.clone(), got.clone());
            let putters = mode.start_many(3, put, &posts);
            for _ in 0..3 {
                let place = waiting.get_timeout(LONG).unwrap();
                if round % 2 == 0 {
                    until_asleep(&place);
                }
            }
            queue.shutdown_now();
            for _ in 0..3 {
                assert_eq!(got.get_timeout(LONG).unwrap(), Some(5));
            }
            join_all(putters);
            refuses_everything(&queue);
        }
    });
}
