//! Barriers between parties (BAR).

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use brigade::sync::{BrokenBarrier, TryBarrierError};
use brigade::{Barrier, BarrierWait, Error, Queue, Value};
use brigade_sys::pidfd;
use brigade_sys::signals::Signal;

use brigade_tests::stage::{
    LONG, Mode, Party, SHORT, here, in_every_mode, in_processes, join_all, takes, until_asleep,
};

const PARTIES: usize = 5;

type Answers = Queue<Result<u32, String>>;

fn until(what: impl Fn() -> bool) {
    let begin = Instant::now();
    while !what() {
        assert!(begin.elapsed() < LONG, "it never happens");
        std::thread::yield_now();
    }
}

/// What a party tells of its wait: its index, or why it was turned away.
fn told(result: Result<BarrierWait, BrokenBarrier>) -> Result<u32, String> {
    result.map(|passed| passed.index as u32).map_err(|reason| reason.to_string())
}

fn wait_once((barrier, answers): (Barrier, Answers)) {
    answers.put(told(barrier.wait())).unwrap();
}

fn hear(answers: &Answers, count: usize) -> Vec<Result<u32, String>> {
    (0..count).map(|_| answers.get_timeout(LONG).unwrap()).collect()
}

fn setting(parties: usize) -> (Barrier, Answers) {
    (Barrier::new(parties).unwrap(), Queue::bounded(2 * parties).unwrap())
}

/// BAR-01
#[test]
fn nobody_begins_a_round_before_all_have_come_to_the_end_of_the_last() {
    in_every_mode(|mode| {
        for rounds in [1_u32, 10] {
            let (barrier, begun) = (Barrier::new(PARTIES).unwrap(), Value::new(0_u32).unwrap());
            let take_part = |(barrier, begun, rounds): (Barrier, Value<u32>, u32)| {
                for round in 0..rounds {
                    begun.fetch_add(1);
                    barrier.wait().unwrap();
                    let before_next = PARTIES as u32 * (round + 1);
                    assert!(begun.get() >= before_next);
                    barrier.wait().unwrap();
                }
            };
            let argument = (barrier.clone(), begun, rounds);
            join_all(mode.start_many(PARTIES, take_part, &argument));
            assert_eq!((barrier.waiting(), barrier.is_broken()), (0, false));
        }
    });
}

/// BAR-02
#[test]
fn each_party_of_a_round_has_an_index_of_its_own() {
    in_every_mode(|mode| {
        let setting = setting(PARTIES);
        for _ in 0..mode.rounds() / 2 {
            let parties = mode.start_many(PARTIES, wait_once, &setting);
            let mut indexes = hear(&setting.1, PARTIES);
            indexes.sort_unstable();
            assert!(indexes.into_iter().eq((0..PARTIES as u32).map(Ok)));
            join_all(parties);
        }
    });
}

/// BAR-03 (ours: each party brings the action, and the last runs it)
#[test]
fn the_action_runs_once_before_anyone_passes() {
    in_every_mode(|mode| {
        let (barrier, acted) = (Barrier::new(PARTIES).unwrap(), Value::new(0_u32).unwrap());
        let take_part = |(barrier, acted): (Barrier, Value<u32>)| {
            let count = acted.clone();
            let barrier = barrier.with_action(move || {
                count.fetch_add(1);
            });
            for round in 1..=10 {
                barrier.wait().unwrap();
                assert_eq!(acted.get(), 2 * round - 1);
                barrier.wait().unwrap();
            }
        };
        join_all(mode.start_many(PARTIES, take_part, &(barrier.clone(), acted.clone())));
        assert_eq!(acted.get(), 20);
        // An action that panics breaks the barrier for the others.
        let answers: Answers = Queue::bounded(1).unwrap();
        let barrier = Barrier::new(2).unwrap();
        let waiter = mode.start(wait_once, (barrier.clone(), answers.clone()));
        until(|| barrier.waiting() == 1);
        let panicking = |barrier: Barrier| {
            let action = || std::panic::resume_unwind(Box::new("no"));
            let _ = barrier.with_action(action).wait();
        };
        assert!(!mode.start(panicking, barrier.clone()).ended_well());
        assert_eq!(hear(&answers, 1), [Err(BrokenBarrier::ActionPanicked.to_string())]);
        waiter.join();
    });
}

