//! The asynchronous forms of what takes turns and of the queues that are ordered or answered for.
#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Waker};
use std::time::Duration;

use brigade_shm::sync::TryLockError;
use brigade_shm::testing::{Ended, alone, start};
use brigade_shm::{
    Barrier, Broadcast, BrokenBarrier, Condition, JoinableQueue, LeasedQueue, Lock, OwnerDied,
    PriorityQueue, Queue, RLock, RwLock,
};
use brigade_sys::reactor::block_on;

const ROUNDS: u32 = 30;
const SOON: Duration = Duration::from_secs(10);

/// Polls a future that must not be done yet, once.
fn begin<F: Future>(future: Pin<&mut F>) {
    assert!(future.poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

fn park() {
    loop {
        std::thread::park();
    }
}

#[test]
fn tasks_of_two_processes_count_under_a_lock_and_lose_nothing() {
    let _alone = alone();
    let (lock, rlock) = (Lock::new(0_u32).unwrap(), RLock::new(0_u32).unwrap());
    let count = || {
        block_on(async {
            for _ in 0..ROUNDS {
                *lock.lock_async().await.unwrap() += 1;
                let outer = rlock.lock_async().await.unwrap();
                let inner = rlock.lock_async().await.unwrap();
                let now = inner.get() + 1;
                inner.set(now);
                drop(inner);
                outer.set(now);
            }
        });
    };
    let other = start(count);
    count();
    assert_eq!(other.join(), Ended::Code(0));
    assert_eq!((*lock.lock().unwrap(), rlock.lock().unwrap().get()), (2 * ROUNDS, 2 * ROUNDS));
}

#[test]
fn a_task_that_waits_gets_the_lock_of_a_killed_holder_and_is_told() {
    let _alone = alone();
    for _ in 0..10 {
        let (lock, held) = (Lock::new(0_u32).unwrap(), Queue::bounded(1).unwrap());
        let holder = start(|| {
            let _guard = lock.lock().unwrap();
            held.put(()).unwrap();
            park();
        });
        held.get().unwrap();
        let mut wait = pin!(lock.lock_async());
        begin(wait.as_mut());
        holder.kill();
        let died = block_on(wait).unwrap_err();
        assert_eq!(*died.recover(), 0);
    }
}

#[test]
fn a_task_that_waits_to_write_goes_before_readers_that_come_later_and_lets_them_in_if_dropped() {
    let _alone = alone();
    let lock = RwLock::new(0_u32).unwrap();
    for _ in 0..ROUNDS {
        let reader = lock.read().unwrap();
        let mut write = Box::pin(lock.write_async());
        begin(write.as_mut());
        // Another thread: this one has the gate.
        let refused = || matches!(lock.try_read(), Err(TryLockError::Locked));
        std::thread::scope(|scope| assert!(scope.spawn(refused).join().unwrap()));
        drop(write);
        assert!(lock.try_read().is_ok());
        let mut write = Box::pin(lock.write_async());
        begin(write.as_mut());
        std::thread::scope(|scope| {
            scope.spawn(|| drop(reader));
        });
        *block_on(write).unwrap() += 1;
    }
    assert_eq!(*block_on(lock.read_async()).unwrap(), ROUNDS);
}

#[test]
fn a_task_that_waits_to_write_does_not_wait_for_a_killed_reader() {
    let _alone = alone();
    for _ in 0..10 {
        let (lock, inside) = (RwLock::new(0_u32).unwrap(), Queue::bounded(1).unwrap());
        let reader = start(|| {
            let _guard = lock.read().unwrap();
            inside.put(()).unwrap();
            park();
        });
        inside.get().unwrap();
        let mut write = pin!(lock.write_async());
        begin(write.as_mut());
        reader.kill();
        *block_on(write).unwrap() += 1;
    }
}

#[test]
fn tasks_of_two_processes_hand_a_turn_to_each_other() {
    let _alone = alone();
    let (turn, changed) = (Lock::new(0_u32).unwrap(), Condition::new().unwrap());
    let take_turns = |mine: u32| {
        block_on(async {
            for _ in 0..ROUNDS {
                let guard = turn.lock_async().await.unwrap();
                let guard = changed.wait_while_async(guard, |turn| **turn % 2 != mine).await;
                *guard.unwrap() += 1;
                changed.notify_one();
            }
        });
    };
    let other = start(|| take_turns(1));
    take_turns(0);
    assert_eq!(other.join(), Ended::Code(0));
    assert_eq!(*turn.lock().unwrap(), 2 * ROUNDS);
}

#[test]
fn a_notification_that_comes_to_a_dropped_task_reaches_another() {
    let _alone = alone();
    for _ in 0..ROUNDS {
        let (lock, condition) = (RLock::new(()).unwrap(), Condition::new().unwrap());
        let mut first = Box::pin(condition.wait_async(lock.lock().unwrap()));
        begin(first.as_mut());
        let mut second = Box::pin(condition.wait_async(lock.lock().unwrap()));
        begin(second.as_mut());
        assert_eq!(condition.waiting(), 2);
        assert!(condition.notify_one());
        drop(first);
        assert!(block_on(second).is_ok());
        assert_eq!(condition.waiting(), 0);
        // One that was not notified takes nothing along.
        let mut third = Box::pin(condition.wait_async(lock.lock().unwrap()));
        begin(third.as_mut());
        drop(third);
        assert!(!condition.notify_one());
    }
}

#[test]
fn tasks_pass_a_barrier_round_by_round_and_one_that_is_dropped_breaks_it() {
    let _alone = alone();
    let barrier = Barrier::new(2).unwrap();
    let pass = || block_on(async { for_rounds(&barrier).await });
    let other = start(pass);
    pass();
    assert_eq!(other.join(), Ended::Code(0));
    let mut wait = Box::pin(barrier.wait_async());
    begin(wait.as_mut());
    assert_eq!(barrier.waiting(), 1);
    drop(wait);
    assert!(barrier.try_wait().is_err() && barrier.is_broken());
    barrier.reset();
    let mut wait = Box::pin(barrier.wait_async());
    begin(wait.as_mut());
    barrier.abort();
    assert_eq!(block_on(wait).unwrap_err(), BrokenBarrier::Aborted);
}

async fn for_rounds(barrier: &Barrier) {
    for _ in 0..ROUNDS {
        barrier.wait_async().await.unwrap();
    }
}

#[test]
fn a_task_at_a_barrier_hears_of_a_killed_party() {
    let _alone = alone();
    for _ in 0..10 {
        let barrier = Barrier::new(3).unwrap();
        let party = start(|| {
            let _ = barrier.wait();
        });
        let mut wait = pin!(barrier.wait_async());
        begin(wait.as_mut());
        while barrier.waiting() < 2 {
            std::thread::yield_now();
        }
        party.kill();
        assert_eq!(block_on(wait).unwrap_err(), BrokenBarrier::Died);
    }
}

#[test]
fn every_subscriber_gets_what_a_task_of_another_process_puts() {
    let _alone = alone();
    let news = Broadcast::new(2).unwrap();
    let subscribers = [news.subscribe().unwrap(), news.subscribe().unwrap()];
    let publisher = start(|| {
        block_on(async {
            for n in 0..ROUNDS {
                news.put_async(n).await.unwrap();
            }
        });
    });
    block_on(async {
        for n in 0..ROUNDS {
            for subscriber in &subscribers {
                assert_eq!(subscriber.get_async().await.unwrap(), n);
            }
        }
    });
    assert_eq!(publisher.join(), Ended::Code(0));
}

#[test]
fn an_ordered_queue_between_tasks_is_waited_for_by_either_side() {
    let _alone = alone();
    let queue = PriorityQueue::<u32, u32>::bounded(1).unwrap();
    let other = start(|| {
        block_on(async {
            for n in 0..ROUNDS {
                queue.put_async((n, n)).await.unwrap();
            }
        });
    });
    block_on(async {
        for n in 0..ROUNDS {
            assert_eq!(queue.get_async().await.unwrap(), (n, n));
        }
    });
    assert_eq!(other.join(), Ended::Code(0));
    queue.close();
    assert!(block_on(queue.get_async()).is_err());
}

#[test]
fn what_was_lent_to_a_killed_process_comes_to_a_task_that_waits() {
    let _alone = alone();
    for _ in 0..10 {
        let (jobs, taken) = (LeasedQueue::bounded(1).unwrap(), Queue::bounded(1).unwrap());
        jobs.put(7_u32).unwrap();
        let worker = start(|| {
            let _lease = jobs.lease().unwrap();
            taken.put(()).unwrap();
            park();
        });
        taken.get().unwrap();
        let mut lease = pin!(jobs.lease_async());
        begin(lease.as_mut());
        worker.kill();
        let lease = block_on(lease).unwrap();
        assert_eq!((*lease, lease.delivery_count()), (7, 2));
        lease.ack().unwrap();
    }
}

#[test]
fn a_task_that_joins_hears_of_the_last_answer() {
    let _alone = alone();
    for _ in 0..ROUNDS {
        let tasks = JoinableQueue::bounded(2).unwrap();
        tasks.put(1_u32).unwrap();
        let mut join = pin!(tasks.join_async());
        begin(join.as_mut());
        let worker = start(|| {
            tasks.get_timeout(SOON).unwrap();
            tasks.task_done().unwrap();
        });
        block_on(join).unwrap();
        assert_eq!(worker.join(), Ended::Code(0));
    }
}

#[test]
fn a_dropped_task_has_taken_neither_a_lock_nor_a_value() {
    let _alone = alone();
    let (lock, queue) = (Lock::new(()).unwrap(), LeasedQueue::bounded(1).unwrap());
    let guard = lock.lock().unwrap();
    let mut wait = Box::pin(lock.lock_async());
    begin(wait.as_mut());
    let mut get = Box::pin(queue.get_async());
    begin(get.as_mut());
    drop(guard);
    queue.put(1_u32).unwrap();
    drop((wait, get));
    assert!(!lock.is_locked());
    assert_eq!(queue.try_get().unwrap(), 1);
    let free = lock.lock().unwrap_or_else(OwnerDied::recover);
    drop(free);
}
