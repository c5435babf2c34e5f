use std::hint;
use std::time::Duration;

use crate::memory::{Mapping, create};
use crate::test_processes::{Child, die};

use super::*;

/// A bell and two counters beside it: items there, and items taken.
struct Items {
    bell: &'static Bell,
    put: &'static AtomicU32,
    taken: &'static AtomicU32,
}

impl Items {
    fn new() -> Self {
        let mapping = Mapping::new(create("bell-test", 4096).expect("memory"), 4096).expect("map");
        Self {
            bell: mapping.get(0).expect("aligned"),
            put: mapping.get(64).expect("aligned"),
            taken: mapping.get(128).expect("aligned"),
        }
    }

    fn put(&self) {
        self.bell.ring_after(|| self.put.fetch_add(1, Relaxed));
    }

    fn take(&self, deadline: Deadline) -> bool {
        loop {
            let there = || (self.taken.load(Relaxed) < self.put.load(Relaxed)).then_some(());
            if self.bell.wait(deadline, there, |_| ()).is_none() {
                return false;
            }
            let taken = self.taken.load(Relaxed);
            if taken < self.put.load(Relaxed)
                && self.taken.compare_exchange(taken, taken + 1, Relaxed, Relaxed).is_ok()
            {
                return true;
            }
        }
    }
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(10))
}

#[test]
fn a_wait_without_a_ring_times_out() {
    let items = Items::new();
    assert!(!items.take(Deadline::after(Duration::from_millis(10))));
    items.put();
    assert!(items.take(soon()));
}

#[test]
fn every_item_wakes_a_taker() {
    let items = Items::new();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    assert!(items.take(soon()));
                }
            });
        }
        for _ in 0..6_000 {
            items.put();
        }
    });
}

#[test]
fn a_ringer_killed_right_after_its_change_has_rung() {
    for _ in 0..50 {
        let items = Items::new();
        let bell = items.bell;
        std::thread::scope(|scope| {
            let taker = scope.spawn(|| items.take(soon()));
            // Killed only once the taker has armed: before that, it would see the change itself.
            while bell.word.load(Relaxed) == 0 {
                std::thread::yield_now();
            }
            Child::run(|| {
                bell.ring_after(|| {
                    items.put.fetch_add(1, Relaxed);
                    die();
                });
            })
            .join();
            assert!(taker.join().expect("no panic"));
        });
    }
}

#[test]
fn takers_killed_at_random_swallow_no_wake_up() {
    for round in 0..100_u64 {
        let items = Items::new();
        let victims: Vec<_> = (0..2).map(|_| Child::run(|| while items.take(soon()) {})).collect();
        std::thread::scope(|scope| {
            let survivor = scope.spawn(|| {
                let mut count = 0;
                while items.put.load(Relaxed) < 40 || count < 1 {
                    if items.taken.load(Relaxed) >= 40 {
                        break;
                    }
                    count += u32::from(items.take(Deadline::after(Duration::from_millis(500))));
                }
            });
            for victim in victims {
                for _ in 0..20 {
                    items.put();
                    for _ in 0..round * 7 {
                        hint::spin_loop();
                    }
                }
                victim.kill();
            }
            while items.taken.load(Relaxed) < items.put.load(Relaxed) {
                assert!(items.take(soon()), "an item is there and nobody was woken");
            }
            survivor.join().expect("no panic");
        });
    }
}
