#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use brigade_sys::wait::wait;

use super::super::{GetError, GetTimeoutError, TryGetError};
use super::*;

const SOON: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(10);

#[test]
fn nothing_comes_before_it_is_due_and_all_in_that_order() {
    let queue = DelayQueue::bounded(10).unwrap();
    let began = Instant::now();
    let delays = [40, 10, 30, 20, 10];
    for (number, delay) in delays.into_iter().enumerate() {
        queue.put_after((delay, number), Duration::from_millis(delay)).unwrap();
    }
    queue.put((0, 9)).unwrap();
    assert_eq!(queue.get().unwrap(), (0, 9));
    for expected in [(10, 1), (10, 4), (20, 3), (30, 2), (40, 0)] {
        let (delay, number) = queue.get().unwrap();
        assert_eq!((delay, number), expected);
        assert!(began.elapsed() >= Duration::from_millis(delay));
    }
}

#[test]
fn a_get_waits_as_long_as_it_says_and_no_longer() {
    let queue = DelayQueue::bounded(2).unwrap();
    queue.put_after('x', SOON * 360).unwrap();
    assert_eq!((queue.len(), queue.is_full()), (1, false));
    assert!(matches!(queue.try_get(), Err(TryGetError::Empty)));
    assert!(matches!(queue.get_timeout(SHORT), Err(GetTimeoutError::TimedOut)));
    queue.try_put_after('y', SHORT).unwrap();
    assert!(queue.put_after_timeout('z', SHORT, SHORT).is_err());
    assert_eq!(queue.get_timeout(SOON).unwrap(), 'y');
    queue.put_at('a', Instant::now()).unwrap();
    assert_eq!(queue.get_timeout(SOON).unwrap(), 'a');
    assert!(matches!(queue.put_after_timeout('b', Duration::MAX, SHORT), Ok(())));
    assert!(matches!(queue.get_timeout(SHORT), Err(GetTimeoutError::TimedOut)));
}

#[test]
fn what_is_due_earlier_wakes_who_waits_for_something_later() {
    for round in 0..20 {
        let queue = DelayQueue::bounded(10).unwrap();
        queue.put_after(0, SOON * 360).unwrap();
        std::thread::scope(|scope| {
            let getters = [(); 3].map(|()| scope.spawn(|| queue.get_timeout(SOON).unwrap()));
            for n in 1..=3 {
                let delay = Duration::from_micros(round * 300);
                queue.put_after(n, delay).unwrap();
            }
            let mut got = getters.map(|getter| getter.join().unwrap());
            got.sort_unstable();
            assert_eq!(got, [1, 2, 3]);
        });
        assert_eq!(queue.len(), 1);
    }
}

#[test]
fn the_end_comes_after_what_is_not_due_yet() {
    let queue = DelayQueue::bounded(10).unwrap();
    queue.put_after(1, SHORT).unwrap();
    queue.close();
    assert!(matches!(queue.try_get(), Err(TryGetError::Empty)));
    assert_eq!(queue.get().unwrap(), 1);
    assert!(matches!(queue.get(), Err(GetError::Closed)));
    let queue = DelayQueue::bounded(10).unwrap();
    queue.put_after(1, SHORT).unwrap();
    queue.shutdown_now();
    assert!(matches!(queue.get(), Err(GetError::Closed)));
}

#[test]
fn a_wait_for_several_ends_when_the_first_is_due() {
    let (one, two) = (DelayQueue::bounded(2).unwrap(), DelayQueue::bounded(2).unwrap());
    one.put_after(1, SOON * 360).unwrap();
    let began = Instant::now();
    two.put_after(2, SHORT).unwrap();
    assert_eq!(wait(&[&one, &two], Deadline::after(SOON)), [1]);
    assert!(began.elapsed() >= SHORT);
    assert_eq!(two.get().unwrap(), 2);
}
