#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use brigade_sys::wait::wait;

use super::super::{LifoQueue, PriorityQueue};
use super::*;

const SOON: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(10);

/// LQU-01, LQU-05.
#[test]
fn a_stack_gives_the_last_first_and_refuses_what_it_has_no_room_for() {
    let stack = LifoQueue::bounded(3).unwrap();
    for _twice in 0..2 {
        for n in [111, 333, 222] {
            stack.put(n).unwrap();
        }
        assert!(stack.is_full());
        assert!(matches!(stack.try_put(9), Err(TryPutError::Full(9))));
        assert!(matches!(stack.put_timeout(9, SHORT), Err(PutTimeoutError::TimedOut(9))));
        assert_eq!((stack.get().unwrap(), stack.try_get().unwrap()), (222, 333));
        assert_eq!(stack.get_timeout(SHORT).unwrap(), 111);
        assert!(stack.is_empty());
        assert!(matches!(stack.try_get(), Err(TryGetError::Empty)));
        assert!(matches!(stack.get_timeout(SHORT), Err(GetTimeoutError::TimedOut)));
    }
}

/// LQU-01.
#[test]
fn items_come_by_their_keys_and_equal_ones_as_they_were_put() {
    let queue = PriorityQueue::unbounded().unwrap();
    let mut expected = BinaryHeap::new();
    let mut number = 7_u64;
    for arrival in 0..2_000_u32 {
        number = number.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(11);
        let key = number >> 60;
        queue.put((key, arrival)).unwrap();
        expected.push(Reverse((key, arrival)));
        if number & 3 == 0 {
            assert_eq!(queue.get().unwrap(), expected.pop().unwrap().0);
        }
    }
    assert_eq!(queue.len(), expected.len());
    while let Some(Reverse(item)) = expected.pop() {
        assert_eq!(queue.get().unwrap(), item);
    }
    assert!(queue.is_empty());
}

#[test]
fn keys_and_values_may_have_any_length() {
    let queue = PriorityQueue::bounded(1_000).unwrap();
    let lengths = [0, 1, 20, 55, 56, 57, 63, 64, 65, 100, 5_000];
    let key = |length: usize| "k".repeat(length);
    for value in lengths {
        for length in lengths.iter().rev() {
            queue.put((key(*length), vec![7_u8; value])).unwrap();
        }
    }
    for length in lengths {
        for value in lengths {
            assert_eq!(queue.get().unwrap(), (key(length), vec![7; value]));
        }
    }
}

#[test]
fn many_putters_and_getters_lose_and_double_nothing() {
    let queue = LifoQueue::bounded(16).unwrap();
    let (count, sum) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for part in 0..4_u32 {
            let producer = queue.producer().unwrap();
            scope.spawn(move || {
                for n in 0..2_000 {
                    producer.put(part * 2_000 + n).unwrap();
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
    assert_eq!(count.load(Relaxed), 8_000);
    assert_eq!(sum.load(Relaxed), (0..8_000).fold(0, |all, n| all ^ n));
}

/// LQU-07, LQU-08, LQU-10.
#[test]
fn a_closed_queue_gives_what_it_has_and_one_that_is_shut_down_nothing() {
    let queue = LifoQueue::bounded(3).unwrap();
    (0..3).for_each(|n| queue.put(n).unwrap());
    queue.close();
    assert!(matches!(queue.put(9), Err(PutError::Closed(9))));
    assert!(matches!(queue.try_put(9), Err(TryPutError::Closed(9))));
    assert_eq!(queue.get().unwrap(), 2);
    queue.shutdown_now();
    assert!(queue.is_empty() && queue.is_closed());
    for _ in 0..2 {
        assert!(matches!(queue.get(), Err(GetError::Closed)));
        assert!(matches!(queue.try_get(), Err(TryGetError::Closed)));
        queue.close();
    }
    assert_eq!(queue.len(), 0);
}

/// LQU-14, LQU-16.
#[test]
fn an_end_wakes_everyone_who_waits() {
    for round in 0..20 {
        let (empty, full) = (LifoQueue::<u32>::bounded(1).unwrap(), LifoQueue::bounded(1).unwrap());
        full.put(0).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| assert!(matches!(empty.get(), Err(GetError::Closed))));
                scope.spawn(|| assert!(matches!(full.put(1), Err(PutError::Closed(1)))));
            }
            for queue in [&empty, &full] {
                if round % 2 == 0 { queue.close() } else { queue.shutdown_now() }
            }
        });
    }
}

#[test]
fn a_queue_ends_with_its_producers_and_refuses_without_consumers() {
    let queue = LifoQueue::<u32>::bounded(2).unwrap();
    let producer = queue.producer().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(matches!(queue.get(), Err(GetError::Closed))));
        drop(producer);
    });
    let _again = queue.producer().unwrap();
    assert!(matches!(queue.try_get(), Err(TryGetError::Empty)));
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    let consumer = queue.consumer().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(matches!(queue.put(3), Err(PutError::Closed(3)))));
        drop(consumer);
    });
}

#[test]
fn a_handle_is_read_as_what_it_is_of() {
    let stack = LifoQueue::<u32>::bounded(2).unwrap();
    stack.put(7).unwrap();
    let bytes = brigade_codec::encode(&stack).unwrap();
    assert!(brigade_codec::decode::<PriorityQueue<u32, u32>>(&bytes).is_err());
    let again: LifoQueue<u32> = brigade_codec::decode(&bytes).unwrap();
    assert_eq!(again.get().unwrap(), 7);
}

#[test]
fn queues_of_all_orders_can_be_waited_for_together() {
    let stack = LifoQueue::<u32>::bounded(2).unwrap();
    let ranks = PriorityQueue::<u32, u32>::bounded(2).unwrap();
    let all: [&dyn Waitable; 2] = [&stack, &ranks];
    assert!(wait(&all, Deadline::after(SHORT)).is_empty());
    for round in 0..40 {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                if round % 2 == 0 { stack.put(1).unwrap() } else { ranks.put((1, 1)).unwrap() }
            });
            assert_eq!(wait(&all, Deadline::after(SOON)), [round % 2]);
            if round % 2 == 0 {
                stack.get().unwrap()
            } else {
                ranks.get().unwrap().1
            };
        });
    }
}

/// What a comparison may do to us: nothing that lasts.
#[test]
fn a_key_that_cannot_be_compared_leaves_the_queue_as_it_was() {
    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct Moody(u32);
    impl PartialOrd for Moody {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for Moody {
        fn cmp(&self, other: &Self) -> std::cmp::Ordering {
            assert!(self.0 < 100 && other.0 < 100, "not in the mood");
            self.0.cmp(&other.0)
        }
    }
    let queue = PriorityQueue::bounded(10).unwrap();
    for n in [5, 3, 8, 1] {
        queue.put((Moody(n), vec![0_u8; 200])).unwrap();
    }
    let put = std::panic::AssertUnwindSafe(|| queue.put((Moody(100), vec![0_u8; 200])));
    assert!(std::panic::catch_unwind(put).is_err());
    assert_eq!(queue.len(), 4);
    for n in [1, 3, 5, 8] {
        assert_eq!(queue.get().unwrap().0, Moody(n));
    }
    assert!(matches!(queue.try_get(), Err(TryGetError::Empty)));
}
