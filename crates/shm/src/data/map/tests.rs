#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32};

use brigade_sys::atomic::AtomicU64;

use super::*;
use crate::Value;
use crate::arena::heap;
use crate::data::part;

/// A map in an arena that nothing else uses, so that what is written there by force meets no other
/// test's objects.
fn alone<K, V>() -> Map<K, V> {
    made_in(crate::arena::new_for_test())
}

fn made_in<K, V>(arena: &'static Arena) -> Map<K, V> {
    Map { map: ByteMap::create_in(arena).unwrap(), entry: PhantomData }
}

/// A sequence that looks random and is the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}

fn behaves_like_a_hash_map<K, V>(key: impl Fn(u64) -> K, value: impl Fn(u64) -> V)
where
    K: Message + Clone + std::hash::Hash + Eq + Ord + fmt::Debug,
    V: Message + Clone + PartialEq + Ord + fmt::Debug,
{
    let map = Map::<K, V>::new().unwrap();
    let mut model = HashMap::<K, V>::new();
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for step in 0..4_000 {
        // More and more keys, then fewer and fewer.
        let limit = if step < 2_500 { 400 } else { 40 };
        let (k, v) = (key(numbers.below(limit)), value(numbers.below(1_000)));
        match numbers.below(10) {
            0..5 => assert_eq!(map.insert(&k, &v).unwrap(), model.insert(k, v)),
            5..8 => assert_eq!(map.remove(&k).unwrap(), model.remove(&k)),
            8 => {
                let put = map.get_or_insert_with(&k, || v.clone()).unwrap();
                assert_eq!(put, *model.entry(k).or_insert(v));
            }
            _ => {
                let found = map.update(&k, |entry| entry.replace(v.clone())).unwrap();
                assert_eq!(found, model.insert(k.clone(), v.clone()));
                assert_eq!(map.contains_key(&k).unwrap(), model.contains_key(&k));
                assert_eq!(map.get(&k).unwrap(), Some(v));
            }
        }
        assert_eq!(map.len(), model.len());
    }
    let mut expected: Vec<_> = model.into_iter().collect();
    expected.sort();
    let sorted = |mut entries: Vec<(K, V)>| {
        entries.sort();
        entries
    };
    assert_eq!(sorted(map.to_vec().unwrap()), expected);
    assert_eq!(sorted(map.iter().collect::<Result<_, _>>().unwrap()), expected);
    let (keys, values) = (map.keys().unwrap(), map.values().unwrap());
    assert_eq!(sorted(keys.into_iter().zip(values).collect()), expected);
    map.clear().unwrap();
    assert!(map.is_empty() && map.iter().next().is_none());
    assert_eq!(map.get(&expected[0].0).unwrap(), None);
}

#[test]
fn a_map_behaves_like_a_hash_map() {
    behaves_like_a_hash_map(|number| number, |number| number);
    behaves_like_a_hash_map(|number| number as u8, |number| [number; 5]);
    behaves_like_a_hash_map(|number| format!("key number {number}"), |_| ());
    let text = |number: u64| "x".repeat(number as usize % 97);
    behaves_like_a_hash_map(|number| (number, number.to_string()), text);
    behaves_like_a_hash_map(|number| vec![number as u8; number as usize], Some);
}

#[test]
fn a_key_is_found_in_every_form_that_is_encoded_alike() {
    let map = Map::<String, Vec<u8>>::new().unwrap();
    map.insert("six", &vec![6]).unwrap();
    assert_eq!(map.get(&"six".to_owned()).unwrap(), Some(vec![6]));
    assert!(map.contains_key("six").unwrap() && !map.contains_key("sixt").unwrap());
    let map = Map::<f64, u8>::new().unwrap();
    map.extend([(0.0, 1), (-0.0, 2), (f64::NAN, 3)]).unwrap();
    assert_eq!((map.len(), map.get(&f64::NAN).unwrap()), (3, Some(3)));
}

#[test]
fn values_of_any_size_are_kept() {
    let map = Map::<u32, String>::new().unwrap();
    for size in [0, 1, 7, 8, 9, 1_000, 100_000, 3 << 20] {
        let value: String = ('a'..='z').cycle().take(size as usize).collect();
        assert_eq!(map.insert(&size, &value).unwrap(), None);
        assert_eq!(map.get(&size).unwrap(), Some(value.clone()));
        assert_eq!(map.insert(&size, &value).unwrap(), Some(value));
    }
    assert_eq!(map.len(), 8);
}