/// BAR-04
#[test]
fn one_that_aborts_instead_of_waiting_turns_the_others_away() {
    in_every_mode(|mode| {
        let (barrier, answers) = setting(PARTIES);
        let others = mode.start_many(PARTIES - 1, wait_once, &(barrier.clone(), answers.clone()));
        mode.start(|barrier: Barrier| barrier.abort(), barrier.clone()).join();
        let aborted = Err(BrokenBarrier::Aborted.to_string());
        assert!(hear(&answers, PARTIES - 1).into_iter().all(|answer| answer == aborted));
        join_all(others);
        assert!(barrier.is_broken());
        assert_eq!(barrier.wait(), Err(BrokenBarrier::Aborted));
        barrier.reset();
        assert!(!barrier.is_broken());
    });
}

/// BAR-05
#[test]
fn a_reset_turns_those_away_who_wait_and_all_pass_the_next_round() {
    in_every_mode(|mode| {
        for _ in 0..mode.rounds() / 3 {
            let (barrier, answers) = setting(PARTIES);
            let twice = |(barrier, answers): (Barrier, Answers)| {
                answers.put(told(barrier.wait())).unwrap();
                answers.put(told(barrier.wait())).unwrap();
            };
            let others = mode.start_many(PARTIES - 1, twice, &(barrier.clone(), answers.clone()));
            until(|| barrier.waiting() == PARTIES - 1);
            mode.start(|barrier: Barrier| barrier.reset(), barrier.clone()).join();
            let reset = Err(BrokenBarrier::Reset.to_string());
            assert!(hear(&answers, PARTIES - 1).into_iter().all(|answer| answer == reset));
            barrier.wait().unwrap();
            assert!(hear(&answers, PARTIES - 1).into_iter().all(|answer| answer.is_ok()));
            join_all(others);
            assert_eq!((barrier.is_broken(), barrier.waiting()), (false, 0));
        }
    });
}

/// BAR-07
#[test]
fn a_time_out_of_one_breaks_the_barrier_for_all_and_for_who_comes_late() {
    in_every_mode(|mode| {
        let (barrier, answers) = setting(PARTIES);
        let argument = (barrier.clone(), answers.clone());
        let patient = mode.start_many(PARTIES - 2, wait_once, &argument);
        until(|| barrier.waiting() == PARTIES - 2);
        let hasty = |(barrier, answers): (Barrier, Answers)| {
            answers.put(told(takes(SHORT, || barrier.wait_timeout(SHORT)))).unwrap();
        };
        let hasty = mode.start(hasty, argument.clone());
        let timed_out = Err(BrokenBarrier::TimedOut.to_string());
        assert!(hear(&answers, PARTIES - 1).into_iter().all(|answer| answer == timed_out));
        let late = mode.start(wait_once, argument);
        assert_eq!(hear(&answers, 1), [timed_out]);
        join_all(patient.into_iter().chain([hasty, late]).collect());
    });
}

/// BAR-08
#[test]
fn the_time_out_of_a_barrier_is_that_of_every_wait_without_one() {
    in_every_mode(|mode| {
        let barrier = Barrier::with_timeout(2, SHORT).unwrap();
        let wait = |barrier: Barrier| {
            let result = takes(SHORT, || barrier.wait());
            assert_eq!(result, Err(BrokenBarrier::TimedOut));
            barrier.reset();
            let result = takes(SHORT * 5, || barrier.wait_timeout(SHORT * 5));
            assert_eq!(result, Err(BrokenBarrier::TimedOut));
            barrier.reset();
        };
        mode.start(wait, barrier.clone()).join();
        wait(barrier);
    });
}

/// BAR-09, BAR-11 (a negative number cannot be written), BAR-16 (a reset between two rounds)
#[test]
fn a_barrier_for_one_never_blocks_and_one_for_nobody_is_refused() {
    in_every_mode(|mode| {
        let pass = |barrier: Barrier| {
            for _ in 0..5 {
                assert_eq!(barrier.wait(), Ok(BarrierWait { index: 0 }));
                assert_eq!(barrier.try_wait(), Ok(BarrierWait { index: 0 }));
                barrier.reset();
            }
        };
        let barrier = Barrier::new(1).unwrap();
        mode.start(pass, barrier.clone()).join();
        pass(barrier);
        assert!(matches!(Barrier::new(0), Err(Error::Invalid { .. })));
    });
}

