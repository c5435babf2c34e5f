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

/// What may be missing: the sleep on several words, the fences on other processors, or both.
const MISSING: [&[libc::c_long]; 3] = [
    &[libc::SYS_futex_waitv],
    &[libc::SYS_membarrier],
    &[libc::SYS_futex_waitv, libc::SYS_membarrier],
];

#[test]
fn the_doctor_says_what_is_used_instead() {
    let _alone = alone();
    for missing in MISSING {
        let ended = run(|| {
            without_calls(missing);
            let report = doctor::examine();
            assert!(report.is_sound() && !report.is_best(), "{report}");
            let slower = |outcome: &Outcome| matches!(outcome, Outcome::Slower(_));
            let findings = report.findings.iter().filter(|it| slower(&it.outcome));
            assert_eq!(findings.count(), missing.len());
        });
        assert_eq!(ended, Ended::Code(0));
    }
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
    for missing in MISSING.into_iter().cycle().take(6) {
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
            without_calls(missing);
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
    for missing in MISSING {
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
            without_calls(missing);
            assert!(semaphore.acquire_timeout(SOON).is_some());
            assert!(matches!(lock.lock_timeout(SOON), Err(LockTimeoutError::OwnerDied(_))));
        });
        holder.kill();
        assert_eq!(waiter.join(), Ended::Code(0));
    }
}

#[test]
fn several_things_are_waited_for_together() {
    let _alone = alone();
    for missing in MISSING {
        let queues: Vec<_> = (0..3).map(|_| Queue::<u32>::bounded(2).unwrap()).collect();
        let putter = start(|| {
            for round in 0..30 {
                queues[round % 3].put(round as u32).unwrap();
            }
        });
        let ended = run(|| {
            without_calls(missing);
            let all: Vec<&dyn Waitable> = queues.iter().map(|queue| queue as _).collect();
            let mut taken = 0;
            while taken < 30 {
                for ready in wait(&all, Deadline::after(SOON)) {
                    taken += usize::from(queues[ready].try_get().is_ok());
                }
            }
        });
        assert_eq!(ended, Ended::Code(0));
        assert_eq!(putter.join(), Ended::Code(0));
    }
}

#[test]
fn processes_with_and_without_fences_on_other_processors_wake_each_other() {
    let _alone = alone();
    // Who lacks them, of the one who puts and the one who takes: either, and both.
    let lacks: &[libc::c_long] = &[libc::SYS_membarrier];
    for (puts, takes) in [(lacks, &[][..]), (&[], lacks), (lacks, lacks)] {
        let [there, back] = [(); 2].map(|()| Queue::<u32>::bounded(1).unwrap());
        let echo = start(|| {
            without_calls(takes);
            for number in 0..300 {
                assert_eq!(there.get_timeout(SOON).unwrap(), number);
                back.put_timeout(number, SOON).unwrap();
            }
        });
        let ended = run(|| {
            without_calls(puts);
            for number in 0..300 {
                there.put_timeout(number, SOON).unwrap();
                assert_eq!(back.get_timeout(SOON).unwrap(), number);
            }
        });
        assert_eq!((ended, echo.join()), (Ended::Code(0), Ended::Code(0)));
    }
}
