#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::Instant;

use brigade_sys::wait::wait;

use super::*;

const SHORT: Duration = Duration::from_millis(10);
const SOON: Duration = Duration::from_secs(10);

fn until(what: impl Fn() -> bool) {
    let began = Instant::now();
    while !what() {
        assert!(began.elapsed() < SOON, "it never happens");
        thread::yield_now();
    }
}

fn count(acted: &Arc<AtomicUsize>) -> impl Fn() + use<> {
    let acted = acted.clone();
    move || {
        acted.fetch_add(1, Relaxed);
    }
}

/// BAR-01, BAR-02.
#[test]
fn nobody_begins_a_round_before_all_have_ended_the_last_and_each_has_its_index() {
    const PARTIES: usize = 5;
    const ROUNDS: usize = 200;
    let barrier = Barrier::new(PARTIES).unwrap();
    let passed = AtomicUsize::new(0);
    let indexes: Vec<_> = (0..ROUNDS).map(|_| AtomicUsize::new(0)).collect();
    thread::scope(|scope| {
        for _ in 0..PARTIES {
            scope.spawn(|| {
                for (round, indexes) in indexes.iter().enumerate() {
                    assert!(passed.load(Relaxed) >= (round.saturating_sub(1)) * PARTIES);
                    let index = barrier.wait().unwrap().index;
                    indexes.fetch_or(1 << index, Relaxed);
                    passed.fetch_add(1, Relaxed);
                }
            });
        }
    });
    assert!(indexes.iter().all(|indexes| indexes.load(Relaxed) == (1 << PARTIES) - 1));
    assert_eq!((barrier.waiting(), barrier.is_broken()), (0, false));
}

/// BAR-03.
#[test]
fn the_action_runs_once_in_each_round_and_before_anyone_passes() {
    let acted = Arc::new(AtomicUsize::new(0));
    let barrier = Barrier::new(3).unwrap().with_action(count(&acted));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for round in 0..100 {
                    barrier.wait().unwrap();
                    assert_eq!(acted.load(Relaxed), 2 * round + 1);
                    barrier.wait().unwrap();
                }
            });
        }
    });
    assert_eq!(acted.load(Relaxed), 200);
}

#[test]
fn an_action_that_panics_breaks_the_barrier_for_all() {
    let barrier = Barrier::new(2).unwrap();
    let angry = barrier.clone().with_action(|| panic!("no"));
    thread::scope(|scope| {
        let other = scope.spawn(|| barrier.wait());
        until(|| barrier.waiting() == 1);
        assert!(catch_unwind(AssertUnwindSafe(|| angry.wait())).is_err());
        assert_eq!(other.join().unwrap(), Err(BrokenBarrier::ActionPanicked));
    });
    assert!(barrier.is_broken());
    barrier.reset();
    assert!(!barrier.is_broken());
}

/// BAR-04.
#[test]
fn an_abort_turns_all_away_until_a_reset() {
    let barrier = Barrier::new(3).unwrap();
    for _ in 0..20 {
        thread::scope(|scope| {
            let others = [scope.spawn(|| barrier.wait()), scope.spawn(|| barrier.wait())];
            barrier.abort();
            for other in others {
                assert_eq!(other.join().unwrap(), Err(BrokenBarrier::Aborted));
            }
        });
        assert_eq!(barrier.wait(), Err(BrokenBarrier::Aborted));
        assert_eq!(barrier.try_wait(), Err(TryBarrierError::Broken(BrokenBarrier::Aborted)));
        assert!(barrier.is_broken());
        barrier.reset();
        assert_eq!((barrier.is_broken(), barrier.waiting()), (false, 0));
    }
}

/// BAR-05.
#[test]
fn a_reset_turns_away_those_who_wait_and_the_next_round_is_whole() {
    let barrier = Barrier::new(3).unwrap();
    for _ in 0..50 {
        thread::scope(|scope| {
            let wait_twice = || (barrier.wait(), barrier.wait());
            let others = [scope.spawn(wait_twice), scope.spawn(wait_twice)];
            until(|| barrier.waiting() == 2);
            barrier.reset();
            barrier.wait().unwrap();
            for other in others {
                let (first, second) = other.join().unwrap();
                assert_eq!(first, Err(BrokenBarrier::Reset));
                assert!(second.is_ok());
            }
        });
    }
}

