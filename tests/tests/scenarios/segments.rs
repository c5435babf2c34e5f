//! Memory and lists that are found by their names (SHM, SHL).

use brigade::codec::{decode, encode};
use brigade::{Item, ShareableList, ShareableListError, SharedMemory, SharedMemoryError};

use brigade_tests::stage::{in_every_mode, join_all, unique};

/// SHM-01, SHM-07, SHM-08
#[test]
fn one_writes_by_the_name_and_another_through_the_handle_and_all_see_both() {
    in_every_mode(|mode| {
        let name = unique("both");
        let memory = SharedMemory::create(&name, 512).unwrap();
        assert_eq!((memory.name(), memory.len()), (name.as_str(), 512));
        memory.write(500, b"start").unwrap();
        let by_name = |name: String| {
            let memory = SharedMemory::open(&name).unwrap();
            // Whoever opens it says nothing of a size.
            assert_eq!((memory.name(), memory.len()), (name.as_str(), 512));
            assert_eq!(&memory.to_vec()[500..505], b"start");
            memory.write(0, b"named").unwrap();
        };
        let through_the_handle = |memory: SharedMemory| {
            memory.write(5, b"handle").unwrap();
            memory.atomic_u64(64).unwrap().fetch_add(7, std::sync::atomic::Ordering::Relaxed);
        };
        let mut parties = vec![mode.start(by_name, name)];
        parties.extend(mode.start_many(3, through_the_handle, &memory));
        join_all(parties);
        assert_eq!(&memory.to_vec()[..11], b"namedhandle");
        assert_eq!(memory.get::<u64>(64).unwrap(), 21);
    });
}

/// SHM-02, SHM-03
#[test]
fn sizes_and_names_that_cannot_be_are_refused() {
    in_every_mode(|mode| {
        let refuse = |name: String| {
            let empty = SharedMemory::create(&name, 0);
            assert!(matches!(empty, Err(SharedMemoryError::InvalidSize { size: 0, .. })));
            for wrong in ["", "with/slash", "with\0end"] {
                let created = SharedMemory::create(wrong, 8).unwrap_err();
                assert!(matches!(created, SharedMemoryError::InvalidName { .. }), "{created}");
                let opened = SharedMemory::open(wrong).unwrap_err();
                assert!(matches!(opened, SharedMemoryError::InvalidName { .. }), "{opened}");
            }
        };
        mode.start(refuse, unique("refused")).join();
    });
}

/// SHM-05
#[test]
fn a_name_belongs_to_one_segment_and_to_none_when_that_is_gone() {
    in_every_mode(|mode| {
        let name = unique("taken");
        let missing = |name: String| {
            let error = SharedMemory::open(&name).unwrap_err();
            assert!(matches!(error, SharedMemoryError::Missing { .. }), "{error}");
        };
        mode.start(missing, name.clone()).join();
        let memory = SharedMemory::create(&name, 64).unwrap();
        memory.write(0, b"mine").unwrap();
        let taken = |name: String| {
            let error = SharedMemory::create(&name, 128).unwrap_err();
            assert!(matches!(error, SharedMemoryError::Exists { .. }), "{error}");
            assert!(error.to_string().contains(&name));
        };
        join_all(mode.start_many(3, taken, &name));
        assert_eq!((memory.len(), &memory.to_vec()[..4]), (64, &b"mine"[..]));
        drop(memory);
        mode.start(missing, name).join();
    });
}

/// SHM-06
#[test]
fn a_name_is_taken_away_once_and_whoever_has_the_segment_open_reads_on() {
    in_every_mode(|mode| {
        let name = unique("unlinked");
        let memory = SharedMemory::create(&name, 64).unwrap();
        memory.write(0, b"still here").unwrap();
        let unlink = |name: String| {
            let memory = SharedMemory::open(&name).unwrap();
            memory.unlink().unwrap();
            assert_eq!(&memory.to_vec()[..10], b"still here");
            memory.write(0, b"Still").unwrap();
        };
        mode.start(unlink, name.clone()).join();
        let error = memory.unlink().unwrap_err();
        assert!(matches!(error, SharedMemoryError::Missing { .. }), "{error}");
        assert_eq!(&memory.to_vec()[..10], b"Still here");
        // The name is free for another, which nobody takes for the first.
        let next = SharedMemory::create(&name, 8).unwrap();
        assert!(memory.unlink().is_err());
        let open = |name: String| assert_eq!(SharedMemory::open(&name).unwrap().len(), 8);
        mode.start(open, name).join();
        drop(next);
    });
}

