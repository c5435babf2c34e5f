//! Queues whose values are answered for (LQU, QUE), and what becomes of them when nobody can (W9).

use std::time::Duration;

use brigade::queue::{GetTimeoutError, TaskDoneError, TryGetError, TryPutError};
use brigade::{
    Event, ExitStatus, GetError, JoinableQueue, LeasedQueue, Process, ProcessBuilder, Queue,
    StartMethod, Value,
};

use brigade_tests::stage::{
    LONG, SHORT, here, in_every_mode, in_processes, join_all, until_asleep,
};

fn by(method: StartMethod) -> ProcessBuilder {
    Process::builder().method(method).dies_with_parent()
}

/// LQU-02
#[test]
fn one_who_has_taken_nothing_has_nothing_to_call_done() {
    in_every_mode(|mode| {
        let queue = JoinableQueue::bounded(2).unwrap();
        let call = |queue: JoinableQueue<u32>| {
            assert!(matches!(queue.task_done(), Err(TaskDoneError::NothingTaken)));
            queue.put(1).unwrap();
            assert!(matches!(queue.task_done(), Err(TaskDoneError::NothingTaken)));
            assert_eq!(queue.get().unwrap(), 1);
            queue.task_done().unwrap();
            assert!(matches!(queue.task_done(), Err(TaskDoneError::NothingTaken)));
        };
        mode.start(call, queue.clone()).join();
        queue.join().unwrap();
    });
}

/// LQU-03, QUE-05
#[test]
fn join_returns_when_every_task_is_done_and_as_often_as_one_likes() {
    type Work = (JoinableQueue<Option<u64>>, Value<u64>);
    in_every_mode(|mode| {
        for workers in [2, 4] {
            let (queue, sum) = (JoinableQueue::unbounded().unwrap(), Value::new(0).unwrap());
            let work = |(queue, sum): Work| {
                for task in queue.iter() {
                    if let Some(n) = task {
                        std::thread::yield_now();
                        sum.fetch_add(n);
                    }
                    queue.task_done().unwrap();
                    if task.is_none() {
                        break;
                    }
                }
            };
            let parties = mode.start_many(workers, work, &(queue.clone(), sum.clone()));
            (0..100).for_each(|n| queue.put(Some(n)).unwrap());
            queue.join().unwrap();
            assert_eq!(sum.get(), 4_950);
            // A mark for each ends them, in Python's way.
            (0..workers).for_each(|_| queue.put(None).unwrap());
            queue.join().unwrap();
            join_all(parties);
            assert!(matches!(queue.task_done(), Err(TaskDoneError::NothingTaken)));
            queue.join().unwrap();
        }
    });
}

/// QUE-12
#[test]
fn all_parties_agree_on_how_full_a_joinable_queue_is() {
    in_every_mode(|mode| {
        let queue = JoinableQueue::bounded(2).unwrap();
        queue.put(1).unwrap();
        queue.put(2).unwrap();
        assert!(queue.is_full() && matches!(queue.try_put(3), Err(TryPutError::Full(3))));
        let empty = |queue: JoinableQueue<u32>| {
            assert_eq!((queue.len(), queue.is_full(), queue.unfinished()), (2, true, 2));
            assert_eq!((queue.get().unwrap(), queue.get().unwrap()), (1, 2));
            assert_eq!((queue.len(), queue.is_empty(), queue.unfinished()), (0, true, 2));
            queue.task_done().unwrap();
            queue.task_done().unwrap();
        };
        mode.start(empty, queue.clone()).join();
        assert_eq!((queue.len(), queue.is_empty(), queue.unfinished()), (0, true, 0));
    });
}

/// LQU-11, LQU-15
#[test]
fn joiners_wait_for_what_is_taken_at_either_end_and_for_what_waits_at_a_graceful_one() {
    type Posts = (JoinableQueue<u32>, Queue<String>);
    in_every_mode(|mode| {
        for round in 0..mode.rounds() {
            let (queue, waiting) = (JoinableQueue::bounded(2).unwrap(), Queue::bounded(2).unwrap());
            queue.put(1).unwrap();
            let join = |(queue, waiting): Posts| {
                waiting.put(here()).unwrap();
                queue.join().unwrap();
            };
            let joiners = mode.start_many(2, join, &(queue.clone(), waiting.clone()));
            for _ in 0..2 {
                until_asleep(&waiting.get_timeout(LONG).unwrap());
            }
            match round % 3 {
                0 => {
                    queue.close();
                    assert_eq!(queue.unfinished(), 1);
                    assert_eq!(queue.get().unwrap(), 1);
                    queue.task_done().unwrap();
                }
                1 => queue.shutdown_now(),
                _ => {
                    assert_eq!(queue.get().unwrap(), 1);
                    queue.shutdown_now();
                    assert!(!queue.join_timeout(Duration::from_millis(1)).unwrap());
                    queue.task_done().unwrap();
                }
            }
            join_all(joiners);
            assert!(matches!(queue.get(), Err(GetError::Closed)));
            assert!(matches!(queue.task_done(), Err(TaskDoneError::NothingTaken)));
            queue.join().unwrap();
        }
    });
}

