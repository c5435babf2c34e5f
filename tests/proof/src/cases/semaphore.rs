//! The semaphore.

use std::time::Duration;

use brigade_shm::Semaphore;
use brigade_sys::stepping::through;

use super::{Case, SOON, case};
use crate::shared::Gate;
use crate::steps::Steps;

pub(super) const CASES: &[Case] = &[
    case("semaphore: acquire", "alone", acquire),
    case("semaphore: acquire", "others hold all", acquire_late),
    case("semaphore: acquire", "others hold all, another waits", acquire_beside_another),
    case("semaphore: acquire with a time-out", "nobody releases", acquire_in_vain),
    case("semaphore: give a permit back", "alone", give_back),
    case("semaphore: give a permit back", "another waits", give_back_awaited),
    case("semaphore: give a permit back", "two others wait", give_two_back_awaited),
    case("semaphore: forget a permit", "alone", forget),
    case("semaphore: release", "alone", release),
    case("semaphore: release", "another waits", release_awaited),
];

/// All permits can be had, and no more.
fn check(semaphore: &Semaphore, permits: u32) {
    let all: Vec<_> =
        (0..permits).map(|_| semaphore.acquire_timeout(SOON).expect("a permit is lost")).collect();
    assert!(semaphore.try_acquire().is_none(), "there is a permit too many");
    drop(all);
    assert_eq!(semaphore.available(), permits);
}

fn acquire(steps: &mut Steps) {
    let semaphore = Semaphore::new(2).unwrap();
    steps.of(|| drop(through(|| semaphore.acquire()))).check(|_| check(&semaphore, 2));
}

fn acquire_late(steps: &mut Steps) {
    let (semaphore, gate) = (Semaphore::new(1).unwrap(), Gate::new());
    steps
        .of(|| drop(through(|| semaphore.acquire())))
        .after(|| gate.close())
        .beside(|| {
            let _permit = semaphore.acquire();
            gate.wait();
        })
        .release(|| gate.open())
        .check(|_| check(&semaphore, 1));
}

fn acquire_beside_another(steps: &mut Steps) {
    let (semaphore, gate) = (Semaphore::new(1).unwrap(), Gate::new());
    steps
        .of(|| drop(through(|| semaphore.acquire())))
        .after(|| gate.close())
        .beside(|| {
            let _permit = semaphore.acquire();
            gate.wait();
        })
        .awaited_by(|| drop(semaphore.acquire()))
        .release(|| gate.open())
        .check(|_| check(&semaphore, 1));
}

fn acquire_in_vain(steps: &mut Steps) {
    let semaphore = Semaphore::new(0).unwrap();
    steps
        .of(|| {
            let permit = through(|| semaphore.acquire_timeout(Duration::from_millis(2)));
            assert!(permit.is_none());
        })
        .check(|_| check(&semaphore, 0));
}

fn give_back(steps: &mut Steps) {
    let semaphore = Semaphore::new(2).unwrap();
    steps
        .of(|| {
            let permit = semaphore.acquire();
            through(|| drop(permit));
        })
        .check(|_| check(&semaphore, 2));
}

fn give_back_awaited(steps: &mut Steps) {
    let semaphore = Semaphore::new(1).unwrap();
    steps
        .of(|| {
            let permit = semaphore.acquire();
            through(|| drop(permit));
        })
        .awaited_by(|| drop(semaphore.acquire()))
        .check(|_| check(&semaphore, 1));
}

fn give_two_back_awaited(steps: &mut Steps) {
    let semaphore = Semaphore::new(2).unwrap();
    steps
        .of(|| {
            let permits = [semaphore.acquire(), semaphore.acquire()];
            through(|| drop(permits));
        })
        .awaited_by(|| drop(semaphore.acquire()))
        .awaited_by(|| drop(semaphore.acquire()))
        .check(|_| check(&semaphore, 2));
}

fn forget(steps: &mut Steps) {
    let semaphore = Semaphore::new(2).unwrap();
    steps
        .of(|| {
            let permit = semaphore.acquire();
            through(|| permit.forget());
        })
        .check(|_| {
            let one = semaphore.acquire_timeout(SOON).expect("the other permit is nobody's");
            let two = semaphore.try_acquire();
            if two.is_none() {
                semaphore.release(1).unwrap();
            }
            drop((one, two));
            check(&semaphore, 2);
        });
}

fn release(steps: &mut Steps) {
    let semaphore = Semaphore::new(1).unwrap();
    steps.of(|| through(|| semaphore.release(1).unwrap())).check(|_| {
        let one = semaphore.acquire_timeout(SOON).expect("the first permit is nobody's");
        if let Some(two) = semaphore.try_acquire() {
            two.forget();
        }
        drop(one);
        check(&semaphore, 1);
    });
}

fn release_awaited(steps: &mut Steps) {
    let semaphore = Semaphore::new(0).unwrap();
    steps
        .of(|| through(|| semaphore.release(1).unwrap()))
        .awaited_by(|| semaphore.acquire().forget())
        .unless(|| semaphore.available() > 0, || semaphore.release(1).unwrap())
        .check(|_| {
            while let Some(permit) = semaphore.try_acquire() {
                permit.forget();
            }
            check(&semaphore, 0);
        });
}
