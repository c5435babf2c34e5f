//! What a killed process leaves in queues that have an order of their own or want answers: all it
//! had put, all it had not answered for, and nobody waiting for it.
#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::time::{Duration, Instant};

use brigade_shm::queue::{GetTimeoutError, PutTimeoutError, TryGetError};
use brigade_shm::testing::{Ended, alone, at_every_step, end_here, run, start};
use brigade_shm::{
    Arena, DelayQueue, Event, JoinableQueue, LeasedQueue, LifoQueue, PriorityQueue, Queue, Value,
};
use brigade_sys::kill_point::arm;

const SOON: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(10);

/// Short enough for a slot, and too long for one.
const LENGTHS: [usize; 2] = [10, 3_000];

#[test]
fn a_putter_killed_at_any_step_has_put_all_or_nothing() {
    let _alone = alone();
    for length in LENGTHS {
        let stack = LifoQueue::bounded(100).unwrap();
        let ranks = PriorityQueue::bounded(100).unwrap();
        let message = |n: u8| vec![n; length];
        for n in 0..5_u8 {
            stack.put(message(n)).unwrap();
            ranks.put((n * 2, message(n))).unwrap();
        }
        let steps = at_every_step(
            || {
                stack.put(message(7)).unwrap();
                ranks.put((5, message(7))).unwrap();
            },
            |came_through| {
                stack.put_timeout(message(8), SOON).unwrap();
                ranks.put_timeout((5, message(8)), SOON).unwrap();
                assert_eq!(stack.get().unwrap(), message(8));
                let put = stack.len() - 5;
                assert!(put == 1 || put == 0 && !came_through);
                (0..put).for_each(|_| assert_eq!(stack.get().unwrap(), message(7)));
                let got: Vec<_> = ranks.iter().take(ranks.len()).collect();
                let put = got.len() - 6;
                assert!(put == 1 || put == 0 && !came_through);
                let keys: Vec<_> = got.iter().map(|(key, message)| (*key, message[0])).collect();
                let all = [(0, 0), (2, 1), (4, 2), (5, 7), (5, 8), (6, 3), (8, 4)];
                let expected: Vec<_> =
                    all.into_iter().filter(|(_, n)| put == 1 || *n != 7).collect();
                assert_eq!(keys, expected);
                assert!(got.iter().all(|(_, message)| *message == vec![message[0]; length]));
                for (key, message) in got.into_iter().filter(|(key, _)| *key != 5) {
                    ranks.put((key, message)).unwrap();
                }
            },
        );
        assert!(steps >= 16, "only {steps} steps were labelled");
    }
}

#[test]
fn a_getter_killed_at_any_step_has_taken_all_or_nothing() {
    let _alone = alone();
    for length in LENGTHS {
        let queue = PriorityQueue::bounded(100).unwrap();
        let refill = || (0..4_u8).for_each(|n| queue.put((n, vec![n; length])).unwrap());
        refill();
        let steps = at_every_step(
            || assert_eq!(queue.get().unwrap(), (0, vec![0; length])),
            |came_through| {
                let left = queue.len() as u8;
                assert!(left == 3 || left == 4 && !came_through);
                for n in 4 - left..4 {
                    assert_eq!(queue.get_timeout(SOON).unwrap(), (n, vec![n; length]));
                }
                assert!(matches!(queue.try_get(), Err(TryGetError::Empty)));
                refill();
            },
        );
        assert!(steps >= 8, "only {steps} steps were labelled");
    }
}

/// What a lessee does with its lease.
type Answer = fn(brigade_shm::Lease<Vec<u8>>);

