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

#[test]
fn a_name_that_another_janitor_is_about_to_free_is_had_by_who_creates_it() {
    for _ in 0..20 {
        let (used, left) = (name("used"), name("left"));
        let segment = SharedMemory::create(&used, 8).unwrap();
        let path = Name::new(&left).unwrap().path();
        // As a process leaves it that is killed.
        std::fs::copy(Name::new(&used).unwrap().path(), &path).unwrap();
        let janitor = file::open_own(&path).unwrap();
        assert!(file::claim(&janitor).unwrap());
        std::thread::scope(|scope| {
            let (begun, begins) = std::sync::mpsc::channel();
            let left = &left;
            let creator = scope.spawn(move || {
                begun.send(()).unwrap();
                SharedMemory::create(left, 8)
            });
            begins.recv().unwrap();
            drop(janitor);
            assert_eq!(creator.join().unwrap().unwrap().name(), left.as_str());
        });
        assert!(matches!(SharedMemory::create(&used, 8), Err(SharedMemoryError::Exists { .. })));
        drop(segment);
    }
}
