//! Values and arrays that parties share (VAL).

use brigade::{Array, Error, Lock, Value};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use brigade_tests::stage::{in_every_mode, join_all};

#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Point {
    x: i64,
    y: f64,
}

type Numbers = (i32, f64, i16, i64, u8);
type Plain = (Value<i32>, Value<f64>, Value<i16>, Value<i64>, Value<u8>);
type Locked = (Lock<i32>, Lock<f64>, Lock<i16>, Lock<i64>, Lock<u8>);

/// VAL-01, VAL-02 (ours: a value without a lock is a `Value`, one with a lock is a `Lock`)
#[test]
fn numbers_of_every_size_are_read_and_written_by_another() {
    in_every_mode(|mode| {
        const START: Numbers = (7, 1.25, -300, 1 << 40, b'c');
        const NEW: Numbers = (42, -1.25, 300, -(1 << 41), b'w');
        let (a, b, c, d, e) = START;
        let plain = || -> Result<Plain, Error> {
            Ok((Value::new(a)?, Value::new(b)?, Value::new(c)?, Value::new(d)?, Value::new(e)?))
        };
        let locked = || -> Result<Locked, Error> {
            Ok((Lock::new(a)?, Lock::new(b)?, Lock::new(c)?, Lock::new(d)?, Lock::new(e)?))
        };
        let (plain, locked) = (plain().unwrap(), locked().unwrap());
        let read_plain = |v: &Plain| (v.0.get(), v.1.get(), v.2.get(), v.3.get(), v.4.get());
        let read_locked = |v: &Locked| {
            let (a, b, c) = (*v.0.lock().unwrap(), *v.1.lock().unwrap(), *v.2.lock().unwrap());
            (a, b, c, *v.3.lock().unwrap(), *v.4.lock().unwrap())
        };
        let write = move |(plain, locked): (Plain, Locked)| {
            assert_eq!(read_plain(&plain), START);
            assert_eq!(read_locked(&locked), START);
            let (a, b, c, d, e) = NEW;
            plain.0.set(a);
            plain.1.set(b);
            plain.2.set(c);
            plain.3.set(d);
            plain.4.set(e);
            *locked.0.lock().unwrap() = a;
            *locked.1.lock().unwrap() = b;
            *locked.2.lock().unwrap() = c;
            *locked.3.lock().unwrap() = d;
            *locked.4.lock().unwrap() = e;
        };
        mode.start(write, (plain.clone(), locked.clone())).join();
        assert_eq!(read_plain(&plain), NEW);
        assert_eq!(read_locked(&locked), NEW);
    });
}

/// VAL-03
#[test]
fn an_array_is_read_by_ranges_and_summed_up_in_place_by_another() {
    in_every_mode(|mode| {
        let start: Vec<i32> = vec![680, 626, 934, 821, 150, 233, 548, 982, 714, 831];
        let array = Array::from_slice(&start).unwrap();
        assert_eq!(array.len(), 10);
        assert_eq!((array.get(0), array.get(9), array.get(10)), (Some(680), Some(831), None));
        assert_eq!(array.range(2..7).unwrap(), start[2..7]);
        array.copy_from_slice(4, &[1, 2, 3, 4]).unwrap();
        let mut changed = start.clone();
        changed[4..8].copy_from_slice(&[1, 2, 3, 4]);
        assert_eq!(array.to_vec(), changed);
        assert!(array.copy_from_slice(8, &[1, 2, 3]).is_err() && array.set(10, 1).is_err());

        let sum_up = |array: Array<i32>| {
            for index in 1..array.len() {
                let before = array.get(index - 1).unwrap();
                array.update(index, |number| *number += before).unwrap();
            }
        };
        mode.start(sum_up, array.clone()).join();
        let sums = changed.iter().scan(0, |sum, number| {
            *sum += number;
            Some(*sum)
        });
        assert_eq!(array.to_vec(), sums.collect::<Vec<_>>());
    });
}

