use std::sync::atomic::{AtomicU32, AtomicU64};

use super::*;

#[test]
fn what_lies_outside_the_file_is_not_handed_out() {
    let mapping = Mapping::new(create("memory-test", 4096).expect("memory"), 1 << 20).expect("map");
    assert!(mapping.get::<AtomicU64>(4088).is_some());
    assert!(mapping.get::<AtomicU64>(4092).is_none(), "not aligned");
    assert!(mapping.get::<AtomicU64>(4096).is_none());
    assert!(mapping.get::<AtomicU32>(usize::MAX - 3).is_none());
    assert!(mapping.slice::<AtomicU32>(0, usize::MAX).is_none());
    assert!(mapping.slice::<AtomicU32>(4092, 2).is_none());
    assert!(mapping.write(4090, &[0; 7]).is_none());
    assert!(mapping.read(4096, &mut [0]).is_none());
    assert!(mapping.clear(0, 4097).is_none());
}

#[test]
fn growth_moves_nothing_and_is_seen_by_every_mapping() {
    let file = create("memory-test", 4096).expect("memory");
    let other = Mapping::new(file.try_clone().expect("a descriptor"), 1 << 20).expect("map");
    let mapping = Mapping::new(file, 1 << 20).expect("map");
    let word: &AtomicU32 = mapping.get(0).expect("aligned");
    mapping.grow(1 << 16).expect("memory");
    word.store(7, Relaxed);
    mapping.write(65_000, b"far").expect("inside");
    let mut bytes = [0; 3];
    other.read(65_000, &mut bytes).expect("inside");
    assert_eq!(&bytes, b"far");
    assert_eq!(other.get::<AtomicU32>(0).expect("aligned").load(Relaxed), 7);
    assert!(mapping.grow((1 << 20) + 1).is_err(), "beyond the reserve");
}

#[test]
fn a_file_that_could_shrink_is_refused() {
    let file = memfd_create("memory-test", MemfdFlags::CLOEXEC).expect("a descriptor");
    assert!(peek(&file, 0, &mut []).is_err());
    assert!(Mapping::new(file, 4096).is_err());
}

#[test]
fn a_file_can_be_looked_at_without_a_mapping() {
    let file = create("memory-test", 4096).expect("memory");
    let mapping = Mapping::new(file.try_clone().expect("a descriptor"), 4096).expect("map");
    mapping.write(4090, b"last").expect("inside");
    let mut bytes = [0; 4];
    peek(&file, 4090, &mut bytes).expect("inside");
    assert_eq!(&bytes, b"last");
    assert!(peek(&file, 4093, &mut bytes).is_err(), "beyond the end");
    let other = OwnedFd::from(std::fs::File::open("/proc/self/exe").expect("a program has a file"));
    assert!(peek(&other, 0, &mut bytes).is_err(), "no memory");
}