#[test]
fn what_cannot_be_serialized_is_refused_and_the_map_stays_as_it_was() {
    #[derive(serde::Deserialize)]
    struct Unwritable;

    impl Serialize for Unwritable {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no"))
        }
    }

    let map = Map::<u8, Unwritable>::new().unwrap();
    assert!(matches!(map.insert(&1, &Unwritable), Err(MapError::Value(_))));
    let made = map.get_or_insert_with(&1, || Unwritable);
    assert!(matches!(made, Err(MapError::Value(_))));
    assert!(map.update(&1, |entry| *entry = Some(Unwritable)).is_err());
    assert!(map.is_empty());
    let map = Map::<Unwritable, u8>::new().unwrap();
    assert!(matches!(map.get(&Unwritable), Err(MapError::Key(_))));
}

#[test]
fn handles_are_refused_and_stay_home() {
    let value = Value::new(1_u64).unwrap();
    let map = Map::<u8, Option<Value<u64>>>::new().unwrap();
    assert!(matches!(map.insert(&1, &Some(value.clone())), Err(MapError::Handle)));
    assert_eq!(map.insert(&1, &None).unwrap().map(|old| old.is_some()), None);
    let message = map.insert(&2, &Some(value)).unwrap_err().to_string();
    assert!(message.contains("handle"), "{message}");
    assert_eq!(map.keys().unwrap(), [1]);
}

#[test]
fn another_type_than_was_put_is_an_error() {
    let map = Map::<u8, u8>::new().unwrap();
    map.insert(&1, &7).unwrap();
    let bytes = brigade_codec::encode(&map).unwrap();
    let other: Map<u8, String> = brigade_codec::decode(&bytes).unwrap();
    assert!(matches!(other.get(&1), Err(MapError::Decode(_))));
    assert!(matches!(other.to_vec(), Err(MapError::Decode(_))));
    assert!(matches!(other.iter().next(), Some(Err(MapError::Decode(_)))));
    assert!(matches!(other.retain(|_, _| false), Err(MapError::Decode(_))));
    assert!(other.update(&1, |entry| *entry = None).is_err());
    assert_eq!(map.get(&1).unwrap(), Some(7));
}

#[test]
fn a_map_that_is_serialized_is_the_same_map_when_it_arrives() {
    let map = Map::<u8, u8>::new().unwrap();
    map.insert(&1, &7).unwrap();
    let bytes = brigade_codec::encode(&map).unwrap();
    let arrived: Map<u8, u8> = brigade_codec::decode(&bytes).unwrap();
    arrived.insert(&2, &8).unwrap();
    assert_eq!((map.get(&2).unwrap(), arrived.get(&1).unwrap()), (Some(8), Some(7)));
    let bytes = brigade_codec::encode(&map).unwrap();
    assert!(brigade_codec::decode::<crate::List<u8>>(&bytes).is_err(), "another kind");
}

#[test]
fn a_panic_in_the_middle_of_a_change_changes_nothing() {
    let map = Map::<u8, u8>::new().unwrap();
    map.extend([(1, 1), (2, 2), (3, 3)]).unwrap();
    let panics = |change: &dyn Fn()| assert!(catch_unwind(AssertUnwindSafe(change)).is_err());
    panics(&|| {
        let _ = map.update(&1, |entry| {
            *entry = Some(9);
            panic!("half way");
        });
    });
    panics(&|| drop(map.get_or_insert_with(&4, || panic!("half way"))));
    panics(&|| {
        let _ = map.retain(|key, _| if *key == 3 { panic!("half way") } else { false });
    });
    assert_eq!(
        map.to_vec().unwrap().into_iter().collect::<BTreeMap<_, _>>(),
        [(1, 1), (2, 2), (3, 3)].into()
    );
}

#[test]
fn retain_takes_everything_else_away() {
    let map = Map::<u32, u32>::new().unwrap();
    map.retain(|_, _| panic!("there is nothing")).unwrap();
    map.extend((0..1_000).map(|number| (number, number * 2))).unwrap();
    map.retain(|key, value| *value == key * 2 && key % 10 == 0).unwrap();
    assert_eq!(map.len(), 100);
    assert!((0..1_000).all(|key| map.contains_key(&key).unwrap() == (key % 10 == 0)));
}

