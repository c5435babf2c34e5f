use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::atomic::AtomicBool;

use crate::bell::Bell;
use crate::memory::{Mapping, create};

use super::*;

struct Flag {
    bell: &'static Bell,
    set: AtomicBool,
}

impl Flag {
    fn new() -> Self {
        let mapping = Mapping::new(create("wait-test", 4096).expect("memory"), 4096).expect("map");
        Self { bell: mapping.get(0).expect("aligned"), set: AtomicBool::new(false) }
    }

    fn set(&self) {
        self.bell.ring_all_after(|| self.set.store(true, Relaxed));
    }
}

impl Waitable for Flag {
    fn is_ready(&self) -> bool {
        self.set.load(Relaxed)
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.bell.prepare(sleep);
    }
}

struct Stream(UnixStream);

impl Waitable for Stream {
    fn is_ready(&self) -> bool {
        let mut polled = [PollFd::new(&self.0, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut polled, Some(&now)).is_ok_and(|ready| ready > 0)
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        sleep.descriptor(self.0.as_fd());
    }
}

#[test]
fn nothing_is_ready_before_the_deadline_and_everything_that_is_comes_back() {
    let (one, two) = (Flag::new(), Flag::new());
    let (reader, mut writer) = UnixStream::pair().expect("a pair");
    let reader = Stream(reader);
    let objects: [&dyn Waitable; 3] = [&one, &two, &reader];
    for count in 1..=3 {
        let deadline = Deadline::after(Duration::from_millis(10));
        assert_eq!(wait(&objects[3 - count..], deadline), Vec::<usize>::new());
        assert!(deadline.is_past());
    }
    two.set();
    writer.write_all(b"x").expect("written");
    assert_eq!(wait(&objects, Deadline::NEVER), [1, 2]);
    assert_eq!(wait(&[], Deadline::after(Duration::from_millis(1))), Vec::<usize>::new());
}

#[test]
fn a_change_ends_the_sleep_whichever_object_it_comes_from() {
    for round in 0..60 {
        let (one, two) = (Flag::new(), Flag::new());
        let (reader, mut writer) = UnixStream::pair().expect("a pair");
        let reader = Stream(reader);
        std::thread::scope(|scope| {
            scope.spawn(|| match round % 3 {
                0 => one.set(),
                1 => two.set(),
                _ => writer.write_all(b"x").expect("written"),
            });
            let ready = wait(&[&one, &two, &reader], Deadline::after(Duration::from_secs(10)));
            assert_eq!(ready, [round % 3]);
        });
    }
}

#[test]
fn a_selector_and_a_plain_waiter_both_learn_of_a_change() {
    for _ in 0..100 {
        let flag = Flag::new();
        let other = Flag::new();
        std::thread::scope(|scope| {
            let selector =
                scope.spawn(|| wait(&[&other, &flag], Deadline::after(Duration::from_secs(10))));
            let waiter = scope.spawn(|| {
                flag.bell.wait(
                    Deadline::after(Duration::from_secs(10)),
                    || flag.is_ready().then_some(()),
                    |_| (),
                )
            });
            flag.set();
            assert_eq!(selector.join().expect("no panic"), [1]);
            assert!(waiter.join().expect("no panic").is_some());
        });
    }
}

struct Free(&'static RobustLock);

impl Waitable for Free {
    fn is_ready(&self) -> bool {
        !self.0.is_held()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        sleep.lock(self.0);
    }
}

#[test]
fn one_who_waits_for_a_lock_to_be_free_takes_the_wake_up_from_nobody_who_wants_it() {
    let mapping = Mapping::new(create("lock-test", 4096).expect("memory"), 4096).expect("map");
    let lock: &RobustLock = mapping.get(0).expect("aligned");
    let mut slow = 0;
    for _ in 0..100 {
        let _ = lock.lock(Deadline::NEVER);
        let began = std::time::Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| assert_eq!(wait(&[&Free(lock)], Deadline::NEVER), [0]));
                scope.spawn(|| {
                    let _ = lock.lock(Deadline::NEVER);
                    lock.unlock();
                });
            }
            // Until all four sleep, more often than not.
            while began.elapsed() < Duration::from_millis(2) {
                std::thread::yield_now();
            }
            lock.unlock();
        });
        slow += u32::from(began.elapsed() > Duration::from_millis(150));
    }
    assert!(slow < 20, "{slow} of 100 times somebody was woken by the clock alone");
}
