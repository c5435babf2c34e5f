//! The queue that lends its memory.

use brigade_shm::LoanQueue;
use brigade_shm::queue::TryGetError;
use brigade_sys::stepping::through;

use super::{Case, SOON, case};
use crate::steps::{Fate, Steps};

pub(super) const CASES: &[Case] = &[
    case("lending queue: borrow", "alone", borrow),
    case("lending queue: borrow", "all slots are in use, then one comes back", borrow_late),
    case("lending queue: send", "alone", send),
    case("lending queue: send", "another waits to get", send_awaited),
    case("lending queue: give back unsent", "another waits to borrow", give_back),
    case("lending queue: get", "alone", get),
    case("lending queue: get", "it is empty, then another sends", get_late),
    case("lending queue: drop a message", "another waits to borrow", drop_message),
];

type Numbers = LoanQueue<u64>;

fn queue() -> Numbers {
    Numbers::new(2, 4).unwrap()
}

fn put(queue: &Numbers) {
    let mut loan = queue.loan_timeout(SOON).expect("a slot is lost");
    loan[..2].copy_from_slice(&[7, 7]);
    assert!(loan.send(2).is_ok());
}

/// At most `most` messages are there; then all slots can be borrowed.
fn check(queue: &Numbers, most: usize) {
    let mut found = 0;
    loop {
        match queue.try_get() {
            Ok(message) => assert_eq!(message[..], [7, 7]),
            Err(TryGetError::Empty) => break,
            Err(error) => panic!("{error}"),
        }
        found += 1;
    }
    assert!(found <= most, "{found} messages, not {most}");
    let all: Vec<_> =
        (0..queue.slots()).map(|_| queue.loan_timeout(SOON).expect("a slot is lost")).collect();
    assert!(queue.try_loan().is_err(), "there is a slot too many");
    drop(all);
    put(queue);
    assert_eq!(queue.get_timeout(SOON).unwrap()[..], [7, 7]);
}

fn borrow(steps: &mut Steps) {
    let queue = queue();
    steps.of(|| drop(through(|| queue.loan()).unwrap())).check(|_| check(&queue, 0));
}

fn borrow_late(steps: &mut Steps) {
    let queue = queue();
    steps
        .of(|| drop(through(|| queue.loan()).unwrap()))
        .after(|| (0..queue.slots()).for_each(|_| put(&queue)))
        .release(|| while queue.try_get().is_ok() {})
        .check(|_| check(&queue, 0));
}

fn send(steps: &mut Steps) {
    let queue = queue();
    steps
        .of(|| {
            let mut loan = queue.loan().unwrap();
            loan[..2].copy_from_slice(&[7, 7]);
            assert!(through(|| loan.send(2)).is_ok());
        })
        .check(|_| check(&queue, 1));
}

fn send_awaited(steps: &mut Steps) {
    let queue = queue();
    steps
        .of(|| {
            let mut loan = queue.loan().unwrap();
            loan[..2].copy_from_slice(&[7, 7]);
            assert!(through(|| loan.send(2)).is_ok());
        })
        .awaited_by(|| assert_eq!(queue.get().unwrap()[..], [7, 7]))
        .unless(|| !queue.is_empty(), || put(&queue))
        .check(|_| check(&queue, 1));
}

fn give_back(steps: &mut Steps) {
    let queue = Numbers::new(1, 4).unwrap();
    steps
        .of(|| {
            let loan = queue.loan().unwrap();
            through(|| drop(loan));
        })
        .awaited_by(|| drop(queue.loan().unwrap()))
        .check(|_| check(&queue, 0));
}

fn get(steps: &mut Steps) {
    let queue = queue();
    steps
        .of(|| assert_eq!(through(|| queue.get()).unwrap()[..], [7, 7]))
        .after(|| put(&queue))
        .check(|fate| check(&queue, usize::from(fate == Fate::Killed)));
}

fn get_late(steps: &mut Steps) {
    let queue = queue();
    steps
        .of(|| assert_eq!(through(|| queue.get()).unwrap()[..], [7, 7]))
        .release(|| {
            if queue.is_empty() {
                put(&queue);
            }
        })
        .check(|_| check(&queue, 1));
}

fn drop_message(steps: &mut Steps) {
    let queue = Numbers::new(1, 4).unwrap();
    steps
        .of(|| {
            let message = queue.get().unwrap();
            through(|| drop(message));
        })
        .after(|| put(&queue))
        .awaited_by(|| drop(queue.loan().unwrap()))
        .check(|_| check(&queue, 0));
}
