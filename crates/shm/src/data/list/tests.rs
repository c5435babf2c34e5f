#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use super::chunks::{chunk_of, first_length};
use super::*;

#[test]
fn an_index_belongs_to_one_chunk() {
    let first = first_length::<u64>();
    assert_eq!(first, 32);
    let mut expected = (0, 0);
    for index in 0..100_000 {
        assert_eq!(chunk_of::<u64>(index), expected);
        expected.1 += 1;
        if expected.1 == first << expected.0 {
            expected = (expected.0 + 1, 0);
        }
    }
    assert_eq!(first_length::<[u8; 4096]>(), 4);
}

fn behaves_like_a_vector<T: Plain + PartialEq + fmt::Debug>(make: impl Fn(u8) -> T) {
    let list = List::new().unwrap();
    let mut model = Vec::new();
    // A walk that grows over several chunks and shrinks again.
    for step in 0..3_000_u32 {
        let value = make((step % 251) as u8);
        match (step * 7_919) % 16 {
            0..5 => {
                list.push(value).unwrap();
                model.push(value);
            }
            5 => {
                list.extend([value; 3]).unwrap();
                model.extend([value; 3]);
            }
            6..8 => assert_eq!(list.pop(), model.pop()),
            10 => {
                let index = step as usize % (model.len() + 1);
                list.insert(index, value).unwrap();
                model.insert(index, value);
            }
            11 if !model.is_empty() => {
                let index = step as usize % model.len();
                assert_eq!(list.remove(index).unwrap(), model.remove(index));
            }
            12 if !model.is_empty() => {
                let index = step as usize % model.len();
                assert_eq!(list.swap_remove(index).unwrap(), model.swap_remove(index));
            }
            13 if !model.is_empty() => {
                let (one, other) = (step as usize % model.len(), step as usize / 7 % model.len());
                list.swap(one, other).unwrap();
                model.swap(one, other);
            }
            14 if !model.is_empty() => {
                let start = step as usize % model.len();
                let values = vec![value; (model.len() - start).min(step as usize % 70)];
                list.copy_from_slice(start, &values).unwrap();
                model[start..start + values.len()].copy_from_slice(&values);
                assert_eq!(list.range(start..).unwrap(), model[start..]);
            }
            15 => {
                let change = |values: &mut Vec<T>| {
                    values.reverse();
                    values.truncate(values.len() - values.len() / 8);
                    values.push(value);
                };
                list.update_all(change).unwrap();
                change(&mut model);
            }
            8 if !model.is_empty() => {
                let index = step as usize % model.len();
                list.set(index, value).unwrap();
                model[index] = value;
            }
            _ => assert_eq!(list.get(step as usize / 3), model.get(step as usize / 3).copied()),
        }
        assert_eq!(list.len(), model.len());
    }
    assert_eq!(list.to_vec().unwrap(), model);
    assert!(list.iter().eq(model.iter().copied()));
    list.truncate(2);
    assert_eq!(list.to_vec().unwrap(), model[..2]);
    list.truncate(5);
    assert_eq!(list.len(), 2);
    list.clear();
    assert!(list.is_empty());
    assert_eq!((list.pop(), list.get(0)), (None, None));
}

#[test]
fn a_list_behaves_like_a_vector() {
    behaves_like_a_vector(|number| number);
    behaves_like_a_vector(u64::from);
    behaves_like_a_vector(f32::from);
    behaves_like_a_vector(|number| [number; 3]);
    behaves_like_a_vector(|number| [number; 33]);
    behaves_like_a_vector(|number| [u64::from(number); 16]);
}

#[test]
fn an_index_that_is_not_there_is_an_error() {
    let list = List::new().unwrap();
    list.extend([1_u32, 2]).unwrap();
    assert!(matches!(list.set(2, 9), Err(Error::OutOfRange { index: 2, length: 2, .. })));
    assert!(list.update(2, |_| ()).is_err());
    assert_eq!(list.update(1, |value| std::mem::replace(value, 5)).unwrap(), 2);
    assert_eq!(list.get(usize::MAX), None);
    assert_eq!(list.to_vec().unwrap(), [1, 5]);
}

#[test]
fn a_range_that_is_not_there_is_an_error_and_changes_nothing() {
    let list = List::from_slice(&[1_u32, 2, 3]).unwrap();
    assert!(matches!(list.insert(4, 9), Err(Error::OutOfRange { index: 4, length: 3, .. })));
    assert!(list.remove(3).is_err() && list.swap_remove(3).is_err());
    assert!(list.swap(0, 3).is_err() && list.swap(3, 0).is_err());
    assert!(list.copy_from_slice(2, &[8, 8]).is_err());
    assert!(list.copy_from_slice(usize::MAX, &[8, 8]).is_err());
    assert!(list.range(1..5).is_err() && list.range(..=3).is_err());
    assert_eq!(list.range(1..=1).unwrap(), [2]);
    assert_eq!((list.range(3..).unwrap(), list.range(..).unwrap()), (vec![], vec![1, 2, 3]));
    let empty = List::<u32>::with_capacity(1_000).unwrap();
    assert!(empty.remove(0).is_err() && empty.swap_remove(0).is_err());
    assert_eq!(empty.range(..).unwrap(), []);
}

