#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::collections::BTreeSet;

use super::*;
use crate::arena::heap::{self, Plan};
use crate::handle::Handle;

/// A store of eight slots, with a handle that keeps it.
fn store() -> (Handle, Store) {
    let length = Size::for_entries(0, 0).words() * 8;
    let kind = crate::arena::block::Kind::Bytes;
    let handle = Handle::create(Plan { kind, shape: 0, length, parts: 0 }).unwrap();
    let offset = heap::body(handle.place().offset);
    let store = Store::make(handle.arena().mapping(), offset, Size::for_entries(0, 0)).unwrap();
    (handle, store)
}

fn key(bytes: &[u8; 1], tag: u32) -> Key<'_> {
    Key { bytes, tag }
}

/// Puts an entry of which there is none, and returns its slot.
fn put(store: &Store, key: &Key<'_>) -> usize {
    let Found::Nothing(Some(slot)) = store.find(key) else { panic!("there is no room") };
    let position = store.end();
    store.write(position, key.bytes, &[1, 2, 3]).unwrap();
    store.lead(slot, key.tag, position);
    slot
}

fn slot_of(store: &Store, key: &Key<'_>) -> Option<usize> {
    match store.find(key) {
        Found::Entry(slot, entry) => {
            assert_eq!((entry.key(), entry.value()), (key.bytes.to_vec(), vec![1, 2, 3]));
            Some(slot)
        }
        Found::Nothing(_) => None,
        Found::Nonsense => panic!("an entry leads nowhere"),
    }
}

#[test]
fn keys_whose_hashes_are_the_same_are_told_apart() {
    let (_handle, store) = store();
    // All at home in the last slot: the search goes on at the first.
    let keys: Vec<_> = (0..8_u8).map(|number| [number]).collect();
    let keys: Vec<_> = keys.iter().map(|bytes| key(bytes, u32::MAX)).collect();
    let slots: Vec<_> = keys[..7].iter().map(|key| put(&store, key)).collect();
    assert_eq!(slots, [7, 0, 1, 2, 3, 4, 5]);
    assert!(keys[..7].iter().zip(slots).all(|(key, slot)| slot_of(&store, key) == Some(slot)));
    assert_eq!(slot_of(&store, &keys[7]), None);
}

#[test]
fn a_search_goes_on_behind_an_entry_that_is_gone_and_its_slot_is_used_again() {
    let (_handle, store) = store();
    let (one, two, three) = (key(b"a", 0), key(b"b", 0), key(b"c", 0));
    assert_eq!([&one, &two, &three].map(|key| put(&store, key)), [0, 1, 2]);
    assert!(!store.remove(0));
    assert_eq!((slot_of(&store, &one), slot_of(&store, &three)), (None, Some(2)));
    assert_eq!(store.used(), 3);
    assert_eq!(put(&store, &one), 0);
    // Nothing is behind the last, so that its slot is as good as new.
    assert!(store.remove(2));
    assert_eq!((store.used(), slot_of(&store, &two)), (2, Some(1)));
}

#[test]
fn a_full_table_ends_every_search() {
    let (_handle, store) = store();
    let keys: Vec<_> = (0..9_u8).map(|number| [number]).collect();
    let keys: Vec<_> = keys.iter().map(|bytes| key(bytes, 5 << 29)).collect();
    keys[..8].iter().for_each(|key| {
        put(&store, key);
    });
    assert!(matches!(store.find(&keys[8]), Found::Nothing(None)));
    assert!(!store.remove(3));
    assert!(matches!(store.find(&keys[8]), Found::Nothing(Some(3))));
    assert!((0..8).filter(|&slot| slot != 3).all(|slot| !store.remove(slot)));
    assert!(matches!(store.find(&keys[8]), Found::Nothing(Some(5))));
}

#[test]
fn every_entry_is_found_once_by_going_from_home_to_home() {
    let (_handle, store) = store();
    let tags = [0, 1, 1, 1 << 29, u32::MAX, u32::MAX - 1, 7 << 29];
    let keys: Vec<_> = (0..7_u8).map(|number| [number]).collect();
    for (bytes, tag) in keys.iter().zip(tags) {
        put(&store, &key(bytes, tag));
    }
    let mut found = Vec::new();
    let mut next = Some(0);
    while let Some(tag) = next {
        let (entries, behind) = store.next_home(tag);
        found.extend(entries.iter().map(Entry::key));
        assert!(behind.is_none_or(|behind| behind > tag));
        next = behind;
    }
    assert_eq!(found.len(), 7);
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>().len(), 7);
    // From the middle of a home on, the tags before it are left out.
    assert_eq!(store.next_home(1).0.len(), 2);
    assert_eq!(store.next_home(u32::MAX).0.len(), 1);
}

#[test]
fn a_value_of_one_word_is_replaced_by_another_where_it_lies() {
    let (_handle, store) = store();
    let one = key(b"a", 9);
    put(&store, &one);
    let Found::Entry(_, entry) = store.find(&one) else { panic!("it is there") };
    assert!(!entry.replace(&[1, 2]) && !entry.replace(&[1, 2, 3, 4]));
    assert!(entry.replace(&[4, 5, 6]));
    assert_eq!(entry.value(), [4, 5, 6]);
}

#[test]
fn sizes_have_twice_the_room_that_is_needed() {
    assert_eq!(Size::for_entries(0, 0).words() * 8, 1024);
    assert_eq!(Size::for_entries(100, 1_000).words(), HEAD + 256 + 2_000);
    assert_eq!(Size::for_entries(129, 1_000).words(), HEAD + 512 + 2_000);
    assert_eq!(Size::for_entries(usize::MAX, usize::MAX).words(), usize::MAX);
}