/// BAR-16
#[test]
fn those_who_wait_for_the_next_round_are_not_broken_by_who_resets_on_its_way_out() {
    in_every_mode(|mode| {
        let (barrier, answers) = setting(2);
        for _ in 0..mode.rounds() {
            let other = mode.start(wait_once, (barrier.clone(), answers.clone()));
            assert!(barrier.wait().is_ok());
            assert!(hear(&answers, 1)[0].is_ok());
            // All have left, and nobody has come again.
            barrier.reset();
            let next = mode.start(wait_once, (barrier.clone(), answers.clone()));
            assert!(barrier.wait().is_ok());
            assert!(hear(&answers, 1)[0].is_ok());
            join_all(vec![other, next]);
        }
    });
}

fn signal(party: &Party, signal: Signal) {
    let Party::Process(process) = party else { unreachable!("processes alone are stopped") };
    let process = pidfd::open(process.pid()).unwrap();
    pidfd::signal(process.as_fd(), signal).unwrap();
}

/// BAR-14, BAR-15
#[test]
fn a_party_that_has_not_left_hears_of_a_reset_and_of_an_abort_and_the_early_of_an_abort_alone() {
    in_processes(|method| {
        let mode = Mode::Processes(method);
        for abort in [false, true] {
            let (barrier, answers) = setting(2);
            let early: Answers = Queue::bounded(1).unwrap();
            let slow = mode.start(wait_once, (barrier.clone(), answers.clone()));
            until(|| barrier.waiting() == 1);
            signal(&slow, Signal::STOP);
            // It has come, and cannot leave.
            assert_eq!(barrier.wait(), Ok(BarrierWait { index: 1 }));
            assert_eq!(barrier.try_wait(), Err(TryBarrierError::NotYet));
            let next = {
                let place: Queue<String> = Queue::bounded(1).unwrap();
                let wait = |(barrier, early, place): (Barrier, Answers, Queue<String>)| {
                    place.put(here()).unwrap();
                    wait_once((barrier, early));
                };
                let next = mode.start(wait, (barrier.clone(), early.clone(), place.clone()));
                until_asleep(&place.get_timeout(LONG).unwrap());
                next
            };
            if abort {
                barrier.abort();
                assert_eq!(hear(&early, 1), [Err(BrokenBarrier::Aborted.to_string())]);
                signal(&slow, Signal::CONT);
                assert_eq!(hear(&answers, 1), [Err(BrokenBarrier::Aborted.to_string())]);
            } else {
                barrier.reset();
                signal(&slow, Signal::CONT);
                assert_eq!(hear(&answers, 1), [Err(BrokenBarrier::Reset.to_string())]);
                assert!(early.is_empty());
                assert!(barrier.wait().is_ok());
                assert!(hear(&early, 1)[0].is_ok());
            }
            join_all(vec![slow, next]);
        }
    });
}

/// GAP-07
#[test]
fn the_others_hear_of_a_killed_party_before_their_time_out() {
    in_processes(|method| {
        let mode = Mode::Processes(method);
        for _ in 0..mode.rounds() {
            let (barrier, answers) = setting(3);
            let wait = |(barrier, answers): (Barrier, Answers)| {
                answers.put(told(barrier.wait_timeout(LONG * 10))).unwrap();
            };
            let mut parties = mode.start_many(2, wait, &(barrier.clone(), answers.clone()));
            until(|| barrier.waiting() == 2);
            let begin = Instant::now();
            signal(&parties[0], Signal::KILL);
            assert_eq!(hear(&answers, 1), [Err(BrokenBarrier::Died.to_string())]);
            assert!(begin.elapsed() < LONG);
            assert_eq!(barrier.wait_timeout(Duration::ZERO), Err(BrokenBarrier::Died));
            assert!(parties.pop().unwrap().ended_well());
            assert!(!parties.pop().unwrap().ended_well());
            barrier.reset();
            let next = mode.start_many(2, wait, &(barrier.clone(), answers.clone()));
            assert!(barrier.wait().is_ok());
            assert!(hear(&answers, 2).iter().all(Result::is_ok));
            join_all(next);
        }
    });
}
