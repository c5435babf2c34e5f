//! Maps between processes: what a child changes, and what a death leaves.
#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use brigade_shm::testing::{Ended, alone, at_every_step, run, start};
use brigade_shm::{Arena, Map};

type Texts = Map<u32, String>;

fn entries(map: &Texts) -> BTreeMap<u32, String> {
    let entries = map.to_vec().unwrap();
    assert_eq!(entries.len(), map.len(), "the count is that of the entries");
    let found: BTreeMap<_, _> = entries.into_iter().collect();
    assert_eq!(found.len(), map.len(), "no key is there twice");
    let read: BTreeMap<_, _> = map.iter().map(Result::unwrap).collect();
    assert_eq!(read, found);
    assert!(found.iter().all(|(key, text)| map.get(key).unwrap().as_ref() == Some(text)));
    found
}

fn texts<const N: usize>(entries: [(u32, &str); N]) -> BTreeMap<u32, String> {
    entries.into_iter().map(|(key, text)| (key, text.to_owned())).collect()
}

#[test]
fn what_many_processes_put_is_all_there_and_no_update_is_lost() {
    let _alone = alone();
    let map = Map::<(u32, u32), String>::new().unwrap();
    let counts = Map::<String, u64>::new().unwrap();
    let work = |child: u32| {
        for number in 0..500 {
            map.insert(&(child, number), &format!("{child} put {number}")).unwrap();
            let count = |count: &mut Option<u64>| *count = Some(count.unwrap_or(0) + 1);
            counts.update(["odd", "even"][(number % 2) as usize], count).unwrap();
            if number % 3 == 0 {
                assert!(map.remove(&(child, number)).unwrap().is_some());
            }
        }
    };
    let children: Vec<_> = (0..3).map(|child| start(move || work(child))).collect();
    children.into_iter().for_each(|child| assert_eq!(child.join(), Ended::Code(0)));
    for (child, number) in (0..3).flat_map(|child| (0..500).map(move |number| (child, number))) {
        let found = map.get(&(child, number)).unwrap();
        let expected = (number % 3 != 0).then(|| format!("{child} put {number}"));
        assert_eq!(found, expected);
    }
    assert_eq!((counts.get("odd").unwrap(), counts.get("even").unwrap()), (Some(750), Some(750)));
}

#[test]
fn a_death_in_any_step_leaves_the_map_before_or_after_each_change() {
    let _alone = alone();
    let map = Texts::new().unwrap();
    let start = texts([(1, "one"), (2, "two")]);
    let prepare = || {
        map.clear().unwrap();
        map.extend(start.clone()).unwrap();
    };
    prepare();
    let deaths = at_every_step(
        || {
            map.insert(&3, &"three".to_owned()).unwrap();
            map.insert(&1, &"an entry of its own".to_owned()).unwrap();
            map.update(&2, |text| *text = text.take().map(|text| text + "!")).unwrap();
            map.remove(&1).unwrap();
            map.get_or_insert_with(&4, || "four".to_owned()).unwrap();
            map.retain(|key, _| *key > 3).unwrap();
            map.clear().unwrap();
        },
        |came_through| {
            let found = entries(&map);
            let stages = [
                start.clone(),
                texts([(1, "one"), (2, "two"), (3, "three")]),
                texts([(1, "an entry of its own"), (2, "two"), (3, "three")]),
                texts([(1, "an entry of its own"), (2, "two!"), (3, "three")]),
                texts([(2, "two!"), (3, "three")]),
                texts([(2, "two!"), (3, "three"), (4, "four")]),
                texts([(4, "four")]),
                texts([]),
            ];
            assert!(stages.contains(&found), "{found:?}");
            assert!(!came_through || found.is_empty());
            prepare();
        },
    );
    assert!(deaths >= 75, "only {deaths} steps");
}

#[test]
fn a_value_of_one_word_is_changed_by_one_step() {
    let _alone = alone();
    let map = Map::<String, u64>::new().unwrap();
    map.insert("hits", &0).unwrap();
    let mut hits = 0;
    let deaths = at_every_step(
        || map.update("hits", |hits| *hits = hits.map(|hits| hits + 1)).unwrap(),
        |came_through| {
            let found = map.get("hits").unwrap().unwrap();
            assert!(found == hits || found == hits + 1);
            assert!(!came_through || found == hits + 1);
            hits = found;
            assert_eq!((map.len(), map.to_vec().unwrap().len()), (1, 1));
        },
    );
    assert!(deaths >= 5);
}

#[test]
fn a_death_while_the_map_grows_loses_and_leaks_nothing() {
    let _alone = alone();
    let arena = Arena::program().unwrap();
    arena.bury_the_dead();
    let before = arena.used().unwrap();
    let deaths = {
        let map = Texts::new().unwrap();
        // The next entry needs a larger table, and more room.
        let full = || (0..6).for_each(|key| drop(map.insert(&key, &"six".to_owned()).unwrap()));
        full();
        let used = arena.used().unwrap();
        at_every_step(
            || drop(map.insert(&6, &"seven".repeat(9)).unwrap()),
            |came_through| {
                let mut found = entries(&map);
                if let Some(seven) = found.remove(&6) {
                    assert_eq!(seven, "seven".repeat(9));
                } else {
                    assert!(!came_through);
                }
                assert!(found.into_iter().eq((0..6).map(|key| (key, "six".to_owned()))));
                // One of the two stores is left.
                arena.bury_the_dead();
                assert!(arena.used().unwrap() <= used + 1024);
                map.clear().unwrap();
                full();
                assert_eq!(arena.used().unwrap(), used);
            },
        )
    };
    assert!(deaths >= 50, "only {deaths} steps");
    arena.bury_the_dead();
    assert_eq!(arena.used().unwrap(), before);
}

