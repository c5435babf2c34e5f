//! Values: nobody ever sees half of one, and what was seen stays.

use std::cell::Cell;

use brigade_shm::{Array, Item, List, Map, ShareableList, Value};

use super::Make;
use crate::storm::game::{Deaths, Game, Player, driver};

pub(super) const GAMES: &[(&str, Make)] = &[
    ("value", |_| Box::new(Values::new())),
    ("array", |_| Box::new(Arrays(Array::from_slice(&[[0; 5]; 3]).unwrap()))),
    ("list", |_| Box::new(Lists(List::new().unwrap()))),
    ("map", |_| Box::new(Maps(Map::new().unwrap()))),
    ("shareable list", |_| Box::new(Shareables::new())),
];

struct Values {
    row: Value<[u64; 6]>,
    count: Value<u64>,
}

impl Values {
    fn new() -> Self {
        Self { row: Value::new([0; 6]).unwrap(), count: Value::new(0).unwrap() }
    }
}

/// The number that all of `row` are.
fn whole<const N: usize>(row: [u64; N]) -> u64 {
    assert_eq!(row, [row[0]; N], "half a value");
    row[0]
}

impl Game for Values {
    fn players(&self) -> Vec<Player> {
        let writer = || {
            let (row, count) = (self.row.clone(), self.count.clone());
            driver("writer", move |_| {
                let new = row.update(|row| {
                    *row = [whole(*row) + 1; 6];
                    row[0]
                });
                assert!(whole(row.get()) >= new, "what was written is gone");
                let old = count.fetch_add(1);
                assert!(count.get() > old);
            })
        };
        let (row, last) = (self.row.clone(), Cell::new(0));
        let reader = driver("reader", move |_| {
            let found = whole(row.get());
            assert!(found >= last.replace(found), "what was read is gone");
        });
        vec![writer(), writer(), reader]
    }

    fn check(&self, deaths: &Deaths) {
        let found = self.row.update(|row| whole(*row));
        // Each writer that was killed may have done one without the other.
        let writers = deaths.get("writer").copied().unwrap_or(0) as u64;
        assert!(found.abs_diff(self.count.get()) <= writers, "{found} rows, {}", self.count.get());
    }
}

struct Arrays(Array<[u64; 5]>);

impl Game for Arrays {
    fn players(&self) -> Vec<Player> {
        let writer = || {
            let array = self.0.clone();
            driver("writer", move |seat| {
                let index = (seat.turns() % 3) as usize;
                array.update(index, |row| *row = [whole(*row) + 1; 5]).unwrap();
                array.set((index + 1) % 3, [seat.turns(); 5]).unwrap();
                array.iter().for_each(|row| {
                    whole(row);
                });
            })
        };
        vec![writer(), writer()]
    }

    fn check(&self, _: &Deaths) {
        for index in 0..3 {
            self.0.update(index, |row| whole(*row)).unwrap();
        }
    }
}

struct Lists(List<[u64; 4]>);

impl Game for Lists {
    fn players(&self) -> Vec<Player> {
        let user = || {
            let list = self.0.clone();
            driver("user", move |seat| {
                list.push([seat.turns(); 4]).unwrap();
                if seat.turns().is_multiple_of(3) {
                    list.extend((0..20).map(|number| [number; 4])).unwrap();
                }
                list.pop().map(whole);
                let _ = list.update(0, |row| *row = [whole(*row) + 1; 4]);
                list.get(1).map(whole);
                if list.len() > 200 {
                    list.truncate(5);
                }
            })
        };
        vec![user(), user()]
    }

    fn check(&self, _: &Deaths) {
        let rows = self.0.to_vec().unwrap();
        assert_eq!(rows.len(), self.0.len());
        rows.into_iter().for_each(|row| {
            whole(row);
        });
    }
}

struct Maps(Map<u64, String>);

/// What may stand under `key`: the key, once or several times.
fn check_entry(key: u64, text: &str) {
    let once = format!("<{key}>");
    assert_eq!(text.replace(&once, ""), "", "{text} under {key}");
}

impl Game for Maps {
    fn players(&self) -> Vec<Player> {
        let writer = || {
            let map = self.0.clone();
            driver("writer", move |seat| {
                let key = seat.turns() % 13;
                let text = format!("<{key}>").repeat((seat.turns() % 4) as usize);
                map.insert(&key, &text).unwrap();
                let other = (key + 5) % 13;
                map.update(&other, |text| {
                    if let Some(text) = text {
                        check_entry(other, text);
                        *text = format!("<{other}>");
                    }
                })
                .unwrap();
                map.remove(&((key + 1) % 13)).unwrap();
                if seat.turns().is_multiple_of(50) {
                    map.clear().unwrap();
                }
                if let Some(text) = map.get(&key).unwrap() {
                    check_entry(key, &text);
                }
            })
        };
        let map = self.0.clone();
        let reader = driver("reader", move |_| {
            for (key, text) in map.to_vec().unwrap() {
                check_entry(key, &text);
            }
        });
        vec![writer(), writer(), reader]
    }

    fn check(&self, _: &Deaths) {
        let entries = self.0.to_vec().unwrap();
        assert_eq!(entries.len(), self.0.len());
        for (key, text) in entries {
            check_entry(key, &text);
            assert_eq!(self.0.get(&key).unwrap(), Some(text));
        }
    }
}

struct Shareables(ShareableList);

impl Shareables {
    fn new() -> Self {
        Self(ShareableList::create_unnamed(["a".repeat(64)]).unwrap())
    }
}

/// One letter, again and again.
fn check_text(item: &Item) {
    match item {
        Item::Str(text) => assert!(text.len() == 64 && *text == text[..1].repeat(64), "{text}"),
        other => panic!("{other:?}"),
    }
}

impl Game for Shareables {
    fn players(&self) -> Vec<Player> {
        let writer = || {
            let list = self.0.clone();
            driver("writer", move |seat| {
                list.set(0, ["b", "c"][(seat.turns() % 2) as usize].repeat(64)).unwrap();
                check_text(&list.get(0).unwrap());
            })
        };
        vec![writer(), writer()]
    }

    fn check(&self, _: &Deaths) {
        check_text(&self.0.get(0).unwrap());
    }
}
