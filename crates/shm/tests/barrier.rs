//! What a killed process leaves at a barrier: nobody who waits for it.
#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::time::{Duration, Instant};

use brigade_shm::sync::BrokenBarrier;
use brigade_shm::testing::{Child, Ended, alone, at_once, start};
use brigade_shm::{Barrier, Event, Queue};
use brigade_sys::kill_point::arm;

const SOON: Duration = Duration::from_secs(10);

/// How many come to the barrier.
const PARTIES: usize = 4;

fn until_it_rests(child: &Child) {
    let began = Instant::now();
    while !child.rests() {
        assert!(began.elapsed() < SOON, "it never waits");
        std::thread::yield_now();
    }
}

/// Starts a child and waits until it has begun with `body`, and does nothing more by itself.
fn start_to_rest(body: impl FnOnce()) -> Child {
    let begun = Event::new().unwrap();
    let child = start(|| {
        begun.set();
        body();
    });
    assert!(begun.wait_timeout(SOON));
    until_it_rests(&child);
    child
}

/// Whether a party passed, and whether another's death kept it from passing.
type Answer = (bool, bool);

fn answer(barrier: &Barrier) -> Answer {
    let result = barrier.wait();
    (result.is_ok(), result == Err(BrokenBarrier::Died))
}

/// Starts a party that says what it was told, and lives on.
fn party(barrier: &Barrier, answers: &Queue<Answer>) -> Child {
    start_to_rest(|| {
        answers.put(answer(barrier)).unwrap();
        Event::new().unwrap().wait();
    })
}

/// What came of a round in which one party was to die.
struct Outcome {
    came_through: bool,
    /// What the others were told: all the same.
    told: Answer,
    /// How long they waited for that when it was clear.
    took: Duration,
}

/// Lets the party that comes as number `place` die at `step`.
fn round(barrier: &Barrier, place: usize, step: u32) -> Outcome {
    let answers = Queue::bounded(PARTIES).unwrap();
    let mut others: Vec<_> = (0..place).map(|_| party(barrier, &answers)).collect();
    let mortal = start_to_rest(|| {
        arm(step);
        let _ = barrier.wait();
        arm(0);
    });
    let (mut all, mut took) = (Vec::new(), Duration::ZERO);
    let mut listen = |number| {
        let began = Instant::now();
        let told = (0..number).map(|_| answers.get_timeout(SOON).expect("one waits on"));
        all.extend(told);
        took += began.elapsed();
    };
    let early = barrier.is_broken();
    if early {
        // At once, and not when somebody comes.
        listen(place);
    }
    others.extend((place + 1..PARTIES).map(|_| party(barrier, &answers)));
    let ended = mortal.join();
    if !barrier.is_broken() && barrier.waiting() == PARTIES - 1 {
        // It died before it came.
        others.push(party(barrier, &answers));
        listen(1);
    }
    listen(PARTIES - 1 - if early { place } else { 0 });
    assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
    others.into_iter().for_each(Child::kill);
    Outcome { came_through: ended == Ended::Code(0), told: all[0], took }
}

/// GAP-07.
#[test]
fn all_others_pass_or_all_are_told_at_once_at_whatever_step_a_party_dies() {
    let _alone = alone();
    let (mut passed, mut told) = (0, 0);
    for place in 0..PARTIES {
        for step in 1.. {
            let mut came_through = false;
            at_once(|| {
                let barrier = Barrier::new(PARTIES).unwrap();
                let outcome = round(&barrier, place, step);
                came_through = outcome.came_through;
                match outcome.told {
                    (true, false) => passed += 1,
                    (false, true) => told += 1,
                    other => panic!("place {place}, step {step}: {other:?}"),
                }
                assert!(!came_through || outcome.told.0);
                assert_eq!(barrier.is_broken(), outcome.told.1);
                barrier.reset();
                // Also if it died while it left the last one.
                let next = round(&barrier, 0, u32::MAX);
                assert!(next.came_through && next.told.0);
                outcome.took
            });
            if came_through {
                assert!(step > 2, "only {step} steps were labelled");
                break;
            }
        }
    }
    assert!(passed >= 12 && told >= 3, "{passed} rounds passed, {told} were broken");
}

