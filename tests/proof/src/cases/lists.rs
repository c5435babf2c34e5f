//! The list and the shareable list.

use std::cell::RefCell;

use brigade_shm::{Item, List, ShareableList};
use brigade_sys::stepping::{enter, leave, through};

use super::{Case, case};
use crate::steps::{Fate, Steps};

pub(super) const CASES: &[Case] = &[
    case("list: push", "of eight bytes", push_small),
    case("list: push", "of 32 bytes", push),
    case("list: push", "the first one, which needs memory", push_first),
    case("list: extend", "by 100 of 32 bytes, which need memory", extend),
    case("list: pop", "of 32 bytes", pop),
    case("list: set", "of 32 bytes", set),
    case("list: update", "of 32 bytes", update),
    case("list: update", "of 32 bytes, another waits", update_awaited),
    case("list: truncate", "of 32 bytes", truncate),
    case("list: clone and drop", "alone", clone_and_drop),
    case("shareable list: set", "a text", set_text),
    case("shareable list: set", "a number", set_number),
];

type Row = [u64; 4];

fn list(length: u64) -> List<Row> {
    let list = List::new().unwrap();
    list.extend((0..length).map(|number| [number; 4])).unwrap();
    list
}

/// The list has the rows 0, 1, 2 and so on, at least `least` and at most `most`; then it is made
/// `length` long.
fn check(list: &List<Row>, least: u64, most: u64, length: u64) {
    let rows = list.to_vec().unwrap();
    let expected: Vec<Row> = (0..rows.len() as u64).map(|number| [number; 4]).collect();
    assert_eq!(rows, expected);
    assert!((least..=most).contains(&(rows.len() as u64)), "{} rows", rows.len());
    for number in rows.len() as u64..length {
        list.push([number; 4]).unwrap();
    }
    list.truncate(length as usize);
    // It works.
    list.push([9; 4]).unwrap();
    assert_eq!(list.pop(), Some([9; 4]));
    assert_eq!(list.len() as u64, length);
}

fn least(length: u64, fate: Fate) -> u64 {
    length + u64::from(fate == Fate::CameThrough)
}

fn push_small(steps: &mut Steps) {
    let list = List::<u64>::new().unwrap();
    list.extend([0, 1, 2]).unwrap();
    steps.of(|| through(|| list.push(3)).unwrap()).check(|fate| {
        let found = list.to_vec().unwrap();
        assert!(found == [0, 1, 2, 3] || found == [0, 1, 2] && fate == Fate::Killed, "{found:?}");
        list.truncate(3);
    });
}

fn push(steps: &mut Steps) {
    let list = list(3);
    steps
        .of(|| through(|| list.push([3; 4])).unwrap())
        .check(|fate| check(&list, least(3, fate), 4, 3));
}

fn push_first(steps: &mut Steps) {
    let current = RefCell::new(list(0));
    steps
        .of(|| {
            let list = current.borrow();
            through(|| list.push([0; 4])).unwrap();
        })
        .after(|| {
            current.replace(list(0));
        })
        .check(|fate| {
            check(&current.borrow(), least(0, fate), 1, 1);
            current.replace(list(0));
        });
}

fn extend(steps: &mut Steps) {
    let current = RefCell::new(list(3));
    steps
        .of(|| {
            let list = current.borrow();
            through(|| list.extend((3..103).map(|number| [number; 4]))).unwrap();
        })
        .check(|fate| {
            let all = if fate == Fate::CameThrough { 103 } else { 3 };
            check(&current.borrow(), all, 103, 3);
            current.replace(list(3));
        });
}

fn pop(steps: &mut Steps) {
    let list = list(3);
    steps.of(|| assert_eq!(through(|| list.pop()), Some([2; 4]))).check(|fate| {
        let most = if fate == Fate::CameThrough { 2 } else { 3 };
        check(&list, 2, most, 3);
    });
}

/// The second row goes from all `old` to all `old + 1`; then it is changed again.
fn check_second(list: &List<Row>, old: u64, fate: Fate) -> u64 {
    let row = list.get(1).unwrap();
    assert_eq!(row, [row[0]; 4]);
    assert!(row[0] == old + 1 || row[0] == old && fate == Fate::Killed, "{row:?} after {old}");
    assert_eq!([list.get(0), list.get(2)], [Some([0; 4]), Some([2; 4])]);
    add_one(list);
    row[0] + 1
}

fn add_one(list: &List<Row>) {
    list.update(1, |row| *row = [row[0] + 1; 4]).unwrap();
}

fn set(steps: &mut Steps) {
    let list = list(3);
    let mut old = 1;
    steps
        .of(|| {
            let new = list.get(1).unwrap()[0] + 1;
            through(|| list.set(1, [new; 4])).unwrap();
        })
        .check(|fate| old = check_second(&list, old, fate));
}

fn update(steps: &mut Steps) {
    let list = list(3);
    let mut old = 1;
    steps.of(|| through(|| add_one(&list))).check(|fate| old = check_second(&list, old, fate));
}

fn update_awaited(steps: &mut Steps) {
    let list = list(3);
    let mut old = 1;
    steps
        .of(|| {
            let change = |row: &mut Row| {
                *row = [row[0] + 1; 4];
                enter();
            };
            list.update(1, change).unwrap();
            leave();
        })
        .awaited_by(|| add_one(&list))
        .check(|fate| old = check_second(&list, old + 1, fate));
}

fn truncate(steps: &mut Steps) {
    let list = list(80);
    steps.of(|| through(|| list.truncate(2))).check(|fate| {
        let most = if fate == Fate::CameThrough { 2 } else { 80 };
        check(&list, 2, most, 80);
    });
}

/// Drops a list that only the child has, with all that it is made of.
fn clone_and_drop(steps: &mut Steps) {
    steps
        .of(|| {
            let list = list(200);
            through(|| drop((list.clone(), list)));
        })
        .check(|_| ());
}

/// The first item is one of the texts, and the other is as it was.
fn check_items(list: &ShareableList, texts: [&str; 2]) {
    match list.get(0).unwrap() {
        Item::Str(text) => assert!(texts.contains(&text.as_str()), "{text}"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(list.get(1).unwrap(), Item::Int(5)));
    list.set(0, texts[0]).unwrap();
    assert!(matches!(list.get(0).unwrap(), Item::Str(text) if text == texts[0]));
}

const TEXTS: [&str; 2] = ["an old and longish text", "something that is new"];

fn items() -> ShareableList {
    ShareableList::create_unnamed([Item::from(TEXTS[0]), Item::from(5)]).unwrap()
}

fn set_text(steps: &mut Steps) {
    let list = items();
    steps.of(|| through(|| list.set(0, TEXTS[1])).unwrap()).check(|_| check_items(&list, TEXTS));
}

fn set_number(steps: &mut Steps) {
    let list = items();
    steps.of(|| through(|| list.set(1, 6)).unwrap()).check(|fate| {
        let number = list.get(1).unwrap();
        let old = matches!(number, Item::Int(5)) && fate == Fate::Killed;
        assert!(matches!(number, Item::Int(6)) || old, "{number:?}");
        list.set(1, 5).unwrap();
        check_items(&list, TEXTS);
    });
}