#[test]
fn a_lessee_killed_at_any_step_has_answered_or_another_gets_its_value() {
    let _alone = alone();
    let answers: [(Answer, usize); 4] = [
        (|lease| lease.ack().unwrap(), 0),
        (|lease| lease.requeue().unwrap(), 1),
        (|lease| lease.reject().unwrap(), 0),
        (drop, 1),
    ];
    for ((answer, left), length) in answers.into_iter().flat_map(|it| LENGTHS.map(|n| (it, n))) {
        let queue = LeasedQueue::bounded(100).unwrap();
        let refill = || {
            queue.put(vec![1; length]).unwrap();
            queue.put(vec![2; length]).unwrap();
        };
        refill();
        let steps = at_every_step(
            || {
                let lease = queue.lease().unwrap();
                assert_eq!(*lease, vec![1; length]);
                answer(lease);
            },
            |came_through| {
                let first = queue.lease_timeout(SOON).unwrap();
                let is_there = first[0] == 1;
                assert_eq!(*first, vec![first[0]; length]);
                if is_there {
                    assert!(first.delivery_count() <= 2);
                    assert_eq!(*queue.lease_timeout(SOON).unwrap(), vec![2; length]);
                }
                first.ack().unwrap();
                let dead = queue.dead_letters();
                let there = usize::from(is_there);
                assert!(there + dead.len() <= 1, "a value is in two places");
                assert!(!came_through || there == left, "an answer was forgotten");
                while dead.try_get().is_ok() {}
                while queue.try_get().is_ok() {}
                assert_eq!((queue.len(), dead.len()), (0, 0));
                refill();
            },
        );
        assert!(steps >= 12, "only {steps} steps were labelled");
    }
}

#[test]
fn a_worker_killed_at_any_step_has_done_its_task_or_another_gets_it() {
    let _alone = alone();
    for length in LENGTHS {
        let queue = JoinableQueue::bounded(100).unwrap();
        queue.put(vec![7_u8; length]).unwrap();
        let steps = at_every_step(
            || {
                assert_eq!(queue.get().unwrap().len(), length);
                queue.task_done().unwrap();
                queue.join().unwrap();
            },
            |came_through| {
                if let Ok(again) = queue.try_get() {
                    assert_eq!(again, vec![7; length]);
                    assert!(!came_through, "a task that was done comes again");
                    queue.task_done().unwrap();
                }
                assert!(queue.join_timeout(SOON).unwrap());
                queue.put(vec![7; length]).unwrap();
            },
        );
        assert!(steps >= 12, "only {steps} steps were labelled");
    }
}

#[test]
fn one_who_dies_ending_a_queue_leaves_nobody_waiting() {
    let _alone = alone();
    for shut in [JoinableQueue::close, JoinableQueue::shutdown_now] {
        for step in 1.. {
            let (full, empty) = (JoinableQueue::bounded(1).unwrap(), JoinableQueue::unbounded());
            let (empty, kept) = (empty.unwrap(), JoinableQueue::<u32>::unbounded().unwrap());
            full.put(0).unwrap();
            kept.put(0).unwrap();
            let putter = start(|| {
                assert!(matches!(full.put_timeout(1, SOON), Err(PutTimeoutError::Closed(1))))
            });
            let getter =
                || assert!(matches!(empty.get_timeout(SOON), Err(GetTimeoutError::Closed)));
            let getter = start(getter);
            let joiner = start(|| assert!(kept.join_timeout(SOON).unwrap()));
            nap(SHORT);
            let ended = run(|| {
                arm(step);
                [&full, &empty, &kept].into_iter().for_each(shut);
                arm(0);
            });
            // Who is ended by a dead process need not be ended again.
            for (queue, sleeper) in [(&full, putter), (&empty, getter)] {
                if !queue.is_closed() {
                    shut(queue);
                }
                assert_eq!(sleeper.join(), Ended::Code(0), "step {step}");
            }
            kept.shutdown_now();
            assert_eq!(joiner.join(), Ended::Code(0), "step {step}");
            if ended == Ended::Code(0) {
                assert!(step > 9, "only {step} steps were labelled");
                break;
            }
        }
    }
}

/// Lets others run for about `time`.
fn nap(time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        std::thread::yield_now();
    }
}

/// W9.
#[test]
fn one_who_waits_gets_what_a_killed_process_had_taken_after_the_wait_began() {
    let _alone = alone();
    for round in 0..20 {
        let (queue, taken) = (JoinableQueue::bounded(4).unwrap(), Event::new().unwrap());
        let take = || {
            queue.get().unwrap();
            taken.set();
            loop {
                std::thread::park();
            }
        };
        // Both wait, and one of them takes it: the other watches one who had nothing before.
        let first = start(take);
        let second = start(|| {
            queue.get_timeout(SOON).unwrap();
            if taken.is_set() {
                queue.task_done().unwrap();
            } else {
                taken.set();
                loop {
                    std::thread::park();
                }
            }
        });
        nap(Duration::from_micros(300) * round);
        queue.put(1).unwrap();
        assert!(taken.wait_timeout(SOON));
        assert!(!queue.join_timeout(Duration::from_millis(1)).unwrap());
        first.kill();
        let began = Instant::now();
        if !queue.join_timeout(Duration::from_secs(1)).unwrap() {
            // It was the second that had it.
            second.kill();
            queue.get_timeout(SOON).unwrap();
            queue.task_done().unwrap();
        }
        assert!(queue.join_timeout(SOON).unwrap());
        assert!(began.elapsed() < SOON);
    }
}

