//! Arrays between processes: what a child changes, and what a death leaves.
#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::time::{Duration, Instant};

use brigade_shm::testing::{Ended, alone, at_every_step, end_here, run, start};
use brigade_shm::{Arena, Array, Plain};

#[test]
fn a_child_computes_prefix_sums_in_place() {
    let _alone = alone();
    let array = Array::from_slice(&[680_i32, 626, 934, 821, 150, 233, 548, 982, 714, 831]).unwrap();
    let ended = run(|| {
        for index in 1..array.len() {
            array.set(index, array.get(index - 1).unwrap() + array.get(index).unwrap()).unwrap();
        }
    });
    assert_eq!(ended, Ended::Code(0));
    let sums = [680, 1306, 2240, 3061, 3211, 3444, 3992, 4974, 5688, 6519];
    assert_eq!(array.to_vec(), sums);
}

#[test]
fn a_child_doubles_every_kind_of_element() {
    let _alone = alone();
    let floats = Array::from_slice(&[0.0_f64, 1.0, 2.0]).unwrap();
    let longs = Array::from_slice(&[1_i64 << 33]).unwrap();
    let records = Array::from_slice(&[[1.0_f32, 2.0, 3.0]; 2]).unwrap();
    let text = Array::from_slice(b"hello").unwrap();
    let ended = run(|| {
        (0..3).for_each(|index| floats.update(index, |value| *value *= 2.0).unwrap());
        longs.fetch_add(0, 1 << 33).unwrap();
        for index in 0..2 {
            records.update(index, |row| row.iter_mut().for_each(|value| *value *= 2.0)).unwrap();
        }
        text.copy_from_slice(0, b"HELLO").unwrap();
    });
    assert_eq!(ended, Ended::Code(0));
    assert_eq!(floats.to_vec(), [0.0, 2.0, 4.0]);
    assert_eq!(longs.get(0), Some(1 << 34));
    assert_eq!(records.to_vec(), [[2.0, 4.0, 6.0]; 2]);
    assert_eq!(text.to_vec(), b"HELLO");
}

#[test]
fn a_death_in_any_step_leaves_each_element_old_or_new() {
    let _alone = alone();
    let array = Array::from_slice(&[[0_u64; 4]; 3]).unwrap();
    let mut last = vec![[0; 4]; 3];
    let deaths = at_every_step(
        || {
            array.set(1, [1; 4]).unwrap();
            array.update(1, |row| *row = [2; 4]).unwrap();
            array.copy_from_slice(0, &[[3; 4], [4; 4], [5; 4]]).unwrap();
        },
        |_| {
            last = array.to_vec();
            assert!(last.iter().all(|row| *row == [row[0]; 4]));
            let first: Vec<_> = last.iter().map(|row| row[0]).collect();
            let stages = [[0, 0, 0], [0, 1, 0], [0, 2, 0], [3, 2, 0], [3, 4, 0], [3, 4, 5]];
            assert!(stages.iter().any(|stage| *stage == first[..]), "{first:?}");
            array.fill([0; 4]);
            assert_eq!(array.to_vec(), [[0; 4]; 3]);
        },
    );
    assert!(deaths >= 50, "each word is a step, twice");
    assert_eq!(last, [[3; 4], [4; 4], [5; 4]]);
}

#[test]
fn a_death_inside_an_update_leaves_the_element_and_the_lock() {
    let _alone = alone();
    let array = Array::from_slice(&[[1_u64; 2]]).unwrap();
    let ended = run(|| {
        array
            .update(0, |row| {
                *row = [9; 2];
                end_here();
            })
            .unwrap();
    });
    assert_eq!(ended, Ended::Signal(9));
    assert_eq!(array.get(0), Some([1; 2]));
    assert_eq!(array.update(0, |row| row[0]).unwrap(), 1);
}

fn dies_at_once<T: Plain + PartialEq + std::fmt::Debug>(make: impl Fn(u64) -> T) {
    // Enough for a note, and too much for one.
    for length in [3, 40] {
        let start: Vec<_> = (0..length).map(&make).collect();
        let array = Array::from_slice(&start).unwrap();
        let mut stages = vec![start.clone(); 3];
        stages[1..].iter_mut().for_each(|stage| stage.swap(0, 2));
        stages[2].iter_mut().for_each(|value| *value = make(9));
        let deaths = at_every_step(
            || {
                array.swap(0, 2).unwrap();
                array.update_all(|values| values.fill(make(9))).unwrap();
            },
            |came_through| {
                // Whoever reads without the lock sees what was committed, too.
                let read: Vec<_> = array.iter().collect();
                assert!(stages.contains(&read), "{read:?}");
                assert_eq!(array.to_vec(), read);
                assert!(!came_through || Some(&read) == stages.last());
                // What is set after the change stays.
                array.set(1, make(5)).unwrap();
                array.update(0, |_| ()).unwrap();
                assert_eq!(array.get(1), Some(make(5)));
                array.copy_from_slice(0, &start).unwrap();
            },
        );
        assert!(deaths >= 25, "only {deaths} steps");
    }
}

#[test]
fn a_death_in_any_step_leaves_all_of_a_change_of_several_elements_or_nothing() {
    let _alone = alone();
    let arena = Arena::program().unwrap();
    arena.bury_the_dead();
    let before = arena.used().unwrap();
    dies_at_once(|number| number as u16);
    dies_at_once(|number| number);
    dies_at_once(|number| [number; 2]);
    arena.bury_the_dead();
    assert_eq!(arena.used().unwrap(), before);
}

#[test]
fn children_killed_at_random_leave_the_sum_of_all_accounts_as_it_was() {
    const ROUNDS: u64 = 150;
    let _alone = alone();
    let arena = Arena::program().unwrap();
    arena.bury_the_dead();
    let before = arena.used().unwrap();
    let small = Array::from_slice(&[1_000_u32; 30]).unwrap();
    let large = Array::from_slice(&[[1_000_i64; 2]; 30]).unwrap();
    let work = |seed: u64| {
        for number in seed.. {
            let pick = |stride| (number * stride % 30) as usize;
            small
                .update_all(|values| {
                    let amount = values[pick(7)].min(5);
                    values[pick(7)] -= amount;
                    values[pick(11)] += amount;
                })
                .unwrap();
            small.swap(pick(13), pick(17)).unwrap();
            large.update_all(|values| values.rotate_left(pick(3))).unwrap();
            let both = |values: &mut [[i64; 2]]| {
                values[pick(7)][0] += 1;
                values[pick(11)][1] -= 1;
            };
            large.update_all(both).unwrap();
            if number % 50 == 0 {
                small.sort().unwrap();
            }
        }
    };
    let check = || {
        assert_eq!(small.to_vec().iter().sum::<u32>(), 30_000);
        assert_eq!(large.to_vec().as_flattened().iter().sum::<i64>(), 60_000);
    };
    for round in 0..ROUNDS {
        let children = [0, 1].map(|child| start(move || work(round + child * 333)));
        let instant = Duration::from_micros(round * 7_919 % 4_000);
        let began = Instant::now();
        // Somebody reads all the while.
        while began.elapsed() < instant {
            check();
        }
        children.into_iter().for_each(|child| child.kill());
        let one_by_one: Vec<_> = small.iter().collect();
        assert_eq!(small.to_vec(), one_by_one);
        check();
    }
    assert_ne!(large.to_vec(), [[1_000; 2]; 30], "the children did something");
    drop((small, large));
    arena.bury_the_dead();
    assert_eq!(arena.used().unwrap(), before);
}
