#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use super::*;

fn keeps<T: Plain + PartialEq + fmt::Debug>(first: T, second: T) {
    for length in [0, 1, 5, 300] {
        let array = Array::from_slice(&vec![first; length]).unwrap();
        assert_eq!((array.len(), array.is_empty()), (length, length == 0));
        assert_eq!(array.to_vec(), vec![first; length]);
        for index in (0..length).step_by(2) {
            array.set(index, second).unwrap();
        }
        for (index, value) in array.iter().enumerate() {
            assert_eq!(value, if index % 2 == 0 { second } else { first });
        }
        array.fill(second);
        assert_eq!(array.to_vec(), vec![second; length]);
        assert_eq!(array.get(length), None);
    }
}

#[test]
fn every_kind_of_element_is_kept() {
    keeps(1_u8, 255);
    keeps(-1_i16, 7);
    keeps(1.5_f32, -2.5);
    keeps(1_u64 << 63, 3);
    keeps([1_u8, 2, 3], [9, 9, 9]);
    keeps([1_u8; 7], [2; 7]);
    keeps([1_u16; 5], [2; 5]);
    keeps([0.5_f64; 3], [1.5; 3]);
    keeps(-(1_i128 << 100), 5);
}

#[test]
fn an_index_that_is_not_there_is_an_error_that_says_so() {
    let array = Array::from_slice(&[1_u32, 2, 3]).unwrap();
    let error = array.set(3, 9).unwrap_err();
    assert_eq!(error.to_string(), "cannot reach index 3 of the array: it has 3 elements");
    assert!(matches!(array.update(7, |_| ()), Err(Error::OutOfRange { index: 7, .. })));
    assert!(array.fetch_add(usize::MAX, 1).is_err());
    assert!(array.copy_from_slice(2, &[8, 8]).is_err());
    assert!(array.copy_from_slice(usize::MAX, &[8, 8]).is_err());
    assert!(array.copy_to_slice(1, &mut [0; 3]).is_err());
    assert!(array.range(1..4).is_err());
    assert!(array.range(..=3).is_err());
    assert_eq!(array.to_vec(), [1, 2, 3]);
}

#[test]
fn ranges_are_read_and_written() {
    let array = Array::from_slice(&[0_i32, 1, 2, 3, 4, 5]).unwrap();
    assert_eq!(array.range(2..4).unwrap(), [2, 3]);
    assert_eq!(array.range(..=1).unwrap(), [0, 1]);
    assert_eq!(array.range(4..).unwrap(), [4, 5]);
    assert_eq!(array.range(..).unwrap().len(), 6);
    assert_eq!(array.range(6..).unwrap(), []);
    array.copy_from_slice(1, &[-1, -2]).unwrap();
    let mut part = [0; 3];
    array.copy_to_slice(1, &mut part).unwrap();
    assert_eq!(part, [-1, -2, 3]);
    assert_eq!(array.iter().next_back(), Some(5));
}

#[test]
fn elements_are_replaced_exchanged_and_searched() {
    let array = Array::from_slice(&[5_i32, 1, 3]).unwrap();
    assert_eq!(array.replace(0, 9).unwrap(), 5);
    assert_eq!(array.fetch_sub(1, 3).unwrap(), 1);
    assert_eq!(array.compare_exchange(1, -2, 7).unwrap(), Ok(-2));
    assert_eq!(array.compare_exchange(1, -2, 8).unwrap(), Err(7));
    array.swap(0, 2).unwrap();
    array.swap(1, 1).unwrap();
    assert_eq!(array.to_vec(), [3, 7, 9]);
    assert_eq!((array.position(|value| value > 5), array.contains(&4)), (Some(1), false));
    assert!(array.swap(0, 3).is_err() && array.replace(3, 0).is_err());
    assert!(array.compare_exchange(3, 0, 0).is_err() && array.fetch_sub(3, 1).is_err());
    let array = Array::from_slice(&[[5_u64, 1], [3, 2]]).unwrap();
    assert_eq!(array.replace(1, [0, 7]).unwrap(), [3, 2]);
    array.sort().unwrap();
    assert_eq!(array.to_vec(), [[0, 7], [5, 1]]);
    array.swap(0, 1).unwrap();
    assert!(array.contains(&[0, 7]) && array.get(0) == Some([5, 1]));
}

fn changes_at_once<T: Plain + PartialEq + fmt::Debug>(make: impl Fn(u8) -> T) {
    for length in [0, 1, 2, 40, 500] {
        let mut model: Vec<_> = (0..length).map(|number| make(number as u8)).collect();
        let array = Array::from_slice(&model).unwrap();
        for stride in [1, 3, 97] {
            let change = |values: &mut [T]| {
                values.iter_mut().step_by(stride).for_each(|value| *value = make(stride as u8));
                values.len()
            };
            assert_eq!(array.update_all(change).unwrap(), length);
            change(&mut model);
            assert_eq!(array.to_vec(), model);
        }
    }
}

#[test]
fn any_of_the_elements_change_at_once() {
    changes_at_once(|number| number);
    changes_at_once(|number| u16::from(number) << 7);
    changes_at_once(|number| [number; 5]);
    changes_at_once(f64::from);
    changes_at_once(|number| [number; 9]);
    changes_at_once(|number| [u64::from(number); 40]);
}

#[test]
fn what_others_add_to_elements_that_a_change_leaves_alone_is_not_lost() {
    let array = Array::<u64>::zeroed(3).unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = array.update_all(|_| panic!("half way"));
    }));
    assert!(panicked.is_err());
    array
        .update_all(|values| {
            array.fetch_add(0, 1).unwrap();
            values[2] = 7;
        })
        .unwrap();
    assert_eq!(array.to_vec(), [1, 0, 7]);
}

