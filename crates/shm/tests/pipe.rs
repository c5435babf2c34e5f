//! What is heard at one end of a pipe when the process at the other has gone.

#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::fs;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use brigade_shm::pipe::RecvError;
use brigade_shm::testing::{Ended, alone, end_here, start};
use brigade_shm::{Connection, Event, one_way_pipe, pipe};

const SOON: Duration = Duration::from_secs(10);

fn park() {
    loop {
        std::thread::park();
    }
}

/// CON-08, GAP-28.
#[test]
fn an_end_in_another_process_is_heard_to_go_however_it_went() {
    let _alone = alone();
    for killed in [true, false] {
        let siblings: Vec<_> = (0..3).map(|_| start(park)).collect();
        let (ours, theirs) = pipe::<u32>().unwrap();
        let child = start(|| {
            theirs.send(theirs.recv().unwrap() + 1).unwrap();
            if killed {
                park();
            }
        });
        drop(theirs);
        ours.send(1).unwrap();
        assert_eq!(ours.recv_timeout(SOON).unwrap(), 2);
        if killed {
            child.kill();
        } else {
            assert_eq!(child.join(), Ended::Code(0));
        }
        assert!(matches!(ours.recv_timeout(SOON), Err(RecvError::Ended)));
        drop(siblings);
    }
}

/// Waits until the thread sleeps in the kernel.
fn wait_until_asleep(thread: &str) {
    let state = || fs::read_to_string(format!("/proc/{thread}/stat")).unwrap();
    while !state().rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S')) {
        std::thread::yield_now();
    }
}

/// CON-08: the sleeper has never seen the process that it waits for.
#[test]
fn an_end_that_moves_while_the_other_side_sleeps_is_heard_to_go() {
    let _alone = alone();
    let (courier, post) = pipe::<Connection<u32>>().unwrap();
    for _ in 0..10 {
        let take = Event::new().unwrap();
        let child = start(|| {
            take.wait();
            let _end = post.recv().unwrap();
            end_here();
        });
        let (ours, theirs) = one_way_pipe::<u32>().unwrap();
        courier.send(theirs).unwrap();
        let (name, thread) = mpsc::channel();
        let (heard, elapsed) = std::thread::scope(|scope| {
            let sleeper = scope.spawn(move || {
                let begin = Instant::now();
                name.send(fs::read_link("/proc/thread-self").unwrap()).unwrap();
                (ours.recv_timeout(SOON), begin.elapsed())
            });
            wait_until_asleep(thread.recv().unwrap().to_str().unwrap());
            take.set();
            sleeper.join().unwrap()
        });
        assert!(matches!(heard, Err(RecvError::Ended)));
        assert!(elapsed < SOON, "heard only because it looked again in the end");
        assert_eq!(child.join(), Ended::Signal(9));
    }
}
