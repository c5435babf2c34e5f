//! What a killed process leaves in a queue that lends memory: free slots, and whole messages.

#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use brigade_shm::queue::{GetTimeoutError, TryGetError, TryLoanError};
use brigade_shm::testing::{Ended, alone, at_every_step, start};
use brigade_shm::{GetError, LoanQueue, Queue};
use brigade_sys::reactor::block_on;

const SOON: Duration = Duration::from_secs(10);
const SLOTS: usize = 3;

fn park() {
    loop {
        std::thread::park();
    }
}

/// Sees that every slot can be had, and no more.
fn all_slots_are_free(queue: &LoanQueue<u64>) {
    let lend = || queue.loan_timeout(SOON).expect("nobody has it");
    let all: Vec<_> = (0..SLOTS).map(|_| lend()).collect();
    assert!(matches!(queue.try_loan(), Err(TryLoanError::Full)));
    drop(all);
}

#[test]
fn a_message_is_there_whole_or_was_never_sent_at_whatever_step_its_sender_dies() {
    let _alone = alone();
    let queue = LoanQueue::<u64>::new(SLOTS, 100).unwrap();
    let steps = at_every_step(
        || {
            let mut loan = queue.loan().unwrap();
            loan.fill(7);
            loan.send(100).unwrap();
        },
        |came_through| {
            match queue.try_get() {
                Ok(message) => assert_eq!(message[..], [7; 100]),
                Err(TryGetError::Empty) => assert!(!came_through),
                Err(error) => panic!("{error}"),
            }
            assert!(matches!(queue.try_get(), Err(TryGetError::Empty)));
            all_slots_are_free(&queue);
            queue.loan().unwrap().send(1).unwrap();
            assert_eq!(queue.get_timeout(SOON).unwrap().len(), 1);
        },
    );
    assert!(steps >= 4, "only {steps} steps were labelled");
}

#[test]
fn a_message_was_received_or_is_still_there_at_whatever_step_its_receiver_dies() {
    let _alone = alone();
    let queue = LoanQueue::<u64>::new(SLOTS, 4).unwrap();
    let send = |n: u64| {
        let mut loan = queue.loan_timeout(SOON).unwrap();
        loan[0] = n;
        loan.send(1).unwrap();
    };
    (0..2).for_each(send);
    let steps = at_every_step(
        || drop(queue.get().unwrap()),
        |came_through| {
            let first = queue.get_timeout(SOON).unwrap()[0];
            assert!(first == 1 || first == 0 && !came_through);
            if first == 0 {
                assert_eq!(queue.get_timeout(SOON).unwrap()[0], 1);
            }
            assert!(matches!(queue.try_get(), Err(TryGetError::Empty)));
            all_slots_are_free(&queue);
            (0..2).for_each(send);
        },
    );
    assert!(steps >= 5, "only {steps} steps were labelled");
}

#[test]
fn one_who_waits_gets_the_slots_of_a_killed_process_at_once() {
    let _alone = alone();
    for _ in 0..10 {
        let queue = LoanQueue::<u64>::new(2, 1).unwrap();
        let taken = Queue::bounded(1).unwrap();
        queue.loan().unwrap().send(1).unwrap();
        let holder = start(|| {
            let _read = queue.get().unwrap();
            let _lent = queue.loan().unwrap();
            taken.put(()).unwrap();
            park();
        });
        taken.get().unwrap();
        assert!(matches!(queue.try_loan(), Err(TryLoanError::Full)));
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| queue.loan_timeout(SOON).is_ok());
            holder.kill();
            assert!(waiter.join().unwrap());
        });
        drop((queue.try_loan().unwrap(), queue.try_loan().unwrap()));
    }
}

#[test]
fn one_who_was_overtaken_hears_of_the_death_of_who_came_between() {
    let _alone = alone();
    for _ in 0..10 {
        let queue = LoanQueue::<u64>::new(1, 1).unwrap();
        let (taken, got) = (Queue::bounded(1).unwrap(), Queue::bounded(1).unwrap());
        let first = queue.loan().unwrap();
        let waiter = start(|| {
            got.put(queue.loan_timeout(SOON).is_ok()).unwrap();
        });
        while !waiter.rests() {
            std::thread::yield_now();
        }
        waiter.halt();
        drop(first);
        let newcomer = start(|| {
            let _loan = queue.loan().unwrap();
            taken.put(()).unwrap();
            park();
        });
        taken.get().unwrap();
        waiter.go_on();
        while !waiter.rests() {
            std::thread::yield_now();
        }
        newcomer.kill();
        assert!(got.get_timeout(SOON).unwrap(), "nobody told the waiter");
        waiter.join();
    }
}