/// BAR-07, BAR-08.
#[test]
fn a_time_out_of_one_is_a_time_out_of_all() {
    let barrier = Barrier::with_timeout(3, SHORT).unwrap();
    for _ in 0..5 {
        let began = Instant::now();
        thread::scope(|scope| {
            let patient = scope.spawn(|| barrier.wait_timeout(SOON));
            until(|| barrier.waiting() == 1);
            assert_eq!(barrier.wait(), Err(BrokenBarrier::TimedOut));
            assert!(began.elapsed() >= SHORT);
            assert_eq!(patient.join().unwrap(), Err(BrokenBarrier::TimedOut));
        });
        assert_eq!(barrier.wait(), Err(BrokenBarrier::TimedOut), "one that comes too late");
        barrier.reset();
    }
    let at_once = barrier.wait_timeout(Duration::ZERO);
    assert_eq!(at_once, Err(BrokenBarrier::TimedOut));
}

/// BAR-09, BAR-16.
#[test]
fn a_barrier_for_one_lets_pass_at_once_and_a_reset_between_rounds_changes_nothing() {
    let acted = Arc::new(AtomicUsize::new(0));
    let barrier = Barrier::new(1).unwrap();
    let acting = barrier.clone().with_action(count(&acted));
    for round in 1..=5 {
        assert_eq!(barrier.wait(), Ok(BarrierWait { index: 0 }));
        assert_eq!(acting.try_wait(), Ok(BarrierWait { index: 0 }));
        assert_eq!(acted.load(Relaxed), round);
        barrier.reset();
    }
}

/// BAR-11.
#[test]
fn a_barrier_for_nobody_or_for_too_many_is_refused() {
    for parties in [0, MAX_PARTIES + 1, usize::MAX] {
        assert!(matches!(Barrier::new(parties), Err(Error::Invalid { .. })));
    }
    assert_eq!(Barrier::new(MAX_PARTIES).unwrap().parties(), MAX_PARTIES);
}

#[test]
fn a_try_passes_only_as_the_last() {
    let barrier = Barrier::new(3).unwrap();
    assert_eq!(barrier.try_wait(), Err(TryBarrierError::NotYet));
    thread::scope(|scope| {
        let others = [scope.spawn(|| barrier.wait()), scope.spawn(|| barrier.wait())];
        until(|| barrier.waiting() == 2);
        assert_eq!(barrier.try_wait(), Ok(BarrierWait { index: 2 }));
        others.into_iter().for_each(|other| assert!(other.join().unwrap().is_ok()));
    });
    assert_eq!(barrier.try_wait(), Err(TryBarrierError::NotYet));
}

#[test]
fn one_can_wait_until_only_the_last_is_missing() {
    let barrier = Barrier::new(3).unwrap();
    assert!(wait(&[&barrier], Deadline::after(SHORT)).is_empty());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| barrier.wait().unwrap());
        }
        assert_eq!(wait(&[&barrier], Deadline::after(SOON)), [0]);
        assert_eq!(barrier.try_wait(), Ok(BarrierWait { index: 2 }));
    });
}

/// BAR-14, BAR-15: those who have not left the round that is over, and those who came too early.
#[test]
fn who_has_not_quite_left_is_told_of_a_reset_and_who_came_early_is_not() {
    for abort in [false, true] {
        let barrier = Barrier::new(2).unwrap();
        let tag = barrier.handle.arena().tag().unwrap();
        // A party that has come, and does not look.
        let slow = barrier.rounds.arrive(tag, Task::Nothing, Patience::Waits);
        assert_eq!(slow, Arrival::Seated(0));
        assert_eq!(barrier.wait(), Ok(BarrierWait { index: 1 }));
        thread::scope(|scope| {
            let early = scope.spawn(|| barrier.wait());
            assert_eq!(barrier.try_wait(), Err(TryBarrierError::NotYet));
            if abort {
                barrier.abort();
                assert_eq!(early.join().unwrap(), Err(BrokenBarrier::Aborted));
                assert_eq!(barrier.rounds.wait(0, Deadline::NEVER), Err(BrokenBarrier::Aborted));
            } else {
                barrier.reset();
                assert_eq!(barrier.rounds.wait(0, Deadline::NEVER), Err(BrokenBarrier::Reset));
                until(|| barrier.waiting() == 1);
                assert_eq!(barrier.wait(), Ok(BarrierWait { index: 1 }));
                assert_eq!(early.join().unwrap(), Ok(BarrierWait { index: 0 }));
            }
        });
    }
}

#[test]
fn a_barrier_that_is_serialized_is_the_same_when_it_arrives() {
    let barrier = Barrier::with_timeout(2, SOON).unwrap();
    let bytes = brigade_codec::encode(&barrier).unwrap();
    let arrived: Barrier = brigade_codec::decode(&bytes).unwrap();
    assert_eq!((arrived.parties(), arrived.rounds.default_timeout()), (2, Some(SOON)));
    thread::scope(|scope| {
        scope.spawn(|| barrier.wait().unwrap());
        arrived.wait().unwrap();
    });
}
