#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::cell::Cell;

use super::*;

/// A name that no other test has, and no other run of this program.
fn name(test: &str) -> String {
    format!("unit-{}-{test}", std::process::id())
}

#[test]
fn a_random_name_that_is_taken_is_passed_over() {
    let taken = SharedMemory::create(&name("first"), 8).unwrap();
    let asked = Cell::new(0);
    let names = || {
        asked.set(asked.get() + 1);
        Ok(if asked.get() == 1 { name("first") } else { name("second") })
    };
    let memory = SharedMemory::create_with_names(8, Content::Bytes, |_| (), names).unwrap();
    assert_eq!(memory.name(), name("second"));
    assert_eq!((asked.get(), taken.name()), (2, name("first").as_str()));
}
