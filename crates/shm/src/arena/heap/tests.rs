#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use super::*;
use crate::arena::layout::HEAP_START;

fn plan(length: usize) -> Plan {
    Plan { kind: Kind::Bytes, shape: 0, length, parts: 0 }
}

fn own() -> (&'static Arena, u16) {
    // An arena of its own for each test, so that its blocks can be counted.
    let arena = crate::arena::new_for_test();
    let slot = arena.tag().unwrap().slot;
    (arena, slot)
}

#[test]
fn an_object_is_zero_and_its_memory_is_used_again() {
    let (arena, slot) = own();
    let first = allocate(arena, slot, plan(1000)).unwrap();
    arena.mapping().write(body(first.offset), &[7; 1000]).unwrap();
    release(arena, slot, first).unwrap();
    let second = allocate(arena, slot, plan(1000)).unwrap();
    assert_eq!(first.offset, second.offset);
    assert_ne!(first.generation, second.generation);
    let mut bytes = [1; 1000];
    arena.mapping().read(body(second.offset), &mut bytes).unwrap();
    assert_eq!(bytes, [0; 1000]);
}

#[test]
fn a_million_creations_leave_the_memory_flat() {
    let (arena, slot) = own();
    let (used, size) = usage(arena).unwrap();
    for _ in 0..1_000_000 {
        let place = allocate(arena, slot, plan(64)).unwrap();
        release(arena, slot, place).unwrap();
    }
    assert_eq!(usage(arena).unwrap(), (used, size));
}

#[test]
fn an_object_lives_while_a_message_carries_it() {
    let (arena, slot) = own();
    let (used, _) = usage(arena).unwrap();
    let place = allocate(arena, slot, plan(64)).unwrap();
    send(arena, place);
    release(arena, slot, place).unwrap();
    adopt(arena, slot, place, (Kind::Bytes, 0), Arrival::Message).unwrap();
    assert!(matches!(
        adopt(arena, slot, place, (Kind::Lock, 0), Arrival::Message),
        Err(Error::WrongType { .. })
    ));
    release(arena, slot, place).unwrap();
    assert!(matches!(
        adopt(arena, slot, place, (Kind::Bytes, 0), Arrival::Message),
        Err(Error::Gone { .. })
    ));
    assert_eq!(usage(arena).unwrap().0, used);
}

#[test]
fn a_part_lives_as_long_as_its_parent_or_its_holder() {
    let (arena, slot) = own();
    let (used, _) = usage(arena).unwrap();
    let parent = allocate(arena, slot, Plan { parts: 2, ..plan(64) }).unwrap();
    let one = allocate(arena, slot, plan(64)).unwrap();
    let two = allocate(arena, slot, plan(64)).unwrap();
    attach(arena, slot, one, parent, 0).unwrap();
    attach(arena, slot, two, parent, 1).unwrap();
    assert!(attach(arena, slot, two, parent, 2).is_err(), "there is no third word");
    hold_for(arena, slot, two).unwrap();
    release(arena, slot, parent).unwrap();
    assert!(adopt(arena, slot, one, (Kind::Bytes, 0), Arrival::Kept).is_err());
    release(arena, slot, two).unwrap();
    assert_eq!(usage(arena).unwrap().0, used);
}

#[test]
fn a_rebuilt_heap_has_the_same_objects_and_frees_orphans() {
    let (arena, slot) = own();
    let places: Vec<_> = (0..50).map(|n| allocate(arena, slot, plan(n * 40)).unwrap()).collect();
    for place in places.iter().step_by(2) {
        release(arena, slot, *place).unwrap();
    }
    let (used, size) = usage(arena).unwrap();
    // A part whose parent never learned of it, and a free block that is on no list.
    let orphan = allocate(arena, slot, plan(64)).unwrap();
    let block: &Block = arena.mapping().get(orphan.offset).unwrap();
    block.parent.store(places[1].offset as u64, Relaxed);
    block.unhold(slot);
    arena.header().heap.free[0].store(0, Relaxed);
    Locked::new(arena).unwrap().rebuild().unwrap();
    assert_eq!(usage(arena).unwrap(), (used, size));
    for place in places.iter().skip(1).step_by(2) {
        release(arena, slot, *place).unwrap();
    }
    assert_eq!(usage(arena).unwrap().0, 0);
}