/// SHL-01, SHL-03
#[test]
fn a_list_of_mixed_items_is_read_searched_and_changed_by_another() {
    in_every_mode(|mode| {
        let items: [Item; 7] = [
            "howdy".into(),
            b"HoWdY".into(),
            (-273.154).into(),
            100.into(),
            Item::None,
            true.into(),
            42.into(),
        ];
        let list = ShareableList::create(&unique("mixed"), items.clone()).unwrap();
        let use_it = |list: ShareableList| {
            assert_eq!((list.len(), list.get(0).unwrap()), (7, "howdy".into()));
            assert_eq!((list.get(-1).unwrap(), list.get(-7).unwrap()), (42.into(), "howdy".into()));
            for outside in [7, -8, isize::MAX, isize::MIN] {
                let read = list.get(outside);
                assert!(matches!(read, Err(ShareableListError::OutOfRange { length: 7, .. })));
                assert!(list.set(outside, 1).is_err());
            }
            assert_eq!((list.count(42).unwrap(), list.count("adios").unwrap()), (1, 0));
            assert_eq!((list.index(true).unwrap(), list.index(1).unwrap()), (Some(5), None));
            list.set(3, "text").unwrap();
            list.set(-3, 1.5).unwrap();
            assert!(matches!(list.set(0, "far too long"), Err(ShareableListError::TooLong { .. })));
        };
        mode.start(use_it, list.clone()).join();
        let mut expected = items;
        expected[3] = "text".into();
        expected[4] = 1.5.into();
        assert_eq!(list.to_vec().unwrap(), expected);
        assert!(list.iter().map(Result::unwrap).eq(expected));
    });
}

/// SHL-04
#[test]
fn a_copy_has_a_name_of_its_own_and_whoever_opens_the_name_has_the_list_itself() {
    in_every_mode(|mode| {
        let list = ShareableList::create(&unique("first"), [1, 2, 3]).unwrap();
        let copy = ShareableList::create(&unique("copy"), list.to_vec().unwrap()).unwrap();
        let empty = ShareableList::create(&unique("empty"), Vec::<Item>::new()).unwrap();
        let change = |(name, copy, empty): (String, String, String)| {
            let list = ShareableList::open(&name).unwrap();
            list.set(1, -2).unwrap();
            let copy = ShareableList::open(&copy).unwrap();
            assert_eq!(copy.get(1).unwrap(), 2.into());
            assert_eq!(ShareableList::open(&empty).unwrap().len(), 0);
        };
        let names = [&list, &copy, &empty].map(|list| list.name().to_owned());
        mode.start(change, names.into()).join();
        assert_eq!(list.to_vec().unwrap(), [1, -2, 3].map(Item::from));
        assert_eq!(copy.to_vec().unwrap(), [1, 2, 3].map(Item::from));
        assert!(empty.is_empty());
    });
}

/// SHL-05, SHL-06
#[test]
fn a_handle_of_a_list_is_as_short_for_a_long_one_and_opens_nothing_when_the_list_is_gone() {
    in_every_mode(|mode| {
        let short = ShareableList::create(&unique("short"), 0..10).unwrap();
        let long = ShareableList::create(&unique("long"), 0..400).unwrap();
        let bytes = encode(&short).unwrap();
        assert!(encode(&long).unwrap().len() < bytes.len() + 10, "390 items more");
        let change = |bytes: Vec<u8>| {
            let list: ShareableList = decode(&bytes).unwrap();
            assert_eq!(list.get(0).unwrap(), (-1).into());
            list.set(9, -9).unwrap();
        };
        short.set(0, -1).unwrap();
        mode.start(change, bytes.clone()).join();
        assert_eq!(short.get(9).unwrap(), (-9).into());
        short.unlink().unwrap();
        let find_nothing = |bytes: Vec<u8>| assert!(decode::<ShareableList>(&bytes).is_err());
        mode.start(find_nothing, bytes.clone()).join();
        // Another list of that name is not the one that the handle is of.
        let other = ShareableList::create(&unique("short"), 0..10).unwrap();
        mode.start(find_nothing, bytes).join();
        drop((other, long));
    });
}
