//! The value and the array.

use brigade_shm::{Array, Value};
use brigade_sys::stepping::{enter, leave, through};

use super::{Case, case};
use crate::shared::Gate;
use crate::steps::{Fate, Steps};

pub(super) const CASES: &[Case] = &[
    case("value: set", "of eight bytes", set_small),
    case("value: set", "of 48 bytes", set_large),
    case("value: get", "of 48 bytes", get_large),
    case("value: update", "of eight bytes", update_small),
    case("value: update", "of 48 bytes", update_large),
    case("value: update", "of 48 bytes, another updates", update_held),
    case("value: update", "of 48 bytes, another waits", update_awaited),
    case("value: add", "of eight bytes", add),
    case("value: add", "of a float", add_float),
    case("value: compare and exchange", "of eight bytes", compare_exchange),
    case("array: set", "of four bytes", set_element),
    case("array: set", "of 40 bytes", set_large_element),
    case("array: update", "of 40 bytes", update_large_element),
    case("array: update", "of 40 bytes, another waits", update_element_awaited),
    case("array: copy from a slice", "of 40 bytes", copy_slice),
    case("array: add", "of four bytes", add_element),
];

type Row = [u64; 6];

/// What a value must be that goes from `old` to `old + 1`.
fn old_or_new(found: u64, old: u64, fate: Fate) -> u64 {
    assert!(found == old + 1 || found == old && fate == Fate::Killed, "{found} after {old}");
    found
}

/// What a row must be that goes from all `old` to all `old + 1`.
fn whole<const N: usize>(row: [u64; N], old: u64, fate: Fate) -> u64 {
    assert_eq!(row, [row[0]; N], "half a value");
    old_or_new(row[0], old, fate)
}

fn set_small(steps: &mut Steps) {
    let value = Value::new(0_u64).unwrap();
    let mut old = 0;
    steps
        .of(|| {
            let new = value.get() + 1;
            through(|| value.set(new));
        })
        .check(|fate| old = old_or_new(value.get(), old, fate));
}

fn set_large(steps: &mut Steps) {
    let value = Value::<Row>::new([0; 6]).unwrap();
    let mut old = 0;
    steps
        .of(|| {
            let new = [value.get()[0] + 1; 6];
            through(|| value.set(new));
        })
        .check(|fate| {
            old = whole(value.get(), old, fate);
            value.set([old; 6]);
        });
}

fn get_large(steps: &mut Steps) {
    let value = Value::<Row>::new([5; 6]).unwrap();
    steps
        .of(|| assert_eq!(through(|| value.get()), [5; 6]))
        .check(|_| assert_eq!(value.get(), [5; 6]));
}

fn update_small(steps: &mut Steps) {
    let value = Value::new(0_u64).unwrap();
    let mut old = 0;
    steps.of(|| through(|| value.update(|number| *number += 1))).check(|fate| {
        old = old_or_new(value.get(), old, fate);
        value.update(|number| *number += 0);
    });
}

fn add_one(value: &Value<Row>) {
    value.update(|row| *row = [row[0] + 1; 6]);
}

fn update_large(steps: &mut Steps) {
    let value = Value::<Row>::new([0; 6]).unwrap();
    let mut old = 0;
    steps.of(|| through(|| add_one(&value))).check(|fate| {
        old = whole(value.get(), old, fate);
        add_one(&value);
        old += 1;
    });
}

fn update_held(steps: &mut Steps) {
    let (value, gate) = (Value::<Row>::new([0; 6]).unwrap(), Gate::new());
    let mut old = 0;
    steps
        .of(|| through(|| add_one(&value)))
        .after(|| gate.close())
        .beside(|| {
            value.update(|row| {
                gate.wait();
                *row = [row[0] + 1; 6];
            });
        })
        .release(|| gate.open())
        .check(|fate| old = whole(value.get(), old + 1, fate));
}

fn update_awaited(steps: &mut Steps) {
    let value = Value::<Row>::new([0; 6]).unwrap();
    let mut old = 0;
    steps
        .of(|| {
            value.update(|row| {
                *row = [row[0] + 1; 6];
                enter();
            });
            leave();
        })
        .awaited_by(|| add_one(&value))
        .check(|fate| old = whole(value.get(), old + 1, fate));
}

