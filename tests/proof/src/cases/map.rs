//! The map.

use std::cell::RefCell;

use brigade_shm::Map;
use brigade_sys::stepping::{enter, leave, through};

use super::{Case, case};
use crate::steps::{Fate, Steps};

pub(super) const CASES: &[Case] = &[
    case("map: insert", "a new key", insert),
    case("map: insert", "a new key, and the map must grow", insert_growing),
    case("map: insert", "another value of the same length", replace),
    case("map: insert", "a longer value", replace_by_longer),
    case("map: get", "alone", get),
    case("map: remove", "alone", remove),
    case("map: update", "alone", update),
    case("map: update", "another waits", update_awaited),
    case("map: clear", "alone", clear),
    case("map: retain", "half of it", retain),
];

type Texts = Map<u64, String>;

/// The value of `number` at first.
fn text(number: u64) -> String {
    format!("the text of number {number}")
}

fn map(length: u64) -> Texts {
    let map = Map::new().unwrap();
    map.extend((0..length).map(|number| (number, text(number)))).unwrap();
    map
}

/// The map has the first `kept` entries as they were; the rest of it is as expected or missing.
fn check(map: &Texts, kept: u64, others: &[(u64, &str)], required: usize) {
    let mut entries = map.to_vec().unwrap();
    entries.sort();
    assert_eq!(entries.len(), map.len());
    for number in 0..kept {
        assert_eq!(map.get(&number).unwrap(), Some(text(number)));
    }
    let rest: Vec<_> = entries.iter().filter(|(number, _)| *number >= kept).collect();
    assert!(rest.len() >= required, "{rest:?}");
    for (number, found) in rest {
        assert!(others.contains(&(*number, found.as_str())), "{number}: {found}");
        assert_eq!(map.get(number).unwrap().as_ref(), Some(found));
    }
    // It works.
    map.insert(&1_000, &"more".to_owned()).unwrap();
    assert_eq!(map.remove(&1_000).unwrap().as_deref(), Some("more"));
}

fn required(fate: Fate) -> usize {
    usize::from(fate == Fate::CameThrough)
}

fn insert(steps: &mut Steps) {
    let map = map(5);
    steps.of(|| drop(through(|| map.insert(&5, &text(5))).unwrap())).check(|fate| {
        check(&map, 5, &[(5, &text(5))], required(fate));
        map.remove(&5).unwrap();
    });
}

/// Each round has a map of its own, in which one more entry has no room.
fn insert_growing(steps: &mut Steps) {
    let current = RefCell::new(map(0));
    steps
        .of(|| {
            let map = current.borrow();
            through(|| map.insert(&0, &text(0))).unwrap();
        })
        .check(|fate| {
            check(&current.borrow(), 0, &[(0, &text(0))], required(fate));
            current.replace(map(0));
        });
}

fn prove_replace(steps: &mut Steps, new: &str) {
    let map = map(6);
    steps.of(|| drop(through(|| map.insert(&5, &new.to_owned())).unwrap())).check(|fate| {
        check(&map, 5, &[(5, &text(5)), (5, new)], 1);
        assert!(fate == Fate::Killed || map.get(&5).unwrap().as_deref() == Some(new));
        map.insert(&5, &text(5)).unwrap();
    });
}

fn replace(steps: &mut Steps) {
    prove_replace(steps, &text(9));
}

fn replace_by_longer(steps: &mut Steps) {
    prove_replace(steps, &text(9).repeat(5));
}

fn get(steps: &mut Steps) {
    let map = map(5);
    steps
        .of(|| assert_eq!(through(|| map.get(&3)).unwrap(), Some(text(3))))
        .check(|_| check(&map, 5, &[], 0));
}

fn remove(steps: &mut Steps) {
    let map = map(6);
    steps.of(|| assert_eq!(through(|| map.remove(&5)).unwrap(), Some(text(5)))).check(|fate| {
        check(&map, 5, &[(5, &text(5))], 0);
        assert!(fate == Fate::Killed || map.len() == 5);
        map.insert(&5, &text(5)).unwrap();
    });
}

/// Puts an exclamation mark behind the last text, and takes it away if there is one.
fn exclaim(map: &Texts) {
    map.update(&5, |text| {
        let text = text.as_mut().unwrap();
        match text.ends_with('!') {
            true => drop(text.pop()),
            false => text.push('!'),
        }
    })
    .unwrap();
}

fn update(steps: &mut Steps) {
    let map = map(6);
    let exclaimed = text(5) + "!";
    steps
        .of(|| through(|| exclaim(&map)))
        .check(|_| check(&map, 5, &[(5, &text(5)), (5, &exclaimed)], 1));
}

fn update_awaited(steps: &mut Steps) {
    let map = map(6);
    let exclaimed = text(5) + "!";
    steps
        .of(|| {
            map.update(&5, |text| {
                if let Some(text) = text {
                    *text = format!("{}!", text.trim_end_matches('!'));
                }
                enter();
            })
            .unwrap();
            leave();
        })
        .awaited_by(|| exclaim(&map))
        .check(|_| check(&map, 5, &[(5, &text(5)), (5, &exclaimed)], 1));
}

fn clear(steps: &mut Steps) {
    let map = map(6);
    steps.of(|| through(|| map.clear()).unwrap()).check(|fate| {
        let kept = map.len() as u64;
        assert!(kept == 0 || kept == 6 && fate == Fate::Killed, "{kept} are left");
        check(&map, kept, &[], 0);
        map.extend((0..6).map(|number| (number, text(number)))).unwrap();
    });
}

fn retain(steps: &mut Steps) {
    let map = map(6);
    steps.of(|| through(|| map.retain(|&number, _| number < 3)).unwrap()).check(|fate| {
        assert!(fate == Fate::Killed || map.len() == 3);
        check(&map, 3, &[(3, &text(3)), (4, &text(4)), (5, &text(5))], 0);
        map.extend((3..6).map(|number| (number, text(number)))).unwrap();
    });
}