#[test]
fn an_array_of_a_size_is_zero_also_when_its_memory_is_used_again() {
    for _ in 0..3 {
        let array = Array::<i32>::zeroed(10).unwrap();
        assert_eq!(array.to_vec(), [0; 10]);
        array.copy_from_slice(0, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]).unwrap();
        assert_eq!(array.iter().sum::<i32>(), 45);
    }
}

#[test]
fn updates_and_additions_from_many_threads_are_all_counted() {
    let small = Array::<u16>::zeroed(3).unwrap();
    let large = Array::<[u64; 2]>::zeroed(3).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for index in (0..3).cycle().take(6_000) {
                    small.fetch_add(index, 1).unwrap();
                    small.update(index, |value| *value += 1).unwrap();
                    large.update(index, |pair| pair.iter_mut().for_each(|one| *one += 1)).unwrap();
                }
            });
        }
    });
    assert_eq!(small.to_vec(), [12_000; 3]);
    assert_eq!(large.to_vec(), [[6_000; 2]; 3]);
}

#[test]
fn no_reader_sees_half_an_element() {
    let array = Array::<[u64; 20]>::zeroed(2).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for index in 0..2 {
            let (array, done) = (&array, &done);
            scope.spawn(move || {
                while !done.load(Relaxed) {
                    let read = array.get(index).unwrap();
                    assert_eq!(read, [read[0]; 20]);
                }
            });
        }
        for number in 0..20_000_u64 {
            array.set(usize::from(number % 2 == 0), [number; 20]).unwrap();
        }
        done.store(true, Relaxed);
    });
}

fn no_part_of_a_change_is_seen<T: Plain + Ord + fmt::Debug>(make: impl Fn(u64) -> T) {
    let array = Array::from_slice(&[make(0); 300]).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Relaxed) {
                // Read in this order, a later element is not older.
                let read = [0, 150, 299, 0].map(|index| array.get(index).unwrap());
                assert!(read.is_sorted(), "{read:?}");
                let all = array.to_vec();
                assert!(all[0] >= read[3] && all == [all[0]; 300], "{all:?}");
                assert!(array.range(100..200).unwrap() >= all[100..200].to_vec());
            }
        });
        for number in 1..2_000 {
            array.update_all(|values| values.fill(make(number))).unwrap();
        }
        done.store(true, Relaxed);
    });
}

#[test]
fn no_reader_sees_a_part_of_a_change() {
    no_part_of_a_change_is_seen(|number| number);
    no_part_of_a_change_is_seen(|number| number as u16);
    no_part_of_a_change_is_seen(|number| [number; 3]);
}

#[test]
fn a_change_may_read_the_array_that_it_changes_whatever_lies_in_the_journal() {
    let array = Array::from_slice(&[[1_u64; 3]; 2]).unwrap();
    let small = Array::from_slice(&[1_u64; 2]).unwrap();
    let overwrite = |handle: &Handle| {
        // An odd sequence, as of a change that is being made.
        let sequence = handle.body() + std::mem::offset_of!(Shared, journal) + 64;
        handle.arena().mapping().write(sequence, &7_u64.to_ne_bytes()).unwrap();
    };
    let read = array.update(0, |_| {
        overwrite(&array.handle);
        (array.get(1), array.to_vec())
    });
    assert_eq!(read.unwrap(), (Some([1; 3]), vec![[1; 3]; 2]));
    let read = small.update_all(|_| {
        overwrite(&small.handle);
        (small.get(1), small.set(0, 5).is_ok(), small.to_vec())
    });
    assert_eq!(read.unwrap(), (Some(1), true, vec![5, 1]));
}

#[test]
fn an_array_larger_than_any_memory_is_refused() {
    assert!(matches!(Array::<u64>::zeroed(usize::MAX), Err(Error::TooLarge { .. })));
    assert!(matches!(Array::<u64>::zeroed(usize::MAX / 8), Err(Error::TooLarge { .. })));
    assert!(matches!(Array::<u8>::zeroed(1 << 40), Err(Error::TooLarge { .. })));
}

#[test]
fn nonsense_in_the_journal_harms_no_one() {
    let array = Array::from_slice(&[[1_u64; 3]; 2]).unwrap();
    let journal = array.handle.body() + std::mem::offset_of!(Shared, journal);
    // The sequence and the target lie behind the lock.
    for target in [0_u64, 1, 2, u64::MAX] {
        let mapping = array.handle.arena().mapping();
        mapping.write(journal + 64, &7_u64.to_ne_bytes()).unwrap();
        mapping.write(journal + 72, &target.to_ne_bytes()).unwrap();
        assert_eq!(array.get(0), Some([1; 3]));
        array.set(1, [1; 3]).unwrap();
    }
    for length in [u64::MAX, 1 << 10, 100] {
        // One hundred would lie in the arena, but not in the array's block.
        array.shared.length.store(length, Relaxed);
        assert!(Array::<[u64; 3]>::from_handle(array.handle.clone()).is_err(), "{length}");
    }
}

#[test]
fn an_array_that_is_serialized_is_the_same_array_when_it_arrives() {
    let array = Array::from_slice(&[1_i64, 2]).unwrap();
    let bytes = brigade_codec::encode(&array).unwrap();
    let arrived: Array<i64> = brigade_codec::decode(&bytes).unwrap();
    array.set(1, 5).unwrap();
    assert_eq!(arrived.to_vec(), [1, 5]);
    let bytes = brigade_codec::encode(&array).unwrap();
    assert!(brigade_codec::decode::<Array<u16>>(&bytes).is_err(), "another type");
}