#[test]
fn a_change_may_read_the_map_that_it_changes() {
    let map = Map::<u8, u8>::new().unwrap();
    map.insert(&1, &7).unwrap();
    let seen = map.update(&1, |entry| {
        *entry = Some(8);
        (map.get(&1).unwrap(), map.len(), map.iter().count())
    });
    assert_eq!(seen.unwrap(), (Some(7), 1, 1));
    map.extend(map.iter().map(Result::unwrap).map(|(key, value)| (key + 1, value))).unwrap();
    assert_eq!(map.get(&2).unwrap(), Some(8));
}

#[test]
fn one_value_is_made_however_many_ask_for_it() {
    let map = Map::<u32, u32>::new().unwrap();
    let made = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for key in 0..500 {
                    let make = || made.fetch_add(1, Relaxed);
                    let value = map.get_or_insert_with(&key, make).unwrap();
                    assert_eq!(map.get(&key).unwrap(), Some(value));
                }
            });
        }
    });
    assert_eq!((made.into_inner(), map.len()), (500, 500));
}

#[test]
fn no_update_from_many_threads_is_lost() {
    let map = Map::<u8, [u64; 2]>::new().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for number in 0..2_000 {
                    let key = (number % 3) as u8;
                    let add = |[one, two]: [u64; 2]| [one + 1, two + 2];
                    map.update(&key, |entry| *entry = Some(add(entry.unwrap_or([0; 2])))).unwrap();
                }
            });
        }
    });
    let total = map.values().unwrap().iter().fold([0; 2], |sum, v| [sum[0] + v[0], sum[1] + v[1]]);
    assert_eq!(total, [8_000, 16_000]);
}

#[test]
fn memory_is_used_again_and_comes_back() {
    let map = alone::<u64, String>();
    let arena = map.map.handle().arena();
    let empty = arena.used().unwrap();
    let mut numbers = Numbers(7);
    let mut churn = |from: u64| {
        for number in from..from + 5_000 {
            let value = "x".repeat(1 + numbers.below(300) as usize);
            map.insert(&number, &value).unwrap();
            map.insert(&number, &value[1..].to_owned()).unwrap();
            map.remove(&number.wrapping_sub(100)).unwrap();
        }
    };
    churn(0);
    let (used, size) = (arena.used().unwrap(), arena.size().unwrap());
    churn(5_000);
    churn(10_000);
    // A hundred entries of at most 300 bytes each, four times over, and as much for the exchange.
    assert!(used < empty + 250_000 && arena.used().unwrap() < empty + 250_000);
    assert_eq!(arena.size().unwrap(), size);
    for key in map.keys().unwrap() {
        map.remove(&key).unwrap();
    }
    assert!(arena.used().unwrap() <= empty + 10_000, "what is left is as good as nothing");
    map.insert(&1, &"x".repeat(100_000)).unwrap();
    map.clear().unwrap();
    assert_eq!(arena.used().unwrap(), empty);
}

#[test]
fn a_map_with_a_capacity_keeps_it() {
    let map = Map::<u64, u64>::with_capacity(1_000).unwrap();
    let epoch = map.map.shared().epoch();
    for number in 0..100 {
        map.insert(&number, &number).unwrap();
        map.remove(&number).unwrap();
    }
    map.extend((0..1_000).map(|number| (number, number))).unwrap();
    assert_eq!(
        (map.len(), map.map.shared().epoch()),
        (1_000, epoch),
        "there was room from the start"
    );
    assert!(Map::<u64, u64>::with_capacity(usize::MAX).is_err());
    assert!(Map::<u64, [u64; 32]>::with_capacity(1 << 40).is_err());
}

#[test]
fn counters_need_no_new_memory() {
    let map = Map::<&str, u64>::new();
    drop(map);
    let map = Map::<String, u64>::new().unwrap();
    map.insert("hits", &0).unwrap();
    let epoch = map.map.shared().epoch();
    for _ in 0..10_000 {
        map.update("hits", |hits| *hits = hits.map(|hits| hits + 1)).unwrap();
    }
    assert_eq!((map.get("hits").unwrap(), map.map.shared().epoch()), (Some(10_000), epoch));
}

