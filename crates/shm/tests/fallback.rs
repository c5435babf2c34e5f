//! Kernels and sandboxes that lack something: everything goes on, only more slowly.
#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::time::Duration;

use brigade_shm::sync::LockTimeoutError;
use brigade_shm::testing::{Ended, alone, run, start};
use brigade_shm::{Event, GetError, Lock, Queue, Semaphore};
use brigade_sys::doctor::{self, Outcome};
use brigade_sys::test_processes::without_calls;
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Waitable, wait};

const SOON: Duration = Duration::from_secs(10);

fn park() {
    loop {
        std::thread::park();
    }
}

/// Runs `body` in a process whose kernel has no sleep on several words.
fn run_without_wait_any(body: impl FnOnce()) {
    let ended = run(|| {
        without_calls(&[libc::SYS_futex_waitv]);
        body();
    });
    assert_eq!(ended, Ended::Code(0));
}

#[test]
fn the_doctor_says_what_is_used_instead() {
    let _alone = alone();
    let ended = run(|| {
        without_calls(&[libc::SYS_futex_waitv]);
        let report = doctor::examine();
        assert!(report.is_sound() && !report.is_best(), "{report}");
        let slower = |outcome: &Outcome| matches!(outcome, Outcome::Slower(_));
        assert_eq!(report.findings.iter().filter(|it| slower(&it.outcome)).count(), 1);
    });
    assert_eq!(ended, Ended::Code(0));
}

#[test]
fn the_doctor_says_that_the_promise_is_not_kept_without_descriptors_of_processes() {
    let _alone = alone();
    let ended = run(|| {
        without_calls(&[libc::SYS_pidfd_open]);
        assert!(!doctor::examine().is_sound());
    });
    assert_eq!(ended, Ended::Code(0));
}

#[test]
fn a_consumer_hears_of_the_death_of_the_last_producer() {
    let _alone = alone();
    for _ in 0..5 {
        let queue = Queue::<u32>::bounded(4).unwrap();
        let held = Event::new().unwrap();
        let producer = start(|| {
            let producer = queue.producer().unwrap();
            producer.put(1).unwrap();
            held.set();
            park();
        });
        assert!(held.wait_timeout(SOON));
        let begun = Event::new().unwrap();
        let consumer = start(|| {
            without_calls(&[libc::SYS_futex_waitv]);
            assert_eq!(queue.get().unwrap(), 1);
            begun.set();
            assert!(matches!(queue.get(), Err(GetError::Closed)));
        });
        assert!(begun.wait_timeout(SOON));
        producer.kill();
        assert_eq!(consumer.join(), Ended::Code(0));
    }
}

#[test]
fn permits_and_locks_of_the_dead_come_back() {
    let _alone = alone();
    let semaphore = Semaphore::new(1).unwrap();
    let lock = Lock::new(0_u8).unwrap();
    let held = Event::new().unwrap();
    let holder = start(|| {
        let _permit = semaphore.acquire();
        let _guard = lock.lock().unwrap();
        held.set();
        park();
    });
    assert!(held.wait_timeout(SOON));
    let waiter = start(|| {
        without_calls(&[libc::SYS_futex_waitv]);
        assert!(semaphore.acquire_timeout(SOON).is_some());
        assert!(matches!(lock.lock_timeout(SOON), Err(LockTimeoutError::OwnerDied(_))));
    });
    holder.kill();
    assert_eq!(waiter.join(), Ended::Code(0));
}

#[test]
fn several_things_are_waited_for_together() {
    let _alone = alone();
    let queues: Vec<_> = (0..3).map(|_| Queue::<u32>::bounded(2).unwrap()).collect();
    let putter = start(|| {
        for round in 0..30 {
            queues[round % 3].put(round as u32).unwrap();
        }
    });
    run_without_wait_any(|| {
        let all: Vec<&dyn Waitable> = queues.iter().map(|queue| queue as _).collect();
        let mut taken = 0;
        while taken < 30 {
            for ready in wait(&all, Deadline::after(SOON)) {
                taken += usize::from(queues[ready].try_get().is_ok());
            }
        }
    });
    assert_eq!(putter.join(), Ended::Code(0));
}
