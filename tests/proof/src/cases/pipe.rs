//! The pipe, and waiting for several things.

use brigade_shm::pipe::{Ends, RecvError};
use brigade_shm::{Event, Queue, pipe};
use brigade_sys::stepping::through;
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Waitable, wait};

use super::{Case, SOON, case};
use crate::steps::{Fate, Steps};

pub(super) const CASES: &[Case] = &[
    case("pipe: send", "alone", send),
    case("pipe: send", "another waits to receive", send_awaited),
    case("pipe: receive", "alone", receive),
    case("pipe: receive", "it is empty, then another sends", receive_late),
    case("pipe: drop an end", "another waits to receive", drop_end),
    case("pipe: send an end", "through another pipe", send_end),
    case("wait", "for a queue and an event, then one is ready", wait_for_two),
];

fn text() -> String {
    "a message of the usual length".to_owned()
}

/// Takes at most one message; then both ways work.
fn check((one, two): &Ends<String, String>, least: usize, most: usize) {
    let mut found = 0;
    while let Ok(message) = two.try_recv() {
        assert_eq!(message, text());
        found += 1;
    }
    assert!((least..=most).contains(&found), "{found} messages");
    one.send_timeout(text(), SOON).unwrap();
    two.send_timeout(two.recv_timeout(SOON).unwrap(), SOON).unwrap();
    assert_eq!(one.recv_timeout(SOON).unwrap(), text());
}

fn send(steps: &mut Steps) {
    let ends = pipe().unwrap();
    steps
        .of(|| through(|| ends.0.send(text())).unwrap())
        .check(|fate| check(&ends, usize::from(fate == Fate::CameThrough), 1));
}

fn send_awaited(steps: &mut Steps) {
    let ends = pipe().unwrap();
    steps
        .of(|| through(|| ends.0.send(text())).unwrap())
        .awaited_by(|| assert_eq!(ends.1.recv().unwrap(), text()))
        .unless(|| ends.1.is_ready(), || ends.0.send(text()).unwrap())
        .check(|_| check(&ends, 0, 1));
}

fn receive(steps: &mut Steps) {
    let ends = pipe().unwrap();
    steps
        .of(|| assert_eq!(through(|| ends.1.recv()).unwrap(), text()))
        .after(|| ends.0.send(text()).unwrap())
        .check(|fate| check(&ends, 0, usize::from(fate == Fate::Killed)));
}

fn receive_late(steps: &mut Steps) {
    let ends = pipe().unwrap();
    steps
        .of(|| assert_eq!(through(|| ends.1.recv()).unwrap(), text()))
        .release(|| {
            if !ends.1.is_ready() {
                ends.0.send(text()).unwrap();
            }
        })
        .check(|_| check(&ends, 0, 1));
}

/// The end that the child drops is its alone: it is made by the child.
fn drop_end(steps: &mut Steps) {
    let ends = Queue::bounded(1).unwrap();
    steps
        .of(|| {
            let (one, two) = pipe::<String>().unwrap();
            ends.put(two).unwrap();
            through(|| drop(one));
        })
        .awaited_by(|| {
            let two = ends.get().unwrap();
            assert!(matches!(two.recv(), Err(RecvError::Ended)));
        })
        .check(|_| assert!(ends.is_empty()));
}

/// An end that was under way, or had come to one who died, is gone.
fn send_end(steps: &mut Steps) {
    let (one, two) = pipe().unwrap();
    steps
        .of(|| {
            let (mine, yours) = pipe::<String>().unwrap();
            mine.send(text()).unwrap();
            drop(mine);
            through(|| one.send(yours).unwrap());
        })
        .check(|fate| match two.try_recv() {
            Ok(end) => {
                assert_eq!(end.recv().unwrap(), text());
                assert!(matches!(end.recv(), Err(RecvError::Ended)));
            }
            Err(RecvError::Empty) => assert_eq!(fate, Fate::Killed),
            Err(error) => panic!("{error}"),
        });
}

fn wait_for_two(steps: &mut Steps) {
    let (queue, event) = (Queue::<u32>::bounded(2).unwrap(), Event::new().unwrap());
    let both: [&dyn Waitable; 2] = [&queue, &event];
    steps
        .of(|| assert_eq!(through(|| wait(&both, Deadline::NEVER)), [1]))
        .after(|| event.clear())
        .awaited_by(|| event.wait())
        .awaited_by(|| assert_eq!(wait(&both, Deadline::NEVER), [1]))
        .release(|| event.set())
        .check(|_| {
            queue.put(1).unwrap();
            assert_eq!(wait(&both, Deadline::after(SOON)), [0, 1]);
            queue.get().unwrap();
        });
}
