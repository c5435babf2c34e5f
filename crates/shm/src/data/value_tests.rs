#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::sync::atomic::AtomicBool;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Sample {
    count: i64,
    ratio: f64,
    text: [u8; 20],
    code: u32,
}

const SAMPLE: Sample = Sample { count: -7, ratio: 0.25, text: *b"brigade, in a value.", code: 9 };

fn keeps<T: Plain + PartialEq + fmt::Debug>(first: T, second: T) {
    let value = Value::new(first).unwrap();
    assert_eq!(value.get(), first);
    value.set(second);
    assert_eq!(value.get(), second);
    let returned = value.update(|inner| std::mem::replace(inner, first));
    assert_eq!((returned, value.get()), (second, first));
}

#[test]
fn every_kind_of_value_is_kept() {
    keeps(-1_i8, 100);
    keeps(b'x', b'y');
    keeps(i16::MIN, i16::MAX);
    keeps(7_i32, -24);
    keeps(2.5_f32, -0.125);
    keeps(1_u64 << 63, 3);
    keeps(3.0_f64, 1.5e300);
    keeps(-(1_i128 << 100), 5);
    keeps([1_u8, 2, 3], [4, 5, 6]);
    keeps([9_u8; 7], [8; 7]);
    keeps([1_u8; 9], [2; 9]);
    keeps([0_u64; 100], [u64::MAX; 100]);
    keeps(SAMPLE, Sample { count: 0, ..SAMPLE });
    keeps((), ());
}

#[test]
fn numbers_are_added_to_and_exchanged_in_place() {
    let small = Value::new(250_u8).unwrap();
    assert_eq!(small.fetch_add(10), 250);
    assert_eq!(small.fetch_sub(5), 4);
    assert_eq!(small.swap(9), 255);
    assert_eq!(small.compare_exchange(8, 1), Err(9));
    assert_eq!(small.compare_exchange(9, 1), Ok(9));
    assert_eq!(small.get(), 1);
    let negative = Value::new(i16::MIN).unwrap();
    assert_eq!(negative.fetch_sub(1), i16::MIN);
    assert_eq!(negative.fetch_add(-7), i16::MAX);
    assert_eq!(negative.get(), i16::MAX - 7);
    let float = Value::new(0.5_f64).unwrap();
    assert_eq!(float.fetch_add(0.25), 0.5);
    assert_eq!(float.fetch_sub(1.0), 0.75);
    assert_eq!(float.get(), -0.25);
}

#[test]
fn a_value_read_out_does_not_follow_later_changes() {
    let value = Value::new(SAMPLE).unwrap();
    let copy = value.get();
    value.update(|sample| sample.text = [0; 20]);
    assert_eq!(copy, SAMPLE);
    assert_eq!(value.get().text, [0; 20]);
}

#[test]
fn additions_and_updates_from_many_threads_are_all_counted() {
    let value = Value::new(0_u32).unwrap();
    let large = Value::new([0_u64; 3]).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..5_000 {
                    value.fetch_add(1);
                    value.update(|number| *number += 1);
                    large.update(|numbers| numbers.iter_mut().for_each(|number| *number += 1));
                }
            });
        }
    });
    assert_eq!(value.get(), 30_000);
    assert_eq!(large.get(), [15_000; 3]);
}

#[test]
fn no_reader_sees_half_a_value() {
    let value = Value::new([0_u64; 40]).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    let read = value.get();
                    assert_eq!(read, [read[0]; 40]);
                }
            });
        }
        for number in 0..20_000 {
            value.set([number; 40]);
        }
        done.store(true, Relaxed);
    });
}

#[test]
fn an_update_that_panics_changes_nothing_and_frees_the_lock() {
    let value = Value::new([1_u64; 2]).unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        value.update(|inner| {
            inner[0] = 2;
            panic!("on purpose");
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(value.update(|inner| inner[0]), 1);
}

#[test]
fn a_value_that_is_serialized_is_the_same_value_when_it_arrives() {
    let value = Value::new(3_i64).unwrap();
    let bytes = brigade_codec::encode(&value).unwrap();
    let arrived: Value<i64> = brigade_codec::decode(&bytes).unwrap();
    value.fetch_add(1);
    assert_eq!(arrived.get(), 4);
    let bytes = brigade_codec::encode(&value).unwrap();
    assert!(brigade_codec::decode::<Value<i32>>(&bytes).is_err(), "another type");
}