/// The last producer is killed at every step: what it sent is got, and then the end is heard.
#[test]
fn a_consumer_gets_what_a_killed_producer_sent_and_then_hears_of_the_end() {
    let _alone = alone();
    for step in 1.. {
        let queue = LoanQueue::<u64>::new(SLOTS, 1).unwrap();
        let (ready, go) = (Queue::bounded(1).unwrap(), Queue::bounded(1).unwrap());
        let producer = start(|| {
            let producer = queue.producer().unwrap();
            ready.put(()).unwrap();
            go.get().unwrap();
            brigade_sys::kill_point::arm(step);
            let mut loan = producer.loan().unwrap();
            loan[0] = 5;
            loan.send(1).unwrap();
        });
        ready.get().unwrap();
        let got = std::thread::scope(|scope| {
            let consumer = scope.spawn(|| queue.iter().map(|message| message[0]).collect());
            go.put(()).unwrap();
            let got: Vec<u64> = consumer.join().unwrap();
            got
        });
        assert!(got.is_empty() || got == [5]);
        if producer.join() == Ended::Code(0) {
            assert_eq!(got, [5]);
            return;
        }
    }
}

#[test]
fn processes_that_are_killed_at_random_lose_only_what_they_had_taken() {
    let _alone = alone();
    let queue = LoanQueue::<u64>::new(SLOTS, 64).unwrap();
    let got = Queue::bounded(1).unwrap();
    let mut last = 0;
    for round in 0..30_u64 {
        let sender = start(|| {
            for n in 0.. {
                let mut loan = queue.loan().unwrap();
                loan.fill(round << 32 | n);
                loan.send(64).unwrap();
            }
        });
        let receiver = start(|| {
            for n in 0.. {
                let message = queue.get().unwrap();
                assert!(message.iter().all(|&element| element == message[0]), "a torn message");
                assert!(message[0] > last || message[0] == 0, "out of order");
                last = message[0];
                drop(message);
                if n == 40 + round {
                    got.put(()).unwrap();
                }
            }
        });
        got.get_timeout(SOON).unwrap();
        sender.kill();
        receiver.kill();
        while let Ok(message) = queue.try_get() {
            assert!(message.iter().all(|&element| element == message[0]), "a torn message");
            last = message[0];
        }
        all_slots_are_free(&queue);
        assert!(matches!(
            queue.get_timeout(Duration::from_millis(1)),
            Err(GetTimeoutError::TimedOut)
        ));
    }
}

#[test]
fn a_forked_child_has_no_part_in_the_loans_of_its_parent() {
    let _alone = alone();
    let queue = LoanQueue::<u64>::new(1, 1).unwrap();
    let mut loan = Some(queue.loan().unwrap());
    let child = start(|| {
        let loan = loan.take().unwrap();
        let refused = loan.send(1).unwrap_err();
        drop(refused);
        assert!(matches!(queue.try_loan(), Err(TryLoanError::Full)));
    });
    assert_eq!(child.join(), Ended::Code(0));
    loan.unwrap().send(1).unwrap();
    assert_eq!(queue.get().unwrap().len(), 1);
}

#[test]
fn tasks_wait_for_slots_and_for_messages_without_a_thread() {
    let _alone = alone();
    const ROUNDS: u64 = 100;
    let queue = LoanQueue::<u64>::new(1, 1).unwrap();
    let other = start(|| {
        block_on(async {
            for n in 0..ROUNDS {
                let mut loan = queue.loan_async().await.unwrap();
                loan[0] = n;
                loan.send(1).unwrap();
            }
        });
    });
    block_on(async {
        for n in 0..ROUNDS {
            assert_eq!(queue.get_async().await.unwrap()[0], n);
        }
    });
    assert_eq!(other.join(), Ended::Code(0));
    let mut get = pin!(queue.get_async());
    assert!(get.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    queue.close();
    assert!(matches!(block_on(get), Err(GetError::Closed)));
}