#[test]
fn a_value_that_kills_whoever_takes_it_is_given_up_and_waited_for_no_longer() {
    let _alone = alone();
    let queue = JoinableQueue::bounded(4).unwrap().max_deliveries(3).unwrap();
    queue.put("poison".to_owned()).unwrap();
    let joiner = start(|| assert!(queue.join_timeout(SOON).unwrap()));
    for _ in 0..3 {
        let victim = || {
            assert_eq!(queue.get_timeout(SOON).unwrap(), "poison");
            end_here();
        };
        assert_eq!(run(victim), Ended::Signal(9));
    }
    assert_eq!(joiner.join(), Ended::Code(0), "nobody but the joiner was there to see it");
    assert_eq!(queue.dead_letters().get_timeout(SOON).unwrap(), "poison");
}

#[test]
fn a_busy_queue_gives_what_the_dead_had_taken_although_it_is_never_empty() {
    let _alone = alone();
    let queue = LeasedQueue::unbounded().unwrap();
    queue.put(0).unwrap();
    let hold = || {
        std::mem::forget(queue.lease().unwrap());
        end_here();
    };
    assert_eq!(run(hold), Ended::Signal(9));
    (1..=1_000).for_each(|n| queue.put(n).unwrap());
    let got: Vec<u32> = (0..100).map(|_| queue.get().unwrap()).collect();
    assert!(got.contains(&0), "{got:?}");
}

#[test]
fn a_consumer_waits_for_the_leases_of_others_at_the_end_and_for_none_of_the_dead() {
    let _alone = alone();
    for acknowledged in [true, false] {
        let (queue, lent, go) =
            (LeasedQueue::bounded(4).unwrap(), Event::new().unwrap(), Event::new().unwrap());
        let producer = queue.producer().unwrap();
        producer.put(7).unwrap();
        let lessee = start(|| {
            let lease = queue.lease().unwrap();
            lent.set();
            go.wait();
            if !acknowledged {
                end_here();
            }
            lease.ack().unwrap();
        });
        assert!(lent.wait_timeout(SOON));
        drop(producer);
        assert!(matches!(queue.lease_timeout(SHORT), Err(GetTimeoutError::TimedOut)));
        let waiter = start(|| {
            let got: Vec<_> = std::iter::from_fn(|| match queue.lease_timeout(SOON) {
                Ok(lease) => Some((*lease, lease.delivery_count(), lease.ack().is_ok())),
                Err(GetTimeoutError::Closed) => None,
                Err(error) => panic!("{error}"),
            })
            .collect();
            assert_eq!(got, if acknowledged { vec![] } else { vec![(7, 2, true)] });
        });
        nap(SHORT);
        go.set();
        let expected = if acknowledged { Ended::Code(0) } else { Ended::Signal(9) };
        assert_eq!(lessee.join(), expected);
        assert_eq!(waiter.join(), Ended::Code(0));
    }
}

#[test]
fn one_who_sleeps_until_something_is_due_hears_of_what_a_killed_process_has_put() {
    let _alone = alone();
    for round in 0..20 {
        let queue = DelayQueue::bounded(4).unwrap();
        queue.put_after(0, SOON * 360).unwrap();
        let sleeper = start(|| assert_eq!(queue.get_timeout(SOON).unwrap(), 1));
        nap(Duration::from_micros(200) * round);
        let put = || {
            queue.put_after(1, SHORT).unwrap();
            end_here();
        };
        assert_eq!(run(put), Ended::Signal(9));
        assert_eq!(sleeper.join(), Ended::Code(0));
    }
}

