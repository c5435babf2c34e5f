//! Lists of items by name: what they hold, what they refuse, and what a death leaves.
#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::fs;
use std::os::unix::fs::FileExt;

use brigade_codec::{decode, encode};
use brigade_shm::testing::{Ended, alone, at_every_step, end_here, run, start};
use brigade_shm::{Item, ShareableList, ShareableListError, SharedMemory, SharedMemoryError};

fn name(test: &str) -> String {
    format!("list-{}-{test}", std::process::id())
}

fn mixed() -> Vec<Item> {
    vec![
        "howdy".into(),
        b"HoWdY".into(),
        (-273.154).into(),
        100.into(),
        Item::None,
        true.into(),
        42.into(),
    ]
}

#[test]
fn a_mixed_list_is_read_by_index_from_both_ends() {
    let _alone = alone();
    let list = ShareableList::create(&name("access"), mixed()).unwrap();
    assert_eq!((list.len(), list.is_empty()), (7, false));
    assert_eq!(list.get(0).unwrap(), Item::from("howdy"));
    assert_eq!(list.get(-2).unwrap(), Item::Bool(true));
    assert_eq!(list.get(-7).unwrap(), Item::from("howdy"));
    assert_eq!(list.iter().collect::<Result<Vec<_>, _>>().unwrap(), mixed());
    for index in [7, -8, isize::MAX, isize::MIN] {
        let out = |error| matches!(error, ShareableListError::OutOfRange { length: 7, .. });
        assert!(out(list.get(index).unwrap_err()));
        assert!(out(list.set(index, 1).unwrap_err()));
        assert!(out(list.capacity(index).unwrap_err()));
    }
}

#[test]
fn a_slot_may_change_its_kind_but_not_its_room() {
    let _alone = alone();
    let list = ShareableList::create_unnamed(mixed()).unwrap();
    list.set(4, "12345678").unwrap();
    list.set(0, Item::None).unwrap();
    list.set(-1, 1.5).unwrap();
    list.set(5, b"\0\0").unwrap();
    let before = list.to_vec().unwrap();
    for index in 0..7 {
        let error = list.set(index, "123456789").unwrap_err();
        assert!(matches!(error, ShareableListError::TooLong { size: 9, capacity: 8, .. }));
        assert_eq!(list.capacity(index).unwrap(), 8);
    }
    assert_eq!(list.to_vec().unwrap(), before);
    assert_eq!(before[4], Item::from("12345678"));
    assert_eq!(before[5], Item::from(b"\0\0"), "zeros at the end are bytes like others");
    // The room is counted in bytes, not in letters.
    let wide = ShareableList::create_unnamed(["äöü".repeat(5), "x".repeat(9)]).unwrap();
    assert_eq!((wide.capacity(0).unwrap(), wide.capacity(1).unwrap()), (32, 16));
    wide.set(0, "ä".repeat(16)).unwrap();
    assert!(wide.set(0, "ä".repeat(17)).is_err());
    assert_eq!(wide.get(1).unwrap(), Item::from("x".repeat(9)));
}

#[test]
fn items_are_counted_and_found() {
    let _alone = alone();
    let list = ShareableList::create_unnamed([7, 42, 7]).unwrap();
    assert_eq!((list.count(7).unwrap(), list.count(1).unwrap()), (2, 0));
    assert_eq!((list.index(42).unwrap(), list.index(7).unwrap()), (Some(1), Some(0)));
    assert_eq!((list.index(100).unwrap(), list.index("7").unwrap()), (None, None));
}

#[test]
fn a_copy_is_another_list_and_an_opened_one_is_the_same() {
    let _alone = alone();
    let list = ShareableList::create(&name("origin"), mixed()).unwrap();
    let copy = ShareableList::create(&name("copy"), list.to_vec().unwrap()).unwrap();
    let same = ShareableList::open(list.name()).unwrap();
    list.set(3, 101).unwrap();
    assert_eq!(same.get(3).unwrap(), Item::Int(101));
    assert_eq!(copy.get(3).unwrap(), Item::Int(100));
    assert!(matches!(
        ShareableList::create(&name("copy"), mixed()),
        Err(ShareableListError::Memory(SharedMemoryError::Exists { .. }))
    ));
    let empty = ShareableList::create_unnamed(Vec::<Item>::new()).unwrap();
    assert_eq!((empty.len(), empty.is_empty()), (0, true));
    assert_eq!(ShareableList::open(empty.name()).unwrap().to_vec().unwrap(), []);
    assert!(empty.get(0).is_err() && empty.get(-1).is_err());
}

#[test]
fn a_handle_is_as_long_for_a_long_list_and_opens_the_same() {
    let _alone = alone();
    let short = ShareableList::create_unnamed(0..10).unwrap();
    let long = ShareableList::create_unnamed(0..400).unwrap();
    let bytes = encode(&short).unwrap();
    assert_eq!(bytes.len(), encode(&long).unwrap().len());
    let arrived: ShareableList = decode(&bytes).unwrap();
    arrived.set(0, -1).unwrap();
    short.set(1, -2).unwrap();
    assert_eq!(short.get(0).unwrap(), Item::Int(-1));
    assert_eq!(arrived.get(1).unwrap(), Item::Int(-2));
    short.unlink().unwrap();
    assert!(decode::<ShareableList>(&bytes).is_err(), "nothing is left to open");
    assert!(short.unlink().is_err());
}

