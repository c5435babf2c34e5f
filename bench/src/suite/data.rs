//! Shared data: one element read, and one written; by its index, and by its key.

use super::python;
use crate::Result;
use crate::case::{Case, Cores, Group, Side, Unit};
use crate::ours::data;
use crate::single::Single;

const COUNT: u64 = 5_000_000;

pub(super) fn groups() -> Vec<Group> {
    vec![get(), set(), map_get(), map_insert()]
}

fn get() -> Group {
    Group {
        family: "data",
        name: "element, get",
        work: "One process reads one of 1024 shared numbers, each in turn, and checks it.",
        unit: Unit::Nanoseconds,
        detail: None,
        cores: Cores::Two,
        cases: vec![
            single("Value::get", Side::Brigade, COUNT, data::value_get),
            single("Array::get", Side::Brigade, COUNT, data::array_get),
            single("List::get", Side::Brigade, COUNT, data::list_get),
            single("ShareableList::get", Side::Brigade, COUNT / 10, data::shareable_list_get),
            single("bare atomic load", Side::Bound, COUNT, data::word_get),
            python("Python RawArray", "raw_array_get", &[], 500_000),
            python("Python Array with its lock", "array_get", &[], 200_000),
            python("Python ShareableList", "shareable_list_get", &[], 100_000),
            python("Python Manager list", "manager_list_get", &[], 5_000),
        ],
    }
}

fn set() -> Group {
    Group {
        family: "data",
        name: "element, set",
        work: "One process writes one of 1024 shared numbers, each in turn; all are checked at the \
               end.",
        unit: Unit::Nanoseconds,
        detail: None,
        cores: Cores::Two,
        cases: vec![
            single("Value::set", Side::Brigade, COUNT, data::value_set),
            single("Array::set", Side::Brigade, COUNT, data::array_set),
            single("List::set", Side::Brigade, COUNT, data::list_set),
            single("ShareableList::set", Side::Brigade, COUNT / 10, data::shareable_list_set),
            single("bare atomic store", Side::Bound, COUNT, data::word_set),
            python("Python RawArray", "raw_array_set", &[], 500_000),
            python("Python Array with its lock", "array_set", &[], 200_000),
            python("Python ShareableList", "shareable_list_set", &[], 100_000),
            python("Python Manager list", "manager_list_set", &[], 5_000),
        ],
    }
}

fn map_get() -> Group {
    Group {
        family: "data",
        name: "map, get",
        work: "One process looks up one of 1024 shared numbers by its key, each in turn, and checks \
               it.",
        unit: Unit::Nanoseconds,
        detail: None,
        cores: Cores::Two,
        cases: vec![
            single("Map::get", Side::Brigade, COUNT / 5, data::map_get),
            single("std HashMap, RwLock (threads)", Side::Bound, COUNT, data::hash_map_get),
            python("Python Manager dict", "manager_dict_get", &[], 5_000),
        ],
    }
}

fn map_insert() -> Group {
    Group {
        family: "data",
        name: "map, insert",
        work: "One process replaces one of 1024 shared numbers by its key, each in turn; all are \
               checked at the end.",
        unit: Unit::Nanoseconds,
        detail: None,
        cores: Cores::Two,
        cases: vec![
            single("Map::insert", Side::Brigade, COUNT / 10, data::map_insert),
            single("std HashMap, RwLock (threads)", Side::Bound, COUNT, data::hash_map_insert),
            python("Python Manager dict", "manager_dict_set", &[], 5_000),
        ],
    }
}

fn single(
    name: &'static str,
    side: Side,
    count: u64,
    measure: fn(u64) -> Result<f64>,
) -> Box<dyn Case> {
    Box::new(Single { name, side, count, measure })
}
