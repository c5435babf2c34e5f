use std::sync::atomic::Ordering::Relaxed;

use crate::memory::{Mapping, create};

use super::*;

fn word() -> &'static AtomicU32 {
    let file = create("stepping-test", 4096).expect("memory");
    Mapping::new(file, 4096).expect("map").get(0).expect("aligned")
}

/// A child that adds one to `word` three times.
fn adding(word: &'static AtomicU32) -> Stepped {
    Stepped::at_start(Child::run(|| {
        through(|| {
            for _ in 0..3 {
                word.fetch_add(1, Relaxed);
            }
        });
    }))
}

#[test]
fn a_child_is_killed_between_any_two_instructions() {
    let mut found = Vec::new();
    for steps in 0.. {
        let word = word();
        let mut child = adding(word);
        let through = (0..steps).any(|_| child.step() != Stop::Inside);
        if through {
            assert_eq!(child.finish(), Some(Ended::Code(0)));
            assert_eq!(word.load(Relaxed), 3);
            break;
        }
        child.kill();
        found.push(word.load(Relaxed));
    }
    // Each number of additions was found, and the later death found no less.
    assert!(found.is_sorted());
    found.dedup();
    assert_eq!(found, [0, 1, 2, 3]);
}

#[test]
fn a_child_runs_to_where_another_was() {
    if !can_run_to() {
        return;
    }
    let word = word();
    let mut first = adding(word);
    while word.load(Relaxed) < 2 {
        assert_eq!(first.step(), Stop::Inside);
    }
    let address = first.address();
    first.kill();
    word.store(0, Relaxed);

    let mut second = adding(word);
    assert_eq!(second.run_to(address), Stop::Inside);
    assert_eq!(second.address(), address);
    assert!((1..=2).contains(&word.load(Relaxed)));
    assert_eq!(second.run(), Stop::Through);
    assert_eq!(second.finish(), Some(Ended::Code(0)));
    assert_eq!(word.load(Relaxed), 3);
}

#[test]
fn a_child_that_waits_is_asleep_until_it_is_woken() {
    let word = word();
    let mut child = Stepped::at_start(Child::run(|| {
        through(|| {
            while word.load(Relaxed) == 0 {
                futex::wait(word, 0, Deadline::NEVER);
            }
        });
    }));
    while child.step() == Stop::Inside {}
    assert_eq!(child.wait(), Stop::Asleep);
    word.store(1, Relaxed);
    futex::wake_all(word);
    while child.wait() == Stop::Asleep {}
    while child.step() == Stop::Inside {}
    assert_eq!(child.finish(), Some(Ended::Code(0)));
}

#[test]
fn a_child_that_ends_by_itself_is_noticed() {
    let mut child = Stepped::at_start(Child::run(|| through(|| crate::fork::exit_now(7))));
    let end = loop {
        match child.step() {
            Stop::Inside => {}
            other => break other,
        }
    };
    assert_eq!(end, Stop::Ended(Ended::Code(7)));
    assert_eq!(child.finish(), None);
}