#[test]
fn children_change_it_by_name_and_through_the_handle() {
    let _alone = alone();
    let list = ShareableList::create(&name("children"), vec![0; 4]).unwrap();
    let children: Vec<_> = (0..4)
        .map(|index| {
            let list = &list;
            start(move || {
                let by_name = ShareableList::open(list.name()).unwrap();
                for number in 1..=500 {
                    if number % 2 == 0 { list } else { &by_name }.set(index, number).unwrap();
                }
            })
        })
        .collect();
    for child in children {
        assert_eq!(child.join(), Ended::Code(0));
    }
    assert_eq!(list.to_vec().unwrap(), vec![Item::Int(500); 4]);
}

#[test]
fn no_reader_sees_half_an_item() {
    let _alone = alone();
    let long = "x".repeat(100);
    let list = ShareableList::create_unnamed([Item::from(long.as_str()), 0.into()]).unwrap();
    let child = start(|| {
        for _ in 0..2_000 {
            list.set(0, "y".repeat(100)).unwrap();
            list.set(0, b"short").unwrap();
            list.set(0, long.as_str()).unwrap();
            list.set(1, 1).unwrap();
        }
        list.set(1, "end").unwrap();
    });
    let allowed = [Item::from(long.as_str()), "y".repeat(100).into(), b"short".into()];
    while list.get(1).unwrap() != Item::from("end") {
        let item = list.get(0).unwrap();
        assert!(allowed.contains(&item), "{item:?}");
    }
    assert_eq!(child.join(), Ended::Code(0));
}

#[test]
fn a_death_in_any_step_leaves_the_old_item_or_the_new_one() {
    let _alone = alone();
    let text = "a text of some length";
    let list = ShareableList::create_unnamed([Item::from(text), 5.into()]).unwrap();
    let deaths = at_every_step(
        || {
            list.set(0, 1).unwrap();
            list.set(0, "another text, as long").unwrap();
        },
        |came_through| {
            let found = list.get(0).unwrap();
            let stages = [text.into(), 1.into(), Item::from("another text, as long")];
            assert!(stages.contains(&found), "{found:?}");
            assert!(!came_through || found == stages[2]);
            assert_eq!(list.get(1).unwrap(), Item::Int(5));
            list.set(0, text).unwrap();
        },
    );
    assert!(deaths >= 20, "each word is a step");
}

#[test]
fn a_list_whose_creator_dies_is_complete_or_has_no_name() {
    let _alone = alone();
    let name = name("creator");
    at_every_step(
        || {
            drop(ShareableList::create(&name, mixed()).unwrap());
        },
        |_| match ShareableList::open(&name) {
            Ok(list) => assert_eq!(list.to_vec().unwrap(), mixed()),
            Err(ShareableListError::Memory(SharedMemoryError::Missing { .. })) => {}
            Err(error) => panic!("{error}"),
        },
    );
}

#[test]
fn a_dead_owner_of_the_lock_keeps_nobody_waiting() {
    let _alone = alone();
    let list = ShareableList::create_unnamed([1, 2]).unwrap();
    let killed = run(|| {
        list.set(0, 7).unwrap();
        end_here();
    });
    assert_eq!(killed, Ended::Signal(9));
    list.set(1, 8).unwrap();
    assert_eq!(list.to_vec().unwrap(), [Item::Int(7), Item::Int(8)]);
}

#[test]
fn a_segment_that_is_no_list_is_refused() {
    let _alone = alone();
    let memory = SharedMemory::create(&name("bytes"), 4096).unwrap();
    let opened = ShareableList::open(memory.name());
    assert!(matches!(opened, Err(ShareableListError::Corrupt(_))));
}

#[test]
fn hostile_bytes_are_an_error_and_end_no_process() {
    let _alone = alone();
    let list = ShareableList::create(&name("hostile"), mixed()).unwrap();
    let path = format!("/dev/shm/brigade.{}", list.name());
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let size = file.metadata().unwrap().len();
    // Every word behind the segment's header, which the kernel's part of the lock comes first in.
    for offset in (64 + 64..size).step_by(8) {
        let mut sane = [0; 8];
        file.read_exact_at(&mut sane, offset).unwrap();
        for word in [u64::MAX, 1, 1 << 56 | 500, u64::MAX / 8, 3 << 56] {
            file.write_all_at(&word.to_ne_bytes(), offset).unwrap();
            if let Ok(opened) = ShareableList::open(list.name()) {
                let _ = opened.to_vec();
                let _ = opened.set(0, "short");
                let _ = opened.get(-1);
            }
            let _ = list.to_vec();
            let _ = list.get(0);
            file.write_all_at(&sane, offset).unwrap();
        }
    }
    assert_eq!(list.len(), 7);
}