#[test]
fn a_death_while_the_map_is_made_or_shrinks_leaks_nothing() {
    let _alone = alone();
    let arena = Arena::program().unwrap();
    arena.bury_the_dead();
    let before = arena.used().unwrap();
    let map = Texts::new().unwrap();
    let long = "x".repeat(30_000);
    let prepare = || {
        map.clear().unwrap();
        map.extend([(1, long.clone()), (2, "two".to_owned())]).unwrap();
    };
    prepare();
    let with_long = arena.used().unwrap();
    let deaths = at_every_step(
        || {
            drop(Map::<u8, u8>::with_capacity(8).unwrap());
            map.remove(&1).unwrap();
        },
        |came_through| {
            let found = entries(&map);
            assert_eq!(found.get(&2).map(String::as_str), Some("two"));
            assert!(!came_through || found.len() == 1);
            assert!(!came_through || arena.used().unwrap() < with_long - 30_000);
            prepare();
            arena.bury_the_dead();
            assert_eq!(arena.used().unwrap(), with_long);
        },
    );
    assert!(deaths >= 40, "only {deaths} steps");
    drop(map);
    assert_eq!(arena.used().unwrap(), before);
}

#[test]
fn the_count_is_right_as_soon_as_the_death_is_known() {
    let _alone = alone();
    let map = Map::<usize, u32>::new().unwrap();
    let mut counted = 0;
    at_every_step(
        || assert_eq!(map.insert(&map.iter().count(), &0).unwrap(), None),
        |_| {
            // Before anything else makes good what the death left.
            counted = map.len();
            assert_eq!(counted, map.iter().count());
        },
    );
    assert!(counted > 0);
}

#[test]
fn children_killed_at_random_leave_every_entry_whole_and_nobody_waiting() {
    const ROUNDS: u32 = 150;
    let _alone = alone();
    let arena = Arena::program().unwrap();
    arena.bury_the_dead();
    let before = arena.used().unwrap();
    let map = Map::<u64, Vec<u64>>::new().unwrap();
    let total = Map::<u8, [u64; 2]>::new().unwrap();
    // A value says which key it is of, and how long it is.
    let value = |key: u64, length: u64| vec![key * 1_000 + length; length as usize];
    let work = |seed: u64| {
        for number in seed.. {
            let key = number * 7_919 % 97;
            map.insert(&key, &value(key, number % 60)).unwrap();
            map.remove(&(number * 31 % 97)).unwrap();
            let add = |pair: &mut Option<[u64; 2]>| {
                let [one, two] = pair.unwrap_or_default();
                *pair = Some([one + 1, two + 1]);
            };
            total.update(&0, add).unwrap();
            if number % 500 == 0 {
                map.retain(|key, _| key % 3 == 0).unwrap();
            }
            if number % 1_700 == 0 {
                map.clear().unwrap();
            }
        }
    };
    let mut counted = 0;
    for round in 0..ROUNDS {
        let children = [0, 1, 2].map(|child| start(move || work(u64::from(round + child * 333))));
        let instant = Duration::from_micros(u64::from(round * 7_919 % 4_000));
        let began = Instant::now();
        // Somebody reads all the while.
        while began.elapsed() < instant {
            for entry in &map {
                let (key, found) = entry.unwrap();
                assert_eq!(found, value(key, found.len() as u64));
            }
        }
        children.into_iter().for_each(|child| child.kill());

        assert_eq!(map.len(), map.iter().count());
        let found = map.to_vec().unwrap();
        assert_eq!(map.len(), found.len());
        assert!(found.iter().all(|(key, found)| *found == value(*key, found.len() as u64)));
        let [one, two] = total.get(&0).unwrap().unwrap_or_default();
        assert!(one == two && one >= counted, "an update that was seen stays");
        counted = one;
    }
    assert!(counted > 0, "the children did something");
    drop((map, total));
    arena.bury_the_dead();
    assert_eq!(arena.used().unwrap(), before);
}

#[test]
fn a_child_that_takes_an_entry_away_takes_it_from_the_parent() {
    let _alone = alone();
    let map = Texts::new().unwrap();
    map.extend(texts([(1, "one"), (2, "two")])).unwrap();
    let ended = run(|| {
        assert_eq!(map.remove(&1).unwrap().as_deref(), Some("one"));
        assert_eq!(map.insert(&2, &"three".to_owned()).unwrap().as_deref(), Some("two"));
    });
    assert_eq!(ended, Ended::Code(0));
    assert_eq!(entries(&map), texts([(2, "three")]));
}