#[test]
fn nonsense_in_a_head_is_an_error_and_ends_no_process() {
    let (arena, slot) = own();
    let place = allocate(arena, slot, plan(64)).unwrap();
    for word in [u64::MAX, 1 << 40, 0xff << 32] {
        arena.mapping().write(place.offset, &word.to_ne_bytes()).unwrap();
        let _ = usage(arena);
        let _ = release(arena, slot, place);
        let _ = detach(arena, place, 0);
        let _ = allocate(arena, slot, plan(64));
    }
    arena.header().heap.free[0].store(u64::MAX, Relaxed);
    assert!(allocate(arena, slot, plan(64)).is_err());
    arena.header().heap.top.store(u64::MAX, Relaxed);
    assert!(allocate(arena, slot, plan(1 << 20)).is_err());
}

#[test]
fn what_does_not_fit_is_refused() {
    let (arena, slot) = own();
    assert!(matches!(allocate(arena, slot, plan(MAX_LENGTH + 1)), Err(Error::TooLarge { .. })));
    assert!(matches!(allocate(arena, slot, plan(usize::MAX)), Err(Error::TooLarge { .. })));
}

#[test]
fn a_top_or_an_end_beyond_all_memory_is_an_error() {
    for (top, end) in [
        (u64::MAX - 1000, u64::MAX - 900),
        (u64::MAX - 5_000, u64::MAX - 4_900),
        (1 << 62, 1 << 63),
        (HEAP_START as u64, u64::MAX),
        (1 << 40, 0),
        (HEAP_START as u64 + 1, 1 << 30),
        (0, 0),
    ] {
        let (arena, slot) = own();
        arena.header().heap.top.store(top, Relaxed);
        arena.header().heap.end.store(end, Relaxed);
        for length in [0, 64, 1 << 20] {
            let _ = allocate(arena, slot, plan(length));
        }
        let _ = usage(arena);
    }
}

#[test]
fn a_long_chain_of_parts_of_parts_does_not_exhaust_the_stack() {
    use brigade_sys::test_processes::{Child, Ended};

    let ended = Child::run(|| {
        let (arena, slot) = own();
        let chained = Plan { parts: 1, ..plan(64) };
        let first = allocate(arena, slot, chained).unwrap();
        let mut last = first;
        for _ in 0..20_000 {
            let next = allocate(arena, slot, chained).unwrap();
            attach(arena, slot, next, last, 0).unwrap();
            last = next;
        }
        release(arena, slot, first).unwrap();
    })
    .join();
    assert_eq!(ended, Ended::Code(0));
}

#[test]
fn a_rebuilt_heap_frees_the_parts_of_what_it_frees() {
    let (arena, slot) = own();
    let part = allocate(arena, slot, plan(64)).unwrap();
    let parent = allocate(arena, slot, Plan { parts: 1, ..plan(64) }).unwrap();
    assert!(part.offset < parent.offset);
    attach(arena, slot, part, parent, 0).unwrap();
    // A process that died between letting its object go and freeing it.
    let block: &Block = arena.mapping().get(parent.offset).unwrap();
    block.unhold(slot);
    Locked::new(arena).unwrap().rebuild().unwrap();
    assert_eq!(usage(arena).unwrap().0, 0);
}

/// A process slot that no process of this arena has.
const OTHER: u16 = 7;

#[test]
fn a_cargo_keeps_what_it_lists_and_lets_it_go_when_it_is_freed() {
    let (arena, slot) = own();
    let places = [1, 2, 3].map(|n| allocate(arena, slot, plan(n * 100)).unwrap());
    let cargo = pack(arena, slot, &places).unwrap();
    assert_eq!(carried_by(arena, cargo), places);
    let used = usage(arena).unwrap().0;
    places.iter().for_each(|&place| release(arena, slot, place).unwrap());
    assert_eq!(usage(arena).unwrap().0, used);
    adopt(arena, slot, places[1], (Kind::Bytes, 0), Arrival::Kept).unwrap();
    assert_eq!(under_way(arena, places[1]), (0, 1));
    release_part(arena, slot, cargo).unwrap();
    assert_eq!(under_way(arena, places[1]), (0, 0));
    assert!(adopt(arena, slot, places[0], (Kind::Bytes, 0), Arrival::Kept).is_err());
    release(arena, slot, places[1]).unwrap();
    assert_eq!(usage(arena).unwrap().0, 0);
}

