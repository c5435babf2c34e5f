#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::thread;

use super::*;

const SHORT: Duration = Duration::from_millis(10);

#[test]
fn messages_come_in_the_order_in_which_they_were_sent_with_what_was_written() {
    let queue = LoanQueue::<u64>::new(3, 8).unwrap();
    let mut first = queue.loan().unwrap();
    let mut second = queue.loan().unwrap();
    first[0] = 1;
    second.fill(2);
    second.send(2).unwrap();
    first.send(1).unwrap();
    assert_eq!((queue.len(), queue.slots(), queue.slot_length()), (2, 3, 8));
    assert_eq!(queue.get().unwrap()[..], [2, 2]);
    assert_eq!(queue.get().unwrap()[..], [1]);
    let whole = queue.loan().unwrap();
    whole.send(100).unwrap();
    assert_eq!(queue.get().unwrap().len(), 8);
    queue.loan().unwrap().send(0).unwrap();
    assert!(queue.get().unwrap().is_empty());
}

#[test]
fn a_slot_is_in_use_while_it_is_lent_sent_or_read_and_then_free() {
    let queue = LoanQueue::<u8>::new(2, 1).unwrap();
    let lent = queue.loan().unwrap();
    queue.loan().unwrap().send(1).unwrap();
    assert!(matches!(queue.try_loan(), Err(TryLoanError::Full)));
    let read = queue.get().unwrap();
    assert!(matches!(queue.loan_timeout(SHORT), Err(LoanTimeoutError::TimedOut)));
    assert!(matches!(queue.try_get(), Err(TryGetError::Empty)));
    assert!(matches!(queue.get_timeout(SHORT), Err(GetTimeoutError::TimedOut)));
    drop(read);
    drop(queue.try_loan().unwrap());
    drop(lent);
    assert!(queue.try_loan().is_ok() && queue.is_empty());
}

#[test]
fn many_producers_and_consumers_lose_and_double_nothing() {
    const EACH: u64 = 3_000;
    let queue = LoanQueue::<u64>::new(4, 4).unwrap();
    let sum: u64 = thread::scope(|scope| {
        let consumers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let checked = |message: Borrowed<u64>| {
                        assert!(message.iter().all(|&element| element == message[0]));
                        message[0]
                    };
                    queue.iter().map(checked).sum::<u64>()
                })
            })
            .collect();
        let producers: Vec<_> = (0..2)
            .map(|half| {
                let producer = queue.producer().unwrap();
                scope.spawn(move || {
                    for number in 0..EACH {
                        let mut loan = producer.loan().unwrap();
                        loan.fill(2 * number + half);
                        loan.send(4).unwrap();
                    }
                })
            })
            .collect();
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        consumers.into_iter().map(|consumer| consumer.join().unwrap()).sum()
    });
    assert_eq!(sum, (0..2 * EACH).sum());
}

#[test]
fn an_end_is_heard_after_the_last_message_and_refuses_loans_and_sends() {
    let queue = LoanQueue::<u8>::new(2, 1).unwrap();
    queue.loan().unwrap().send(1).unwrap();
    let late = queue.loan().unwrap();
    queue.close();
    assert!(queue.is_closed());
    assert!(matches!(queue.loan(), Err(LoanError::Closed)));
    let Err(SendLoanError::Closed(back)) = late.send(1) else { panic!("the queue is closed") };
    assert_eq!(back.len(), 1);
    drop(back);
    assert_eq!(queue.get().unwrap().len(), 1);
    assert!(matches!(queue.get(), Err(GetError::Closed)));
}

#[test]
fn a_loan_is_refused_when_the_last_consumer_is_gone_however_full_the_queue_is() {
    let queue = LoanQueue::<u8>::new(1, 1).unwrap();
    let consumer = queue.consumer().unwrap();
    queue.loan().unwrap().send(1).unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| matches!(queue.loan(), Err(LoanError::Closed)));
        drop(consumer);
        assert!(waiter.join().unwrap());
    });
}

#[test]
fn measures_that_make_no_sense_are_refused() {
    let refused =
        |slots, length| matches!(LoanQueue::<u32>::new(slots, length), Err(Error::Invalid { .. }));
    assert!(refused(0, 1) && refused(1, 0) && refused(MAX_SLOTS + 1, 1) && refused(2, usize::MAX));
}

#[test]
fn a_queue_that_is_serialized_is_the_same_queue_when_it_arrives() {
    let queue = LoanQueue::<u16>::new(2, 3).unwrap();
    let bytes = brigade_codec::encode(&queue).unwrap();
    let arrived: LoanQueue<u16> = brigade_codec::decode(&bytes).unwrap();
    let mut loan = arrived.loan().unwrap();
    loan.copy_from_slice(&[1, 2, 3]);
    loan.send(3).unwrap();
    assert_eq!(queue.get().unwrap()[..], [1, 2, 3]);
    let bytes = brigade_codec::encode(&queue).unwrap();
    assert!(brigade_codec::decode::<LoanQueue<u32>>(&bytes).is_err(), "another type");
}