#[test]
fn a_lease_belongs_to_the_process_that_made_it() {
    let _alone = alone();
    let queue = LeasedQueue::bounded(4).unwrap();
    queue.put(1).unwrap();
    let mut lease = Some(queue.lease().unwrap());
    let child = || {
        let copy = lease.take().unwrap();
        assert!(matches!(copy.ack(), Err(brigade_shm::queue::LeaseError::NotHeld)));
    };
    assert_eq!(run(child), Ended::Code(0));
    assert!(matches!(queue.try_lease(), Err(TryGetError::Empty)));
    lease.take().unwrap().ack().unwrap();
}

#[test]
fn everything_that_a_queue_has_used_is_given_back() {
    let _alone = alone();
    let arena = Arena::program().unwrap();
    arena.bury_the_dead();
    let used = arena.used().unwrap();
    let queue = LifoQueue::<Vec<u8>>::unbounded().unwrap();
    for length in [10, 1_000] {
        (0..500).for_each(|_| queue.put(vec![1; length]).unwrap());
    }
    (0..700).for_each(|_| drop(queue.get().unwrap()));
    drop(queue);
    assert_eq!(arena.used().unwrap(), used);
}

/// Every item is received, none twice unless its first taker was killed, and nothing is left.
#[test]
fn workers_killed_at_random_lose_no_item() {
    const ITEMS: u32 = 400;
    const WORKERS: usize = 3;
    let _alone = alone();
    let arena = Arena::program().unwrap();
    arena.bury_the_dead();
    let used = arena.used().unwrap();
    let (mut killed, mut again) = (0, 0);
    for round in 0..30_u32 {
        let queue = PriorityQueue::bounded(50).unwrap();
        let done = brigade_shm::Array::<u32>::zeroed(ITEMS as usize).unwrap();
        let length = |n: u32| if n.is_multiple_of(7) { 500 } else { 5 };
        let work = || {
            while let Ok(lease) = queue.lease() {
                let (_, item) = &*lease;
                let item: &(u32, Vec<u8>) = item;
                assert_eq!(item.1, vec![item.0 as u8; length(item.0)]);
                done.update(item.0 as usize, |count| *count += 1).unwrap();
                lease.ack().unwrap();
            }
        };
        let mut workers: Vec<_> = (0..WORKERS).map(|_| start(work)).collect();
        let mut number = u64::from(round) + 1;
        for n in 0..ITEMS {
            number = number.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(11);
            queue.put((number >> 61, (n, vec![n as u8; length(n)]))).unwrap();
            if number >> 33 & 63 == 0 {
                workers.swap_remove((number >> 40) as usize % WORKERS).kill();
                workers.push(start(work));
                killed += 1;
            }
        }
        queue.close();
        for worker in workers {
            assert_eq!(worker.join(), Ended::Code(0));
        }
        // The last of them may have been killed.
        work();
        let counts = done.to_vec();
        assert!(counts.iter().all(|&count| count > 0), "round {round} lost an item");
        again += counts.iter().sum::<u32>() - ITEMS;
        assert!(matches!(queue.try_get(), Err(TryGetError::Closed)));
        assert!(queue.dead_letters().is_empty());
    }
    arena.bury_the_dead();
    assert_eq!(arena.used().unwrap(), used);
    assert!(killed > 50 && again <= killed, "{killed} were killed, {again} came again");
}

#[test]
fn nothing_is_left_of_what_killed_processes_had_put_and_taken() {
    let _alone = alone();
    let arena = Arena::program().unwrap();
    arena.bury_the_dead();
    let used = arena.used().unwrap();
    let value = Value::new(0_u32).unwrap();
    let queue = JoinableQueue::<Vec<u8>>::bounded(40).unwrap();
    at_every_step(
        || {
            for n in 0..20 {
                queue.put(vec![n; 1_000]).unwrap();
            }
            for _ in 0..7 {
                queue.get().unwrap();
            }
            queue.task_done().unwrap();
        },
        |_| {
            while queue.try_get().is_ok() {
                queue.task_done().unwrap();
                value.update(|count| *count += 1);
            }
            assert!(queue.join_timeout(SOON).unwrap());
        },
    );
    drop(queue);
    assert!(value.get() > 1_000);
    drop(value);
    arena.bury_the_dead();
    assert_eq!(arena.used().unwrap(), used);
}

/// What a value may carry, and a text that makes it long or short.
type Parcel = (Event, Queue<u32>, String);

fn parcel(length: usize) -> Parcel {
    let event = Event::new().unwrap();
    event.set();
    let queue = Queue::bounded(1).unwrap();
    queue.put(7).unwrap();
    (event, queue, "x".repeat(length))
}