/// VAL-04
#[test]
fn an_array_by_its_size_is_all_zeros_although_the_memory_was_used_before() {
    in_every_mode(|mode| {
        for _ in 0..3 {
            let array = Array::<i32>::zeroed(10).unwrap();
            assert_eq!(array.to_vec(), [0; 10]);
            let fill = |array: Array<i32>| {
                array.copy_from_slice(0, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]).unwrap();
            };
            mode.start(fill, array.clone()).join();
            assert_eq!(array.to_vec(), (1..=10).collect::<Vec<_>>());
        }
    });
}

/// VAL-05
#[test]
fn scalars_structures_arrays_and_texts_are_doubled_by_another() {
    type All = (Value<i32>, Value<f64>, Value<i64>, Value<Point>, Array<f64>, Value<[u8; 20]>);
    type Locked = (Lock<i32>, Lock<Point>, Lock<[f64; 10]>);
    let text = |half: &[u8]| {
        let mut text = [0; 20];
        text[..half.len()].copy_from_slice(half);
        text
    };
    in_every_mode(move |mode| {
        let numbers: Vec<f64> = (0..10).map(f64::from).collect();
        let point = Point { x: 3, y: 4.5 };
        let all: All = (
            Value::new(7).unwrap(),
            Value::new(1.0 / 3.0).unwrap(),
            Value::new(1 << 33).unwrap(),
            Value::new(point).unwrap(),
            Array::from_slice(&numbers).unwrap(),
            Value::new(text(b"hello")).unwrap(),
        );
        let locked: Locked = (
            Lock::new(7).unwrap(),
            Lock::new(point).unwrap(),
            Lock::new(std::array::from_fn(|n| n as f64)).unwrap(),
        );
        let double = |(all, locked): (All, Locked)| {
            all.0.update(|n| *n *= 2);
            all.1.update(|n| *n *= 2.0);
            all.2.update(|n| *n *= 2);
            all.3.update(|point| *point = Point { x: point.x * 2, y: point.y * 2.0 });
            (0..10).for_each(|index| all.4.update(index, |n| *n *= 2.0).unwrap());
            all.5.update(|text| text.copy_within(..5, 5));
            *locked.0.lock().unwrap() *= 2;
            let mut point = locked.1.lock().unwrap();
            *point = Point { x: point.x * 2, y: point.y * 2.0 };
            locked.2.lock().unwrap().iter_mut().for_each(|n| *n *= 2.0);
        };
        mode.start(double, (all.clone(), locked.clone())).join();
        let twice = Point { x: 6, y: 9.0 };
        assert_eq!((all.0.get(), all.1.get(), all.2.get()), (14, 2.0 / 3.0, 1 << 34));
        assert_eq!((all.3.get(), *locked.1.lock().unwrap()), (twice, twice));
        let doubled: Vec<f64> = numbers.iter().map(|n| n * 2.0).collect();
        assert_eq!(all.4.to_vec(), doubled);
        assert_eq!(locked.2.lock().unwrap().to_vec(), doubled);
        assert_eq!((all.5.get(), *locked.0.lock().unwrap()), (text(b"hellohello"), 14));
    });
}

/// VAL-06
#[test]
fn a_copy_does_not_follow_what_another_changes_later() {
    in_every_mode(|mode| {
        let value = Value::new(Point { x: 1, y: 2.0 }).unwrap();
        let copy = value.get();
        let change = |value: Value<Point>| value.set(Point { x: 9, y: 9.0 });
        mode.start(change, value.clone()).join();
        assert_eq!(copy, Point { x: 1, y: 2.0 });
        assert_eq!(value.get(), Point { x: 9, y: 9.0 });
    });
}

/// VAL-01 under load
#[test]
fn no_addition_is_lost_whether_atomic_or_by_an_update() {
    in_every_mode(|mode| {
        let (sum, point) =
            (Value::new(0_i64).unwrap(), Value::new(Point { x: 0, y: 0.0 }).unwrap());
        let add = |(sum, point): (Value<i64>, Value<Point>)| {
            for _ in 0..1_000 {
                sum.fetch_add(1);
                point.update(|point| *point = Point { x: point.x + 1, y: point.y + 1.0 });
            }
        };
        join_all(mode.start_many(4, add, &(sum.clone(), point.clone())));
        assert_eq!((sum.get(), point.get()), (4_000, Point { x: 4_000, y: 4_000.0 }));
    });
}