/// GAP-07.
#[test]
fn all_others_are_told_at_once_when_one_that_sleeps_is_killed() {
    let _alone = alone();
    for place in 0..PARTIES - 1 {
        at_once(|| {
            let barrier = Barrier::new(PARTIES).unwrap();
            let answers = Queue::bounded(PARTIES).unwrap();
            let mut parties: Vec<_> = (1..PARTIES).map(|_| party(&barrier, &answers)).collect();
            let began = Instant::now();
            parties.remove(place).kill();
            for _ in 2..PARTIES {
                assert_eq!(answers.get_timeout(SOON).expect("one waits on"), (false, true));
            }
            let took = began.elapsed();
            assert!(barrier.is_broken());
            parties.into_iter().for_each(Child::kill);
            took
        });
    }
}

/// It sleeps elsewhere: only who watches its life can tell.
#[test]
fn all_others_are_told_at_once_when_the_last_is_killed_in_its_action() {
    let _alone = alone();
    at_once(|| {
        let barrier = Barrier::new(PARTIES).unwrap();
        let answers = Queue::bounded(PARTIES).unwrap();
        let others: Vec<_> = (1..PARTIES).map(|_| party(&barrier, &answers)).collect();
        let last = start_to_rest(|| {
            let acting = barrier.clone().with_action(|| Event::new().unwrap().wait());
            assert!(acting.wait().is_err());
        });
        assert_eq!(barrier.waiting(), PARTIES);
        others.iter().for_each(until_it_rests);
        assert!(answers.is_empty());
        let began = Instant::now();
        last.kill();
        for _ in 1..PARTIES {
            assert_eq!(answers.get_timeout(SOON).expect("one waits on"), (false, true));
        }
        let took = began.elapsed();
        others.into_iter().for_each(Child::kill);
        took
    });
}

#[test]
fn a_barrier_can_be_used_at_whatever_step_one_who_resets_or_aborts_it_dies() {
    let _alone = alone();
    let barrier = Barrier::new(2).unwrap();
    let answers = Queue::bounded(1).unwrap();
    let operations: [(&dyn Fn(), _); 2] = [
        (&|| barrier.reset(), BrokenBarrier::Reset),
        (&|| barrier.abort(), BrokenBarrier::Aborted),
    ];
    for (operation, reason) in operations {
        for step in 1.. {
            let waiter = start_to_rest(|| {
                let result = barrier.wait();
                answers.put(result == Err(reason)).unwrap();
                Event::new().unwrap().wait();
            });
            let ended = start(|| {
                arm(step);
                operation();
                arm(0);
            })
            .join();
            if ended == Ended::Code(0) || barrier.waiting() == 0 {
                assert!(answers.get_timeout(SOON).expect("it was turned away and not woken"));
            } else {
                assert!(barrier.wait_timeout(SOON).is_ok());
                assert!(!answers.get_timeout(SOON).unwrap());
            }
            waiter.kill();
            barrier.reset();
            assert!(!barrier.is_broken());
            if ended == Ended::Code(0) {
                break;
            }
        }
    }
}

#[test]
fn parties_killed_at_random_are_told_of_and_leave_a_barrier_that_works() {
    let _alone = alone();
    let barrier = Barrier::new(3).unwrap();
    let take_part = || {
        loop {
            match barrier.wait_timeout(SOON) {
                Ok(_) => {}
                Err(BrokenBarrier::TimedOut) => panic!("nobody came, and nobody died"),
                Err(BrokenBarrier::Reset) => {}
                Err(_) => barrier.reset(),
            }
        }
    };
    let began = Instant::now();
    let mut parties: Vec<_> = (0..3).map(|_| start(take_part)).collect();
    for round in 0_u64.. {
        let instant = Instant::now() + Duration::from_micros(round * 7919 % 3_000);
        while Instant::now() < instant {
            std::hint::spin_loop();
        }
        parties.remove(round as usize % 3).kill();
        parties.push(start(take_part));
        if began.elapsed() > Duration::from_secs(3) {
            break;
        }
    }
    parties.pop().unwrap().kill();
    let mut passed = 0;
    while passed < 100 {
        match barrier.wait_timeout(SOON) {
            Ok(_) => passed += 1,
            Err(BrokenBarrier::TimedOut) => panic!("the others do not come"),
            Err(BrokenBarrier::Reset) => {}
            Err(_) => barrier.reset(),
        }
    }
    parties.into_iter().for_each(Child::kill);
}