/// LQU-16
#[test]
fn one_who_waits_to_put_is_turned_away_and_one_who_joins_hears_of_the_last_task() {
    type Posts = (JoinableQueue<u32>, Queue<String>);
    in_every_mode(|mode| {
        for round in 0..mode.rounds() {
            let (queue, waiting) = (JoinableQueue::bounded(1).unwrap(), Queue::bounded(2).unwrap());
            queue.put(1).unwrap();
            let posts = (queue.clone(), waiting.clone());
            let put = |(queue, waiting): Posts| {
                waiting.put(here()).unwrap();
                assert!(queue.put(2).is_err());
            };
            let join = |(queue, waiting): Posts| {
                waiting.put(here()).unwrap();
                queue.join().unwrap();
            };
            let parties = vec![mode.start(put, posts.clone()), mode.start(join, posts)];
            for _ in 0..2 {
                until_asleep(&waiting.get_timeout(LONG).unwrap());
            }
            if round % 2 == 0 {
                queue.close();
                assert_eq!(queue.get().unwrap(), 1);
                queue.task_done().unwrap();
            } else {
                queue.shutdown_now();
            }
            join_all(parties);
        }
    });
}

/// LQU-17
#[test]
fn consumers_and_joiners_of_the_last_tasks_end_with_the_queue_and_without_an_error() {
    in_every_mode(|mode| {
        for _ in 0..mode.rounds() {
            let queue = JoinableQueue::bounded(2).unwrap();
            let consume = |queue: JoinableQueue<u32>| {
                assert_eq!(queue.get().unwrap(), 1);
                queue.task_done().unwrap();
            };
            let mut parties = mode.start_many(2, consume, &queue);
            let join = |queue: JoinableQueue<u32>| queue.join().unwrap();
            queue.put(1).unwrap();
            queue.put(1).unwrap();
            parties.extend(mode.start_many(2, join, &queue));
            parties.push(mode.start(|queue: JoinableQueue<u32>| queue.close(), queue.clone()));
            join_all(parties);
            assert_eq!(queue.unfinished(), 0);
        }
    });
}

/// W9
#[test]
fn the_task_of_a_killed_worker_is_done_by_another_and_join_returns() {
    type Work = (JoinableQueue<u32>, Event);
    in_processes(|method| {
        for _ in 0..6 {
            let (queue, taken) = (JoinableQueue::bounded(4).unwrap(), Event::new().unwrap());
            let take_and_stay = |(queue, taken): Work| {
                assert_eq!(queue.get().unwrap(), 7);
                taken.set();
                Event::new().unwrap().wait();
            };
            let victim = by(method).start(take_and_stay, (queue.clone(), taken.clone())).unwrap();
            queue.put(7).unwrap();
            assert!(taken.wait_timeout(LONG));
            let waiting = Queue::bounded(1).unwrap();
            let work = |(queue, waiting): (JoinableQueue<u32>, Queue<String>)| {
                waiting.put(here()).unwrap();
                for task in queue.iter() {
                    assert_eq!(task, 7);
                    queue.task_done().unwrap();
                }
            };
            let worker = by(method).start(work, (queue.clone(), waiting.clone())).unwrap();
            until_asleep(&waiting.get_timeout(LONG).unwrap());
            assert!(!queue.join_timeout(Duration::from_millis(1)).unwrap());
            victim.kill().unwrap();
            assert!(queue.join_timeout(LONG).unwrap(), "the dead are waited for");
            queue.close();
            assert_eq!(worker.join_timeout(LONG), Some(ExitStatus::Code(0)));
            assert_eq!(victim.join(), ExitStatus::Signal(9));
        }
    });
}

/// W9
#[test]
fn what_was_lent_to_a_killed_process_is_lent_again_until_it_is_given_up() {
    type Work = (LeasedQueue<String>, Event);
    in_processes(|method| {
        let queue = LeasedQueue::bounded(4).unwrap().max_deliveries(2).unwrap();
        queue.put("job".to_owned()).unwrap();
        let borrow_and_stay = |(queue, lent): Work| {
            let _lease = queue.lease().unwrap();
            lent.set();
            Event::new().unwrap().wait();
        };
        let lent = Event::new().unwrap();
        let victim = by(method).start(borrow_and_stay, (queue.clone(), lent.clone())).unwrap();
        assert!(lent.wait_timeout(LONG));
        assert!(queue.is_empty() && matches!(queue.try_lease(), Err(TryGetError::Empty)));
        victim.kill().unwrap();
        assert_eq!(victim.join(), ExitStatus::Signal(9));
        let lease = queue.lease_timeout(LONG).unwrap();
        assert_eq!((lease.as_str(), lease.delivery_count()), ("job", 2));
        drop(lease);
        assert!(matches!(queue.lease_timeout(SHORT), Err(GetTimeoutError::TimedOut)));
        assert_eq!(queue.dead_letters().get_timeout(LONG).unwrap(), "job");
    });
}

#[test]
fn a_value_is_worked_on_by_one_at_a_time_and_acknowledged_once() {
    type Work = (LeasedQueue<usize>, brigade::Array<u32>);
    in_every_mode(|mode| {
        const ALL: usize = 200;
        let (queue, done) =
            (LeasedQueue::bounded(8).unwrap(), brigade::Array::<u32>::zeroed(ALL).unwrap());
        let work = |(queue, done): Work| {
            while let Ok(job) = queue.lease() {
                // Every third is given back once.
                if job.is_multiple_of(3) && job.delivery_count() == 1 {
                    job.requeue().unwrap();
                    continue;
                }
                done.update(*job, |count| *count += 1).unwrap();
                job.ack().unwrap();
            }
        };
        let producer = queue.producer().unwrap();
        let workers = mode.start_many(3, work, &(queue.clone(), done.clone()));
        (0..ALL).for_each(|n| producer.put(n).unwrap());
        drop(producer);
        join_all(workers);
        assert_eq!(done.to_vec(), [1; ALL]);
        assert!(matches!(queue.lease(), Err(GetError::Closed)));
    });
}
