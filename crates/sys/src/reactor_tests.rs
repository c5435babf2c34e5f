#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::sync::atomic::Ordering::Relaxed;

use super::*;
use crate::bell::Bell;

/// A number that can be waited for to become something else than zero.
struct Number {
    bell: &'static Bell,
    number: AtomicU32,
}

impl Number {
    fn new() -> Arc<Self> {
        let bell = Box::leak(Box::default());
        Arc::new(Self { bell, number: AtomicU32::new(0) })
    }

    fn set(&self, number: u32) {
        self.bell.ring_all_after(|| self.number.store(number, Relaxed));
    }

    /// Takes one away, if there is one.
    fn take(&self) -> bool {
        self.number.fetch_update(Relaxed, Relaxed, |number| number.checked_sub(1)).is_ok()
    }
}

impl Waitable for Number {
    fn is_ready(&self) -> bool {
        self.number.load(Relaxed) != 0
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.bell.prepare(sleep);
    }
}

/// The number as one waits for it.
struct Waited(Arc<Number>);

impl Waitable for Waited {
    fn is_ready(&self) -> bool {
        self.0.is_ready()
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        self.0.prepare(sleep);
    }
}

#[test]
fn a_future_is_done_when_its_object_is_ready() {
    for _ in 0..200 {
        let number = Number::new();
        std::thread::scope(|scope| {
            scope.spawn(|| block_on(ready(Waited(Arc::clone(&number)))));
            number.set(1);
        });
    }
}

#[test]
fn whoever_is_quicker_takes_it_and_the_others_wait_on() {
    const TASKS: u32 = 20;
    let number = Number::new();
    let taken = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..TASKS {
            scope.spawn(|| {
                block_on(async {
                    while !number.take() {
                        ready(Waited(Arc::clone(&number))).await;
                    }
                });
                taken.fetch_add(1, Relaxed);
            });
        }
        for round in 1..=TASKS {
            number.bell.ring_all_after(|| number.number.fetch_add(1, Relaxed));
            while taken.load(Relaxed) < round {
                std::thread::yield_now();
            }
        }
    });
    assert_eq!(taken.load(Relaxed), TASKS);
}

#[test]
fn a_future_that_is_dropped_lets_go_of_its_object() {
    for _ in 0..50 {
        let number = Number::new();
        let mut future = ready(Waited(Arc::clone(&number)));
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut future).poll(&mut context).is_pending());
        drop(future);
        let deadline = Deadline::after(Duration::from_secs(10));
        while Arc::strong_count(&number) > 1 {
            assert!(!deadline.is_past(), "the thread keeps the object");
            std::thread::yield_now();
        }
    }
}