#[test]
fn elements_are_searched_sorted_filled_and_retained() {
    let list = List::from_slice(&[5_i64, -1, 3, 3]).unwrap();
    assert_eq!(list.position(|value| value == 3), Some(2));
    assert!(list.contains(&-1) && !list.contains(&1));
    list.sort().unwrap();
    assert_eq!(list.to_vec().unwrap(), [-1, 3, 3, 5]);
    list.retain(|value| *value != 3).unwrap();
    assert_eq!(list.to_vec().unwrap(), [-1, 5]);
    list.fill(7).unwrap();
    assert_eq!(list.to_vec().unwrap(), [7, 7]);
}

#[test]
fn a_panic_in_a_change_changes_nothing() {
    let list = List::from_slice(&[1_u8, 2, 3]).unwrap();
    let change = |values: &mut Vec<u8>| {
        values.clear();
        panic!("half way");
    };
    let changed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = list.update_all(change);
    }));
    assert!(changed.is_err());
    assert_eq!(list.to_vec().unwrap(), [1, 2, 3]);
}

#[test]
fn no_reader_sees_a_part_of_a_change() {
    let list = List::from_slice(&[0_u64; 300]).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut last = 0;
            while !done.load(Relaxed) {
                // Read in this order, a later element is not older.
                let (first, middle) = (list.get(0).unwrap(), list.get(150).unwrap());
                assert!(first >= last && middle >= first, "{last} {first} {middle}");
                last = list.get(299).unwrap();
                assert!(last >= middle);
                let all = list.to_vec().unwrap();
                assert!(all[0] >= last && all == [all[0]; 300]);
            }
        });
        for number in 1..3_000 {
            list.fill(number).unwrap();
        }
        done.store(true, Relaxed);
    });
}

#[test]
fn a_list_can_be_extended_from_itself() {
    let list = List::new().unwrap();
    list.extend([1_u8, 2]).unwrap();
    list.extend(list.iter().take(5)).unwrap();
    assert_eq!(list.to_vec().unwrap(), [1, 2, 1, 2]);
}

#[test]
fn a_dropped_list_leaves_no_memory_behind() {
    let arena = crate::Arena::program().unwrap();
    // The other tests of this program use the same arena: the difference is found at some time.
    let leaves_nothing = || {
        let before = arena.used().unwrap();
        let list = List::new().unwrap();
        list.extend(vec![[7_u64; 4]; 10_000]).unwrap();
        assert!(arena.used().unwrap() > before + 320_000 / 2);
        drop(list);
        arena.used().unwrap() <= before
    };
    assert!((0..1_000).any(|_| leaves_nothing()));
}

#[test]
fn pushes_and_updates_from_many_threads_are_all_there() {
    let list = List::new().unwrap();
    let count = List::new().unwrap();
    count.push([0_u64; 2]).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..3_u64 {
            let (list, count) = (&list, &count);
            scope.spawn(move || {
                for number in 0..2_000 {
                    list.push([thread, number]).unwrap();
                    count.update(0, |pair| pair[1] += 1).unwrap();
                }
            });
        }
    });
    assert_eq!(count.get(0), Some([0, 6_000]));
    let mut all = list.to_vec().unwrap();
    assert!((0..3).all(|thread| all.iter().filter(|pair| pair[0] == thread).is_sorted()));
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 6_000);
}

#[test]
fn no_reader_sees_half_an_element_or_one_that_never_was() {
    let list = List::new().unwrap();
    list.push([0_u64; 10]).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    for read in (0..3).filter_map(|index| list.get(index)) {
                        assert_eq!(read, [read[0]; 10]);
                    }
                }
            });
        }
        for number in 0..10_000 {
            list.push([number; 10]).unwrap();
            list.set(0, [number; 10]).unwrap();
            list.extend([[number + 1; 10], [number + 2; 10]]).unwrap();
            list.truncate(1 + (number % 2) as usize);
        }
        done.store(true, Relaxed);
    });
}

#[test]
fn no_reader_sees_the_next_element_of_a_slot_before_it_is_there() {
    let list = List::new().unwrap();
    list.push([0_u64; 64]).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Relaxed) {
                if let Some(read) = list.get(1) {
                    assert_eq!(read, [read[0]; 64]);
                }
            }
        });
        // No change but of the length, so that only the slot's reader can tell.
        for number in 0..100_000 {
            list.push([number; 64]).unwrap();
            list.pop().unwrap();
        }
        done.store(true, Relaxed);
    });
}

