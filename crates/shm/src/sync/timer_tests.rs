#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::sync::mpsc;
use std::time::Instant;

use super::*;

const SHORT: Duration = Duration::from_millis(10);
const LONG: Duration = Duration::from_secs(3_600);

/// FIN-04.
#[test]
fn two_timers_run_once_each_with_what_they_were_given_and_not_too_early() {
    let (sender, receiver) = mpsc::channel();
    let began = Instant::now();
    let timers = [("first", 1), ("second", 2)].map(|(name, delay)| {
        let sender = sender.clone();
        Timer::start(SHORT * delay, move || sender.send((name, delay)).unwrap()).unwrap()
    });
    drop(sender);
    assert_eq!(receiver.recv(), Ok(("first", 1)));
    assert!(began.elapsed() >= SHORT);
    assert_eq!(receiver.recv(), Ok(("second", 2)));
    assert!(began.elapsed() >= SHORT * 2);
    for timer in timers {
        assert!(!timer.cancel());
        timer.join().unwrap();
    }
    assert!(receiver.recv().is_err(), "each has run once");
}

#[test]
fn a_timer_that_is_cancelled_never_runs_and_is_over() {
    let timer = Timer::start(LONG, || panic!("it was cancelled")).unwrap();
    assert!(!timer.is_over() && !timer.join_timeout(SHORT));
    assert!(timer.cancel());
    assert!(!timer.cancel(), "once is enough");
    assert!(timer.join_timeout(LONG) && timer.is_over());
    timer.join().unwrap();
}

#[test]
fn of_a_timer_and_its_cancel_at_once_one_wins() {
    for round in 0..200 {
        let (sender, receiver) = mpsc::channel();
        let delay = Duration::from_micros(round);
        let timer = Timer::start(delay, move || sender.send(()).unwrap()).unwrap();
        let began = Instant::now();
        while began.elapsed() < delay {
            std::hint::spin_loop();
        }
        let cancelled = timer.cancel();
        timer.join().unwrap();
        assert_eq!(receiver.recv().is_ok(), !cancelled);
    }
}

#[test]
fn a_timer_runs_on_when_it_is_dropped_and_tells_of_a_panic_when_it_is_joined() {
    let (sender, receiver) = mpsc::channel();
    drop(Timer::start(SHORT, move || sender.send(()).unwrap()).unwrap());
    receiver.recv().unwrap();
    let timer = Timer::start(Duration::ZERO, || std::panic::resume_unwind(Box::new("no"))).unwrap();
    assert!(timer.join_timeout(LONG));
    assert_eq!(timer.join().unwrap_err().downcast_ref(), Some(&"no"));
}
