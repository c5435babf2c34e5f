//! The barrier.

use brigade_shm::Barrier;
use brigade_shm::sync::BrokenBarrier;
use brigade_sys::stepping::through;

use super::{Case, SOON, case};
use crate::steps::{Fate, Steps};

pub(super) const CASES: &[Case] = &[
    case("barrier: wait", "as the last, two others wait", wait_last),
    case("barrier: wait", "another waits too, then the last comes", wait_first),
    case("barrier: abort", "two others wait", abort),
    case("barrier: reset", "two others wait", reset),
];

/// Waits; may be turned away because of a death, and for no other reason but `other`.
fn wait(barrier: &Barrier, other: Option<BrokenBarrier>) {
    match barrier.wait() {
        Ok(_) | Err(BrokenBarrier::Died) => {}
        Err(reason) => assert_eq!(Some(reason), other),
    }
}

/// Nobody waits, and one who comes is let in and misses the others.
fn check(barrier: &Barrier) {
    if barrier.is_broken() {
        barrier.reset();
    }
    assert_eq!(barrier.waiting(), 0);
    assert!(matches!(barrier.wait_timeout(SHORT), Err(BrokenBarrier::TimedOut)));
    barrier.reset();
}

const SHORT: std::time::Duration = std::time::Duration::from_micros(100);

fn wait_last(steps: &mut Steps) {
    let barrier = Barrier::new(3).unwrap();
    steps
        .of(|| through(|| wait(&barrier, None)))
        .awaited_by(|| wait(&barrier, None))
        .awaited_by(|| wait(&barrier, None))
        .unless(
            || barrier.waiting() != 2,
            || {
                let _ = barrier.wait_timeout(SOON);
            },
        )
        .check(|_| check(&barrier));
}

fn wait_first(steps: &mut Steps) {
    let barrier = Barrier::new(3).unwrap();
    steps
        .of(|| through(|| wait(&barrier, Some(BrokenBarrier::Aborted))))
        .beside(|| wait(&barrier, Some(BrokenBarrier::Aborted)))
        .release(|| {
            let _ = barrier.try_wait();
        })
        .unless(|| barrier.waiting() != 1, || barrier.abort())
        .check(|_| check(&barrier));
}

fn abort(steps: &mut Steps) {
    let barrier = Barrier::new(3).unwrap();
    steps
        .of(|| through(|| barrier.abort()))
        .awaited_by(|| wait(&barrier, Some(BrokenBarrier::Aborted)))
        .awaited_by(|| wait(&barrier, Some(BrokenBarrier::Aborted)))
        .unless(|| barrier.is_broken(), || barrier.abort())
        .check(|_| check(&barrier));
}

fn reset(steps: &mut Steps) {
    let barrier = Barrier::new(3).unwrap();
    steps
        .of(|| through(|| barrier.reset()))
        .awaited_by(|| wait(&barrier, Some(BrokenBarrier::Reset)))
        .awaited_by(|| wait(&barrier, Some(BrokenBarrier::Reset)))
        .unless(|| barrier.waiting() != 2, || barrier.reset())
        .check(|fate| {
            assert!(!barrier.is_broken() || fate == Fate::Killed);
            check(&barrier);
        });
}