fn check((event, queue, text): &Parcel, length: usize) {
    assert!(event.is_set());
    assert_eq!((queue.len(), text.len()), (1, length));
}

#[test]
fn what_a_value_carries_is_there_for_each_who_takes_it_and_gone_with_the_last() {
    let _alone = alone();
    let arena = Arena::program().unwrap();
    arena.bury_the_dead();
    let used = arena.used().unwrap();
    for length in LENGTHS {
        let queue = LeasedQueue::<Parcel>::bounded(4).unwrap();
        queue.put(parcel(length)).unwrap();
        for count in 1..4 {
            let lease = queue.lease().unwrap();
            check(&lease, length);
            assert_eq!(lease.delivery_count(), count);
        }
        let child = || {
            check(&queue.lease().unwrap(), length);
            std::mem::forget(queue.lease().unwrap());
            end_here();
        };
        assert_eq!(run(child), Ended::Signal(9));
        let lease = queue.lease_timeout(SOON).unwrap();
        check(&lease, length);
        lease.ack().unwrap();
        // Taken for good, thrown away, given up, left behind.
        queue.put(parcel(length)).unwrap();
        check(&queue.get().unwrap(), length);
        (0..4).for_each(|_| queue.put(parcel(length)).unwrap());
        queue.lease().unwrap().reject().unwrap();
        check(&queue.dead_letters().get().unwrap(), length);
        queue.lease().unwrap().reject().unwrap();
        queue.shutdown_now();
        let left = LeasedQueue::<Parcel>::bounded(4).unwrap();
        left.put(parcel(length)).unwrap();
    }
    arena.bury_the_dead();
    assert_eq!(arena.used().unwrap(), used);
}

#[test]
fn a_death_at_any_step_keeps_nothing_that_a_value_carried() {
    let _alone = alone();
    let arena = Arena::program().unwrap();
    arena.bury_the_dead();
    let used = arena.used().unwrap();
    for length in LENGTHS {
        let queue = LeasedQueue::<Parcel>::bounded(40).unwrap().max_deliveries(2).unwrap();
        let with_queue = {
            // Its first slots are there from now on.
            queue.put(parcel(length)).unwrap();
            drop(queue.get().unwrap());
            arena.used().unwrap()
        };
        let died = at_every_step(
            || {
                (0..3).for_each(|_| queue.put(parcel(length)).unwrap());
                check(&queue.get().unwrap(), length);
                let lease = queue.lease().unwrap();
                check(&lease, length);
                lease.ack().unwrap();
                drop(queue.lease().unwrap());
                queue.lease().unwrap().reject().unwrap();
                check(&queue.dead_letters().get().unwrap(), length);
            },
            |_| {
                arena.bury_the_dead();
                while let Ok(parcel) = queue.try_get() {
                    check(&parcel, length);
                }
                while let Ok(parcel) = queue.dead_letters().try_get() {
                    check(&parcel, length);
                }
                assert_eq!(arena.used().unwrap(), with_queue);
            },
        );
        assert!(died > 100, "only {died} steps");
        drop(queue);
    }
    assert_eq!(arena.used().unwrap(), used);
}

#[test]
fn what_the_dead_have_put_half_is_let_go_although_nobody_uses_the_queue_again() {
    let _alone = alone();
    let arena = Arena::program().unwrap();
    arena.bury_the_dead();
    let queue = LifoQueue::<Parcel>::bounded(40).unwrap();
    queue.put(parcel(10)).unwrap();
    drop(queue.get().unwrap());
    let used = arena.used().unwrap();
    let parcel = parcel(10);
    let with_parcel = arena.used().unwrap();
    let mut whole = 0;
    at_every_step(
        || queue.put(parcel.clone()).unwrap(),
        |_| {
            arena.bury_the_dead();
            // Either all of it is there, or nothing. In the latter case the queue is left as it was
            // found, so the next one dies putting in order what its predecessor has left.
            if arena.used().unwrap() > with_parcel {
                check(&queue.get().unwrap(), 10);
                whole += 1;
            }
            assert_eq!(arena.used().unwrap(), with_parcel);
        },
    );
    assert!(whole >= 2);
    drop(parcel);
    assert_eq!(arena.used().unwrap(), used);
}