#[test]
fn reading_waits_for_nobody() {
    let map = Map::<u32, u32>::new().unwrap();
    map.extend((0..100).map(|number| (number, number))).unwrap();
    // As a process that was stopped in the middle of a change.
    let _locked = map.map.lock();
    assert_eq!((map.get(&7).unwrap(), map.contains_key(&100).unwrap()), (Some(7), false));
    assert_eq!((map.len(), map.iter().count()), (100, 100));
}

/// Ends the others' work, also when the test has failed.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn no_reader_sees_half_a_value_or_misses_an_entry() {
    let map = Map::<u32, Vec<u64>>::new().unwrap();
    map.insert(&0, &vec![0; 40]).unwrap();
    let done = AtomicBool::new(false);
    let is_whole = |row: &[u64]| row.iter().all(|one| *one == row[0]);
    std::thread::scope(|scope| {
        let over = Over(&done);
        for _ in 0..2 {
            scope.spawn(|| {
                let _over = Over(&done);
                while !done.load(Relaxed) {
                    let row = map.get(&0).unwrap().expect("the entry is there all the time");
                    assert_eq!(row, [row[0]; 40]);
                    for key in 1..5 {
                        assert!(is_whole(&map.get(&key).unwrap().unwrap_or_default()));
                    }
                    assert!(map.contains_key(&0).unwrap() && !map.contains_key(&5).unwrap());
                    assert!((1..=5).contains(&map.len()));
                    let entries: Vec<_> = map.iter().map(Result::unwrap).collect();
                    assert!(entries.iter().any(|(key, row)| *key == 0 && row.len() == 40));
                    assert!(entries.iter().all(|(_, row)| is_whole(row)));
                }
            });
        }
        // Stores grow, shrink and come back to where others were.
        for number in 0..8_000_u64 {
            if done.load(Relaxed) {
                break;
            }
            map.insert(&0, &vec![number; 40]).unwrap();
            let key = 1 + (number % 4) as u32;
            map.insert(&key, &vec![number; (number % 50) as usize]).unwrap();
            map.remove(&(1 + (number % 3) as u32)).unwrap();
            if number % 1_000 == 999 {
                map.retain(|key, _| *key == 0).unwrap();
            }
        }
        drop(over);
    });
}

/// Exchanges the store of `map`, and fills the memory of the former one with the bytes of another
/// object.
fn overtake<V: Message>(map: &Map<u32, V>) {
    let handle = map.map.handle();
    let arena = handle.arena();
    let used = shared::used_in(map.map.shared().epoch());
    let old = heap::part(arena, handle.place(), used).unwrap();
    let length = heap::length_of(arena, old).unwrap();
    map.retain(|_, _| true).unwrap();
    let plan = heap::Plan { kind: Kind::Bytes, shape: 0, length, parts: 0 };
    let new = heap::allocate(arena, arena.tag().unwrap().slot, plan).unwrap();
    assert_eq!(new.offset, old.offset, "the memory is used again at once");
    arena.mapping().write(heap::body(new.offset), &vec![0xff; length]).unwrap();
    heap::release(arena, arena.tag().unwrap().slot, new).unwrap();
}

#[test]
fn a_reader_that_is_overtaken_reads_again_and_at_last_under_the_lock() {
    // The last number is how often a reader tries without the lock.
    for times in [0, 1, 2, 63, 64] {
        let map = alone::<u32, Vec<u64>>();
        map.extend([(1, vec![1; 40]), (2, vec![2; 40])]).unwrap();
        let bytes = key_bytes(&1).unwrap();
        let (value, key) = (value_bytes(&vec![1_u64; 40]).unwrap(), map.map.key(&bytes));
        let looks = Cell::new(0);
        let read = map.map.read(|store| {
            let store::Found::Entry(_, entry) = store.find(&key) else { panic!("it is there") };
            if looks.replace(looks.get() + 1) < times {
                assert_eq!(entry.value(), value);
                overtake(&map);
                assert_ne!(entry.value(), value, "what is read now is of another object");
            }
            entry.value()
        });
        assert_eq!((read.unwrap(), looks.get()), (Some(value), times + 1));
        let read = map.map.read(|store| store.next_home(0).0.len());
        assert!(read.unwrap().is_some_and(|count| count > 0));
    }
}

#[test]
fn a_store_that_is_exchanged_under_the_holder_of_the_lock_is_an_error() {
    let map = alone::<u32, u32>();
    map.insert(&1, &1).unwrap();
    // As a faulty process does, who has not got the lock.
    let exchange = || (0..2).for_each(|_| map.map.shared().exchange());
    let read = map.update(&1, |_| map.map.read(|_| exchange()));
    assert!(matches!(read.unwrap(), Err(Error::Corrupt(_))));
}

