#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use super::super::{DelayQueue, LifoQueue, PriorityQueue, TryPutError};
use super::*;

const SHORT: Duration = Duration::from_millis(10);

#[test]
fn a_lent_value_is_nobody_elses_until_it_is_answered() {
    let queue = LeasedQueue::bounded(2).unwrap();
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    let first = queue.lease().unwrap();
    // What is lent does not count against the capacity.
    queue.put(3).unwrap();
    assert!(matches!(queue.try_put(4), Err(TryPutError::Full(4))));
    let second = queue.lease_timeout(SHORT).unwrap();
    assert_eq!((*first, *second, queue.len()), (1, 2, 1));
    // Given back, it comes before what was put after it.
    first.requeue().unwrap();
    assert_eq!((queue.len(), queue.get().unwrap()), (2, 1));
    second.ack().unwrap();
    assert_eq!(queue.get().unwrap(), 3);
    assert!(matches!(queue.try_lease(), Err(TryGetError::Empty)));
    assert!(matches!(queue.lease_timeout(SHORT), Err(GetTimeoutError::TimedOut)));
}

#[test]
fn a_value_that_comes_back_too_often_is_given_up_and_one_that_is_rejected_at_once() {
    let queue = LeasedQueue::bounded(4).unwrap().max_deliveries(3).unwrap();
    queue.put("often".to_owned()).unwrap();
    for count in 1..=3 {
        assert!(queue.dead_letters().is_empty());
        let lease = queue.lease().unwrap();
        assert_eq!((lease.as_str(), lease.delivery_count()), ("often", count));
    }
    queue.put("never".to_owned()).unwrap();
    queue.lease().unwrap().reject().unwrap();
    let dead = queue.dead_letters();
    assert_eq!((queue.len(), dead.len()), (0, 2));
    assert_eq!(dead.get().unwrap(), "often");
    assert_eq!(dead.get_timeout(SHORT).unwrap(), "never");
    assert!(matches!(dead.try_get(), Err(TryGetError::Empty)));
    assert!(matches!(dead.get_timeout(SHORT), Err(GetTimeoutError::TimedOut)));
    queue.close();
    assert!(matches!(dead.get(), Err(GetError::Closed)));
    assert!(LeasedQueue::<u32>::bounded(1).unwrap().max_deliveries(0).is_err());
}

#[test]
fn dead_letters_are_waited_for_and_end_with_the_last_lease() {
    for _ in 0..20 {
        let queue = LeasedQueue::bounded(4).unwrap();
        let producer = queue.producer().unwrap();
        producer.put(1).unwrap();
        producer.put(2).unwrap();
        std::thread::scope(|scope| {
            let dead = scope.spawn(|| queue.dead_letters().iter().collect::<Vec<_>>());
            let (one, two) = (queue.lease().unwrap(), queue.lease().unwrap());
            one.reject().unwrap();
            drop(producer);
            two.ack().unwrap();
            assert_eq!(dead.join().unwrap(), [1]);
        });
    }
}

#[test]
fn leases_of_every_order_come_back_to_their_place() {
    let stack = LifoQueue::bounded(3).unwrap();
    (1..=3).for_each(|n| stack.put(n).unwrap());
    drop((stack.lease().unwrap(), stack.lease().unwrap()));
    assert_eq!(stack.iter().take(3).collect::<Vec<_>>(), [3, 2, 1]);

    let ranks = PriorityQueue::bounded(3).unwrap();
    (1..=3).for_each(|n| ranks.put((n, 'x')).unwrap());
    drop((ranks.lease().unwrap(), ranks.lease().unwrap()));
    assert_eq!(ranks.iter().take(3).map(|(key, _)| key).collect::<Vec<_>>(), [1, 2, 3]);

    let timed = DelayQueue::bounded(3).unwrap();
    (1..=3).for_each(|n| timed.put(n).unwrap());
    drop(timed.lease().unwrap());
    assert_eq!(timed.iter().take(3).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn an_immediate_end_leaves_what_is_lent_to_who_has_it() {
    let queue = LeasedQueue::bounded(4).unwrap();
    (0..4).for_each(|n| queue.put(vec![n; 300]).unwrap());
    let (kept, returned, rejected) =
        (queue.lease().unwrap(), queue.lease().unwrap(), queue.lease().unwrap());
    queue.shutdown_now();
    assert!(matches!(queue.lease(), Err(GetError::Closed)));
    kept.ack().unwrap();
    returned.requeue().unwrap();
    assert!(queue.is_empty());
    assert!(matches!(queue.try_get(), Err(TryGetError::Closed)));
    rejected.reject().unwrap();
    assert_eq!(queue.dead_letters().get().unwrap(), [2; 300]);
}

#[test]
fn a_value_that_cannot_be_read_is_given_up_and_not_lent_again() {
    let queue = LeasedQueue::<u8>::bounded(4).unwrap();
    queue.put(7).unwrap();
    let bytes = brigade_codec::encode(&queue).unwrap();
    let other: LeasedQueue<String> = brigade_codec::decode(&bytes).unwrap();
    assert!(matches!(other.try_lease(), Err(TryGetError::Failed(_))));
    assert!(matches!(other.try_lease(), Err(TryGetError::Empty)));
    assert_eq!(queue.dead_letters().get().unwrap(), 7);
}
