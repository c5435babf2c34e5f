//! Values between processes: what a child changes, and what a death leaves.
#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use brigade_shm::Value;
use brigade_shm::testing::{Ended, alone, at_every_step, run};

#[test]
fn a_child_writes_and_the_parent_reads() {
    let _alone = alone();
    let (integer, float, short) =
        (Value::new(7_i32).unwrap(), Value::new(3.5_f64).unwrap(), Value::new(-100_i16).unwrap());
    let (long, character) = (Value::new(1_i64 << 40).unwrap(), Value::new(b'x').unwrap());
    let record = Value::new([1.0_f64, 2.0, 3.0]).unwrap();
    let ended = run(|| {
        assert_eq!((integer.get(), short.get(), character.get()), (7, -100, b'x'));
        integer.update(|value| *value *= 2);
        float.update(|value| *value *= 2.0);
        short.set(short.get() * 2);
        long.update(|value| *value *= 2);
        character.set(b'y');
        record.update(|row| row.iter_mut().for_each(|value| *value *= 2.0));
    });
    assert_eq!(ended, Ended::Code(0));
    assert_eq!((integer.get(), float.get(), short.get()), (14, 7.0, -200));
    assert_eq!((long.get(), character.get()), (1 << 41, b'y'));
    assert_eq!(record.get(), [2.0, 4.0, 6.0]);
}

#[test]
fn additions_of_many_processes_are_all_counted() {
    let _alone = alone();
    let value = Value::new(0_u64).unwrap();
    let large = Value::new([0_u64; 4]).unwrap();
    let children: Vec<_> = (0..4)
        .map(|_| {
            brigade_shm::testing::start(|| {
                for _ in 0..10_000 {
                    value.fetch_add(1);
                    value.update(|count| *count += 1);
                    large.update(|counts| counts[3] += 1);
                }
            })
        })
        .collect();
    for child in children {
        assert_eq!(child.join(), Ended::Code(0));
    }
    assert_eq!(value.get(), 80_000);
    assert_eq!(large.get(), [0, 0, 0, 40_000]);
}

#[test]
fn a_death_in_any_step_leaves_the_old_value_or_the_new_one() {
    let _alone = alone();
    let small = Value::new(1_u32).unwrap();
    let deaths = at_every_step(
        || {
            small.set(2);
            small.update(|value| *value += 1);
            small.fetch_add(1);
            small.swap(5);
            let _ = small.compare_exchange(5, 6);
        },
        |came_through| {
            assert!((1..=6).contains(&small.get()));
            assert!(!came_through || small.get() == 6);
            small.update(|value| *value = 1);
            assert_eq!(small.get(), 1);
        },
    );
    assert!(deaths >= 10);
}

#[test]
fn a_death_in_any_step_never_leaves_half_a_large_value() {
    let _alone = alone();
    let large = Value::new([0_u64; 8]).unwrap();
    let mut seen = Vec::new();
    let deaths = at_every_step(
        || {
            large.set([1; 8]);
            large.update(|value| *value = [2; 8]);
        },
        |_| {
            let found = large.get();
            assert_eq!(found, [found[0]; 8]);
            seen.push(found[0]);
            large.update(|value| *value = [0; 8]);
        },
    );
    assert!(deaths >= 20, "each word is a step");
    assert!(seen.is_sorted(), "a later death leaves a later value");
    assert_eq!((seen[0], seen[seen.len() - 1]), (0, 2));
}

#[test]
fn a_death_inside_an_update_leaves_the_value_and_the_lock() {
    let _alone = alone();
    let (small, large) = (Value::new(1_u64).unwrap(), Value::new([1_u64; 2]).unwrap());
    let ended = run(|| {
        small.update(|value| {
            *value = 9;
            large.update(|value| {
                *value = [9; 2];
                brigade_shm::testing::end_here();
            });
        });
    });
    assert_eq!(ended, Ended::Signal(9));
    assert_eq!((small.get(), large.get()), (1, [1; 2]));
    assert_eq!(small.update(|value| *value), 1);
    assert_eq!(large.update(|value| value[0]), 1);
}