#[test]
fn an_entry_that_stays_is_iterated_over_exactly_once() {
    let map = Map::<u32, u32>::new().unwrap();
    map.extend((0..300).map(|number| (number, number))).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0.. {
                if done.load(Relaxed) {
                    break;
                }
                // Grows threefold and shrinks again, with removals at random places.
                for key in 300..1_000 {
                    map.insert(&key, &round).unwrap();
                }
                for key in 300..1_000 {
                    map.remove(&key).unwrap();
                }
            }
        });
        for _ in 0..60 {
            let mut times = vec![0; 1_000];
            for (key, value) in map.iter().map(Result::unwrap) {
                times[key as usize] += 1;
                assert!(key >= 300 || key == value);
            }
            assert!(times[..300].iter().all(|&times| times == 1));
            assert!(times.iter().all(|&times| times <= 1), "nothing comes twice");
        }
        done.store(true, Relaxed);
    });
}

/// The word that says where the store in use lies.
fn part_word<K, V>(map: &Map<K, V>) -> &'static AtomicU64 {
    let handle = map.map.handle();
    let index = shared::used_in(map.map.shared().epoch());
    handle.arena().mapping().get(handle.body() + index * 8).unwrap()
}

#[test]
fn nonsense_in_the_memory_is_an_error_and_ends_no_process() {
    let map = alone::<u32, String>();
    map.extend((0..20).map(|number| (number, "text".repeat(number as usize)))).unwrap();
    let handle = map.map.handle();
    let used = shared::used_in(map.map.shared().epoch());
    let (store, length) = part::owned(handle, used).unwrap().unwrap();
    let length = length / 8;
    let words = handle.arena().mapping().slice::<AtomicU64>(store, length).unwrap();
    let mut numbers = Numbers(3);
    for round in 0..3_000 {
        let word = &words[numbers.below(length as u64) as usize];
        let sane = word.load(Relaxed);
        let nonsense = match round % 5 {
            0 => u64::MAX,
            1 => 0,
            2 => 1 << numbers.below(64),
            3 => sane ^ 1 << numbers.below(64),
            _ => numbers.below(u64::MAX),
        };
        word.store(nonsense, Relaxed);
        for key in 0..21 {
            let _ = map.get(&key);
        }
        let _ = (map.to_vec().is_ok(), map.iter().take(1_000).count(), map.len());
        word.store(sane, Relaxed);
    }
    assert_eq!(map.get(&2).unwrap().as_deref(), Some("texttext"));
}

#[test]
fn a_part_that_leads_elsewhere_is_not_written_to() {
    let map = alone::<u32, u32>();
    let other = made_in::<u32, u32>(map.map.handle().arena());
    map.insert(&1, &1).unwrap();
    other.insert(&1, &2).unwrap();
    let part = part_word::<u32, u32>;
    let sane = part(&map).load(Relaxed);
    for word in [part(&other).load(Relaxed), 64, sane + 8, sane + 64, u64::MAX, u64::MAX - 63] {
        part(&map).store(word, Relaxed);
        assert!(matches!(map.insert(&1, &3), Err(MapError::Memory(Error::Corrupt(_)))));
        assert!(map.remove(&1).is_err() && map.to_vec().is_err());
        let _ = (map.get(&1).is_ok(), map.iter().count());
    }
    part(&map).store(sane, Relaxed);
    assert_eq!((map.get(&1).unwrap(), other.get(&1).unwrap()), (Some(1), Some(2)));
    // Who takes everything away needs nothing of what was there.
    part(&map).store(part(&other).load(Relaxed), Relaxed);
    map.clear().unwrap();
    assert_eq!((map.insert(&1, &4).unwrap(), other.get(&1).unwrap()), (None, Some(2)));
}

#[test]
fn a_dropped_map_leaves_no_memory_behind() {
    let arena = crate::arena::new_for_test();
    let before = arena.used().unwrap();
    let map = made_in::<u32, u32>(arena);
    map.extend((0..1_000).map(|number| (number, number))).unwrap();
    assert!(arena.used().unwrap() > before + 10_000);
    drop(map);
    assert_eq!(arena.used().unwrap(), before);
}
