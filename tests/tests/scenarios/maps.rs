//! Maps that parties share: what one may expect of a managed dictionary (MGR), without a manager.

use std::collections::BTreeMap;

use brigade::{Event, ExitStatus, Map, Process};

use brigade_tests::stage::{LONG, in_every_mode, in_processes, join_all};

fn sorted<T: Ord>(mut all: Vec<T>) -> Vec<T> {
    all.sort();
    all
}

/// MGR-04
#[test]
fn a_map_that_one_fills_is_read_copied_and_emptied_by_another() {
    in_every_mode(|mode| {
        let map = Map::<u32, String>::new().unwrap();
        let fill = |map: Map<u32, String>| {
            for number in 0..100 {
                let letter = char::from_u32('a' as u32 + number % 26).unwrap();
                assert_eq!(map.insert(&number, &letter.to_string()).unwrap(), None);
            }
        };
        mode.start(fill, map.clone()).join();
        assert_eq!(map.len(), 100);
        assert!(sorted(map.keys().unwrap()).into_iter().eq(0..100));
        assert_eq!(map.get(&27).unwrap().as_deref(), Some("b"));
        assert_eq!((map.get(&100).unwrap(), map.contains_key(&100).unwrap()), (None, false));
        let copy: BTreeMap<_, _> = map.to_vec().unwrap().into_iter().collect();
        assert!(sorted(map.values().unwrap()) == sorted(copy.values().cloned().collect()));

        let empty = |map: Map<u32, String>| {
            assert_eq!(map.remove(&27).unwrap().as_deref(), Some("b"));
            assert_eq!(map.remove(&27).unwrap(), None);
            map.retain(|number, _| number % 2 == 0).unwrap();
            assert_eq!(map.len(), 50);
            map.clear().unwrap();
        };
        mode.start(empty, map.clone()).join();
        assert!(map.is_empty());
        assert_eq!(copy.len(), 100, "a copy does not follow");
    });
}

/// MGR-02 (ours: what comes or goes meanwhile is no error)
#[test]
fn whoever_reads_a_map_entry_by_entry_sees_what_stays_once_while_another_changes_it() {
    in_every_mode(|mode| {
        let map = Map::<u32, u32>::new().unwrap();
        map.extend((0..200).map(|number| (number, number))).unwrap();
        let done = Event::new().unwrap();
        let change = |(map, done): (Map<u32, u32>, Event)| {
            while !done.is_set() {
                map.extend((200..700).map(|number| (number, 0))).unwrap();
                (200..700).for_each(|number| assert_eq!(map.remove(&number).unwrap(), Some(0)));
            }
        };
        let changing = mode.start(change, (map.clone(), done.clone()));
        for _ in 0..mode.rounds() {
            let all = map.iter().map(Result::unwrap).map(|(number, _)| number);
            let all = sorted(all.collect());
            assert!(all.iter().copied().filter(|&number| number < 200).eq(0..200));
            assert!(all.windows(2).all(|pair| pair[0] != pair[1]));
        }
        done.set();
        changing.join();
        assert_eq!(map.len(), 200);
    });
}

/// W58: `d[k] += 1`, many at once
#[test]
fn no_addition_to_an_entry_is_lost() {
    in_every_mode(|mode| {
        let map = Map::<String, (u64, String)>::new().unwrap();
        let count = |map: Map<String, (u64, String)>| {
            for round in 0..300 {
                let key = ["apple", "pear", "plum"][round % 3];
                map.update(key, |entry| {
                    let (count, trace) = entry.get_or_insert_default();
                    *count += 1;
                    // Entries of another length each time.
                    *trace = "x".repeat((*count % 50) as usize);
                })
                .unwrap();
            }
        };
        join_all(mode.start_many(4, count, &map));
        for key in ["apple", "pear", "plum"] {
            assert_eq!(map.get(key).unwrap(), Some((400, String::new())), "{key}");
        }
    });
}

/// As `setdefault`
#[test]
fn the_first_one_makes_the_value_and_all_others_get_it() {
    in_every_mode(|mode| {
        let (map, made) = (Map::<u32, u64>::new().unwrap(), Map::<u64, ()>::new().unwrap());
        let ask = |(map, made): (Map<u32, u64>, Map<u64, ()>)| {
            for key in 0..100 {
                let make = || {
                    let own = made.len() as u64;
                    made.insert(&own, &()).unwrap();
                    own
                };
                let value = map.get_or_insert_with(&key, make).unwrap();
                assert_eq!(map.get(&key).unwrap(), Some(value));
            }
        };
        join_all(mode.start_many(3, ask, &(map.clone(), made.clone())));
        assert_eq!((map.len(), made.len()), (100, 100));
        assert!(sorted(map.values().unwrap()).into_iter().eq(0..100));
    });
}

/// A manager's dictionary goes with its manager, and this one has none
#[test]
fn one_who_is_killed_in_the_middle_of_an_update_has_changed_nothing_and_keeps_nobody_waiting() {
    in_processes(|method| {
        let map = Map::<String, Vec<u32>>::new().unwrap();
        map.insert("numbers", &vec![1, 2, 3]).unwrap();
        let inside = Event::new().unwrap();
        let change = |(map, inside): (Map<String, Vec<u32>>, Event)| {
            map.update("numbers", |numbers| {
                *numbers = None;
                inside.set();
                Event::new().unwrap().wait();
            })
            .unwrap();
        };
        let builder = Process::builder().method(method).dies_with_parent();
        let changing = builder.start(change, (map.clone(), inside.clone())).unwrap();
        assert!(inside.wait_timeout(LONG));
        // Who reads does not wait for the one inside.
        assert_eq!(map.get("numbers").unwrap(), Some(vec![1, 2, 3]));
        changing.kill().unwrap();
        assert_eq!(map.insert("more", &vec![4]).unwrap(), None);
        assert_eq!(changing.join_timeout(LONG), Some(ExitStatus::Signal(9)));
        assert_eq!(map.get("numbers").unwrap(), Some(vec![1, 2, 3]));
        assert_eq!(map.len(), 2);
    });
}