fn add(steps: &mut Steps) {
    let value = Value::new(0_u64).unwrap();
    let mut old = 0;
    steps
        .of(|| {
            through(|| value.fetch_add(1));
        })
        .check(|fate| old = old_or_new(value.get(), old, fate));
}

fn add_float(steps: &mut Steps) {
    let value = Value::new(0.0_f64).unwrap();
    let mut old = 0;
    steps
        .of(|| {
            through(|| value.fetch_add(1.0));
        })
        .check(|fate| old = old_or_new(value.get() as u64, old, fate));
}

fn compare_exchange(steps: &mut Steps) {
    let value = Value::new(0_u64).unwrap();
    let mut old = 0;
    steps
        .of(|| {
            let now = value.get();
            through(|| value.compare_exchange(now, now + 1)).unwrap();
        })
        .check(|fate| old = old_or_new(value.get(), old, fate));
}

fn set_element(steps: &mut Steps) {
    let array = Array::from_slice(&[0_u32; 3]).unwrap();
    let mut old = 0;
    steps
        .of(|| {
            let new = array.get(1).unwrap() + 1;
            through(|| array.set(1, new)).unwrap();
        })
        .check(|fate| {
            old = old_or_new(array.get(1).unwrap().into(), old, fate);
            assert_eq!([array.get(0), array.get(2)], [Some(0); 2]);
        });
}

/// What an array must be whose second row goes from `old` to `old + 1`; then changes it itself.
fn check_rows(array: &Array<[u64; 5]>, old: u64, fate: Fate) -> u64 {
    let found = whole(array.get(1).unwrap(), old, fate);
    assert_eq!([array.get(0), array.get(2)], [Some([7; 5]); 2]);
    array.update(1, |row| *row = [row[0] + 1; 5]).unwrap();
    assert_eq!(array.get(1), Some([found + 1; 5]));
    found + 1
}

fn rows() -> Array<[u64; 5]> {
    Array::from_slice(&[[7; 5], [0; 5], [7; 5]]).unwrap()
}

fn set_large_element(steps: &mut Steps) {
    let array = rows();
    let mut old = 0;
    steps
        .of(|| {
            let new = array.get(1).unwrap()[0] + 1;
            through(|| array.set(1, [new; 5])).unwrap();
        })
        .check(|fate| old = check_rows(&array, old, fate));
}

fn update_large_element(steps: &mut Steps) {
    let array = rows();
    let mut old = 0;
    steps
        .of(|| through(|| array.update(1, |row| *row = [row[0] + 1; 5])).unwrap())
        .check(|fate| old = check_rows(&array, old, fate));
}

fn update_element_awaited(steps: &mut Steps) {
    let array = rows();
    let mut old = 0;
    steps
        .of(|| {
            let change = |row: &mut [u64; 5]| {
                *row = [row[0] + 1; 5];
                enter();
            };
            array.update(1, change).unwrap();
            leave();
        })
        .awaited_by(|| array.update(1, |row| *row = [row[0] + 1; 5]).unwrap())
        .check(|fate| old = check_rows(&array, old + 1, fate));
}

fn copy_slice(steps: &mut Steps) {
    let array = Array::from_slice(&[[7_u64; 5]; 3]).unwrap();
    let mut old = 7;
    steps
        .of(|| {
            let new = array.get(0).unwrap()[0] + 1;
            through(|| array.copy_from_slice(0, &[[new; 5]; 3])).unwrap();
        })
        .check(|fate| {
            // The first ones are new, the rest old.
            let found: Vec<u64> = array.iter().map(|row| whole(row, old, fate)).collect();
            assert!(found.is_sorted_by(|a, b| a >= b), "{found:?}");
            old += 1;
            array.fill([old; 5]);
        });
}

fn add_element(steps: &mut Steps) {
    let array = Array::from_slice(&[0_u32; 3]).unwrap();
    let mut old = 0;
    steps
        .of(|| {
            through(|| array.fetch_add(1, 1)).unwrap();
        })
        .check(|fate| old = old_or_new(array.get(1).unwrap().into(), old, fate));
}