#[test]
fn a_cargo_is_not_made_of_what_does_not_exist() {
    let (arena, slot) = own();
    let gone = allocate(arena, slot, plan(64)).unwrap();
    release(arena, slot, gone).unwrap();
    let there = allocate(arena, slot, plan(1000)).unwrap();
    assert!(pack(arena, slot, &[there, gone]).is_err());
    assert_eq!(under_way(arena, there), (0, 0));
    release(arena, slot, there).unwrap();
    assert_eq!(usage(arena).unwrap().0, 0);
}

#[test]
fn a_chain_of_cargoes_in_parts_is_freed_with_its_end_however_long() {
    use brigade_sys::test_processes::{Child, Ended};

    let ended = Child::run(|| {
        let (arena, slot) = own();
        let mut last = allocate(arena, slot, plan(64)).unwrap();
        for _ in 0..20_000 {
            let next = allocate(arena, slot, Plan { parts: 1, ..plan(64) }).unwrap();
            let cargo = pack(arena, slot, &[last]).unwrap();
            release(arena, slot, last).unwrap();
            attach(arena, slot, cargo, next, 0).unwrap();
            last = next;
        }
        release(arena, slot, last).unwrap();
        assert_eq!(usage(arena).unwrap().0, 0);
    })
    .join();
    assert_eq!(ended, Ended::Code(0));
}

#[test]
fn a_rebuilt_heap_counts_what_the_cargoes_list_and_frees_chains_of_them() {
    let (arena, slot) = own();
    let kept = allocate(arena, slot, plan(64)).unwrap();
    let object = allocate(arena, slot, plan(64)).unwrap();
    let inner = pack(arena, slot, &[object, kept]).unwrap();
    let outer = pack(arena, slot, &[inner]).unwrap();
    for place in [object, inner] {
        release(arena, slot, place).unwrap();
    }
    let block = |place: Place| arena.mapping().get::<Block>(place.offset).unwrap();
    // A count that a dead process has not corrected.
    block(object).set_carried(9);
    block(kept).set_carried(0);
    Locked::new(arena).unwrap().rebuild().unwrap();
    assert_eq!((under_way(arena, object), under_way(arena, kept)), ((0, 1), (0, 1)));
    // A process that died between letting its cargo go and freeing it.
    block(outer).unhold(slot);
    Locked::new(arena).unwrap().rebuild().unwrap();
    assert_eq!(under_way(arena, kept), (0, 0));
    release(arena, slot, kept).unwrap();
    assert_eq!(usage(arena).unwrap().0, 0);
}

#[test]
fn a_cargo_that_two_processes_hold_goes_with_the_second() {
    let (arena, slot) = own();
    let object = allocate(arena, slot, plan(64)).unwrap();
    let store = allocate(arena, slot, Plan { parts: 1, ..plan(64) }).unwrap();
    let cargo = pack(arena, slot, &[object]).unwrap();
    release(arena, slot, object).unwrap();
    attach(arena, slot, cargo, store, 0).unwrap();
    hold_for(arena, slot, cargo).unwrap();
    // As a fork does.
    hold_for(arena, OTHER, cargo).unwrap();
    release_part(arena, slot, cargo).unwrap();
    assert!(part(arena, store, 0).is_none());
    assert_eq!(under_way(arena, object), (0, 1));
    // A copy of the first, which does not hold it any more.
    release_part(arena, slot, cargo).unwrap();
    assert_eq!(under_way(arena, object), (0, 1));
    release_all(arena, OTHER);
    release(arena, slot, store).unwrap();
    assert_eq!(usage(arena).unwrap().0, 0);
}

#[test]
fn overwritten_cargoes_end_no_process() {
    for word in [0, 1, 64, u64::MAX, 1 << 40, HEAP_START as u64] {
        let (arena, slot) = own();
        let object = allocate(arena, slot, plan(64)).unwrap();
        // The second entry names the cargo itself.
        let cargo = pack(arena, slot, &[object, object]).unwrap();
        let entry = |at: usize| arena.mapping().get::<AtomicU64>(body(cargo.offset) + at).unwrap();
        entry(16).store(cargo.offset as u64, Relaxed);
        entry(0).store(word, Relaxed);
        arena.mapping().get::<Block>(cargo.offset).unwrap().length.store(word, Relaxed);
        let _ = carried_by(arena, cargo);
        let _ = Locked::new(arena).unwrap().rebuild();
        let _ = release_part(arena, slot, cargo);
        let _ = usage(arena);
    }
}