#[test]
fn nonsense_in_the_head_is_an_error_and_ends_no_process() {
    let known = List::new().unwrap();
    known.extend([1_u64, 2, 3]).unwrap();
    assert_eq!(known.get(0), Some(1));
    // A handle that has not seen the chunks yet.
    let bytes = brigade_codec::encode(&known).unwrap();
    let list: List<u64> = brigade_codec::decode(&bytes).unwrap();
    let sane = list.shared.chunks[0].load(Relaxed);
    for word in [1, 64, 4096, sane + 8, sane + 256, u64::MAX, u64::MAX - 7] {
        list.shared.chunks[0].store(word, Relaxed);
        // What is not found is neither read nor written; who knows it is not misled.
        assert_eq!((list.get(0), list.iter().count(), list.contains(&1)), (None, 0, false));
        assert_eq!(list.pop(), None);
        known.set(0, 1).unwrap();
        assert_eq!((known.get(0), known.iter().count()), (Some(1), 3));
        assert!(matches!(list.set(0, 1), Err(Error::Corrupt(_))));
        assert!(matches!(list.to_vec(), Err(Error::Corrupt(_))));
        assert!(list.push(1).is_err() && list.insert(0, 1).is_err() && list.remove(0).is_err());
        assert!(list.swap(0, 1).is_err() && list.swap_remove(0).is_err() && list.sort().is_err());
        assert!(list.copy_from_slice(0, &[1, 2]).is_err());
    }
    list.shared.chunks[0].store(sane, Relaxed);
    list.shared.length.store(u64::MAX, Relaxed);
    assert_eq!((list.get(usize::MAX - 1), list.pop()), (None, None));
    assert!(list.to_vec().is_err() && list.update_all(|_| ()).is_err());
    assert!(list.push(1).is_err() && list.insert(7, 1).is_err() && list.remove(7).is_err());
    for length in [100, 1 << 20, 1 << 33] {
        list.shared.length.store(length, Relaxed);
        // Not: there is no memory for so many.
        assert!(matches!(list.push(1), Err(Error::Corrupt(_))), "{length}");
    }
    list.shared.length.store(3, Relaxed);
    assert_eq!(list.to_vec().unwrap(), [1, 2, 3]);
}

#[test]
fn nonsense_in_the_journal_harms_no_one() {
    let list = List::from_slice(&[[1_u64; 3]; 2]).unwrap();
    let mapping = list.handle.arena().mapping();
    let journal = list.handle.body() + std::mem::offset_of!(Shared, journal);
    let note = list.handle.body() + size_of::<Shared>();
    // An odd sequence and a target lie behind the lock; then the length, the end and the first run.
    for words in [
        [1, 0, 2, 4, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, u64::MAX, 0, 0, 0, 0],
        [1, 0, 2, u64::MAX, 0, u64::MAX],
        [1, 0, 2, 9, u64::MAX, 1],
        [1, 0, u64::MAX, 7, 1 << 40, 1],
    ] {
        let draft: Vec<_> = words[2..].iter().flat_map(|word| word.to_ne_bytes()).collect();
        mapping.write(note, &draft).unwrap();
        for (word, at) in words[..2].iter().zip([64, 72]) {
            mapping.write(journal + at, &word.to_ne_bytes()).unwrap();
        }
        let _ = (list.get(0), list.len(), list.to_vec().is_ok());
        list.shared.length.store(2, Relaxed);
        list.copy_from_slice(0, &[[1; 3]; 2]).unwrap();
        assert_eq!(list.to_vec().unwrap(), [[1; 3]; 2]);
    }
}

#[test]
fn a_change_may_read_the_list_that_it_changes_whatever_lies_in_the_journal() {
    let list = List::from_slice(&[1_u64, 2, 3]).unwrap();
    let sequence = list.handle.body() + std::mem::offset_of!(Shared, journal) + 64;
    let read = list.update_all(|_| {
        list.handle.arena().mapping().write(sequence, &7_u64.to_ne_bytes()).unwrap();
        (list.get(1), list.len(), list.iter().count())
    });
    assert_eq!(read.unwrap(), (Some(2), 3, 3));
}

#[test]
fn a_list_that_is_serialized_is_the_same_list_when_it_arrives() {
    let list = List::new().unwrap();
    list.push(1_i64).unwrap();
    let bytes = brigade_codec::encode(&list).unwrap();
    let arrived: List<i64> = brigade_codec::decode(&bytes).unwrap();
    arrived.push(5).unwrap();
    assert_eq!(list.to_vec().unwrap(), [1, 5]);
    let bytes = brigade_codec::encode(&list).unwrap();
    assert!(brigade_codec::decode::<List<u16>>(&bytes).is_err(), "another type");
}
