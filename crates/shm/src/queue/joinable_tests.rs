#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use super::super::{GetError, TryGetError};
use super::*;

const SOON: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(10);

/// LQU-02, LQU-03.
#[test]
fn what_is_taken_is_not_done_before_it_is_said_to_be() {
    let queue = JoinableQueue::bounded(4).unwrap();
    queue.join().unwrap();
    assert!(matches!(queue.task_done(), Err(TaskDoneError::NothingTaken)));
    queue.put(1).unwrap();
    assert!(matches!(queue.task_done(), Err(TaskDoneError::NothingTaken)));
    queue.put(2).unwrap();
    assert_eq!((queue.get().unwrap(), queue.get().unwrap()), (1, 2));
    assert_eq!((queue.len(), queue.unfinished()), (0, 2));
    assert!(!queue.join_timeout(SHORT).unwrap());
    queue.task_done().unwrap();
    assert!(!queue.join_timeout(SHORT).unwrap());
    queue.task_done().unwrap();
    queue.join().unwrap();
    queue.join().unwrap();
    assert!(matches!(queue.task_done(), Err(TaskDoneError::NothingTaken)));
}

/// LQU-03, QUE-05.
#[test]
fn join_returns_when_all_of_it_is_done() {
    let queue = JoinableQueue::bounded(8).unwrap();
    let sum = crate::Value::new(0_u64).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for n in queue.iter() {
                    sum.update(|sum| *sum += n);
                    queue.task_done().unwrap();
                }
            });
        }
        for round in 1..=20 {
            (0..100).for_each(|n| queue.put(n).unwrap());
            queue.join().unwrap();
            assert_eq!(sum.get(), round * 4_950);
        }
        queue.close();
    });
    assert!(queue.join_timeout(SOON).unwrap());
}

/// LQU-15, LQU-16, ASY-19.
#[test]
fn a_graceful_end_changes_nothing_for_who_joins_and_an_immediate_one_lets_go_of_what_waits() {
    for round in 0..20 {
        let queue = JoinableQueue::bounded(2).unwrap();
        queue.put(1).unwrap();
        queue.put(2).unwrap();
        assert_eq!(queue.get().unwrap(), 1);
        std::thread::scope(|scope| {
            let joiners = [(); 2].map(|()| scope.spawn(|| queue.join().unwrap()));
            if round % 2 == 0 {
                queue.close();
                assert!(!queue.join_timeout(SHORT).unwrap());
                assert_eq!(queue.get().unwrap(), 2);
                queue.task_done().unwrap();
            } else {
                queue.shutdown_now();
                assert_eq!(queue.unfinished(), 1);
                assert!(!queue.join_timeout(SHORT).unwrap());
            }
            assert!(matches!(queue.get(), Err(GetError::Closed)));
            assert!(matches!(queue.try_get(), Err(TryGetError::Closed)));
            queue.task_done().unwrap();
            joiners.into_iter().for_each(|joiner| joiner.join().unwrap());
        });
        assert!(matches!(queue.task_done(), Err(TaskDoneError::NothingTaken)));
    }
}

/// LQU-09, LQU-11.
#[test]
fn an_immediate_end_of_what_nobody_has_taken_ends_every_join() {
    for _ in 0..20 {
        let queue = JoinableQueue::bounded(2).unwrap();
        queue.put(1).unwrap();
        std::thread::scope(|scope| {
            let joiners = [(); 2].map(|()| scope.spawn(|| queue.join().unwrap()));
            queue.shutdown_now();
            joiners.into_iter().for_each(|joiner| joiner.join().unwrap());
        });
        assert!(matches!(queue.task_done(), Err(TaskDoneError::NothingTaken)));
    }
}
