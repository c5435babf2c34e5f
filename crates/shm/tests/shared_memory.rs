//! Memory by name between processes: what they share, and what a death leaves.
#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;

use brigade_codec::{decode, encode};
use brigade_shm::testing::{Ended, alone, at_every_step, end_here, run};
use brigade_shm::{SharedMemory, SharedMemoryError};

fn name(test: &str) -> String {
    format!("test-{}-{test}", std::process::id())
}

fn file_of(name: &str) -> PathBuf {
    PathBuf::from(format!("/dev/shm/brigade.{name}"))
}

fn is_left(name: &str) -> bool {
    file_of(name).exists()
}

/// How many files of half-made segments there are.
fn drafts() -> usize {
    let entries = std::fs::read_dir("/dev/shm").unwrap();
    entries
        .filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().starts_with("brigade~")
        })
        .count()
}

#[test]
fn a_segment_is_found_by_its_name_and_shared() {
    let _alone = alone();
    let name = name("basics");
    let memory = SharedMemory::create(&name, 512).unwrap();
    assert_eq!((memory.name(), memory.len(), memory.is_empty()), (name.as_str(), 512, false));
    assert_eq!(memory.to_vec(), [0; 512]);
    let same = SharedMemory::open(&name).unwrap();
    assert_eq!(same.len(), 512);
    memory.write(100, b"one way").unwrap();
    same.set(200, -7_i64).unwrap();
    let mut bytes = [0; 7];
    same.read(100, &mut bytes).unwrap();
    assert_eq!((&bytes, memory.get::<i64>(200).unwrap()), (b"one way", -7));
    same.atomic_u32(300).unwrap().fetch_add(5, Relaxed);
    assert_eq!(memory.atomic_u32(300).unwrap().load(Relaxed), 5);
    assert_eq!(fs::metadata(file_of(&name)).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn bytes_that_are_not_there_are_neither_read_nor_written() {
    let _alone = alone();
    let memory = SharedMemory::create_unnamed(10).unwrap();
    for (offset, length) in [(0, 11), (10, 1), (5, 6), (usize::MAX, 1), (usize::MAX - 1, 4)] {
        let error = memory.read(offset, &mut vec![0; length]).unwrap_err();
        assert!(matches!(error, SharedMemoryError::OutOfRange { size: 10, .. }), "{error}");
        assert!(memory.write(offset, &vec![1; length]).is_err());
    }
    assert!(memory.write(10, &[]).is_ok());
    assert!(memory.get::<u64>(3).is_err());
    assert!(matches!(memory.atomic_u64(4), Err(SharedMemoryError::Misaligned { .. })));
    assert!(matches!(memory.atomic_u64(8), Err(SharedMemoryError::OutOfRange { .. })));
    assert!(memory.atomic_u32(4).is_ok());
    assert_eq!(memory.to_vec(), [0; 10]);
}

#[test]
fn names_and_sizes_that_cannot_be_are_refused() {
    let _alone = alone();
    for name in ["", "a/b", "nul\0", &"x".repeat(300)] {
        assert!(matches!(
            SharedMemory::create(name, 1),
            Err(SharedMemoryError::InvalidName { .. })
        ));
        assert!(matches!(SharedMemory::open(name), Err(SharedMemoryError::InvalidName { .. })));
    }
    for size in [0, usize::MAX, usize::MAX - 64, usize::MAX / 2] {
        let error = SharedMemory::create(&name("size"), size).unwrap_err();
        assert!(matches!(error, SharedMemoryError::InvalidSize { .. }), "{error}");
    }
}

#[test]
fn a_taken_name_and_a_missing_one_are_told_apart() {
    let _alone = alone();
    let name = name("taken");
    assert!(matches!(SharedMemory::open(&name), Err(SharedMemoryError::Missing { .. })));
    let memory = SharedMemory::create(&name, 8).unwrap();
    memory.set(0, 1_u64).unwrap();
    assert!(matches!(SharedMemory::create(&name, 8), Err(SharedMemoryError::Exists { .. })));
    assert_eq!(memory.get::<u64>(0).unwrap(), 1);
}

#[test]
fn the_last_handle_takes_the_segment_along() {
    let _alone = alone();
    let name = name("last");
    let memory = SharedMemory::create(&name, 8).unwrap();
    let (clone, other) = (memory.clone(), SharedMemory::open(&name).unwrap());
    drop(memory);
    drop(clone);
    assert_eq!(SharedMemory::open(&name).unwrap().len(), 8);
    drop(other);
    assert!(matches!(SharedMemory::open(&name), Err(SharedMemoryError::Missing { .. })));
    assert!(!file_of(&name).exists());
}

#[test]
fn an_unlinked_segment_is_used_on_and_its_name_is_free() {
    let _alone = alone();
    let name = name("unlink");
    let memory = SharedMemory::create(&name, 8).unwrap();
    let other = SharedMemory::open(&name).unwrap();
    memory.unlink().unwrap();
    assert!(matches!(other.unlink(), Err(SharedMemoryError::Missing { .. })));
    memory.set(0, 5_u64).unwrap();
    assert_eq!(other.get::<u64>(0).unwrap(), 5);
    assert!(matches!(SharedMemory::open(&name), Err(SharedMemoryError::Missing { .. })));
    let next = SharedMemory::create(&name, 16).unwrap();
    assert!(matches!(other.unlink(), Err(SharedMemoryError::Missing { .. })));
    drop((memory, other));
    assert_eq!(SharedMemory::open(&name).unwrap().len(), 16, "the next one keeps its name");
    drop(next);
}

#[test]
fn a_handle_that_is_serialized_opens_the_same_segment_or_none() {
    let _alone = alone();
    let name = name("travel");
    let memory = SharedMemory::create(&name, 8).unwrap();
    let bytes = encode(&memory).unwrap();
    let arrived: SharedMemory = decode(&bytes).unwrap();
    arrived.set(0, 7_u64).unwrap();
    memory.set(4, 1_u32).unwrap();
    assert_eq!(memory.get::<u64>(0).unwrap(), arrived.get::<u64>(0).unwrap());
    assert_eq!(memory.get::<u32>(0).unwrap(), 7);
    memory.unlink().unwrap();
    assert!(decode::<SharedMemory>(&bytes).is_err());
    let _another = SharedMemory::create(&name, 8).unwrap();
    assert!(decode::<SharedMemory>(&bytes).is_err(), "another segment of the same name");
}

#[test]
fn a_file_that_is_no_segment_is_an_error_and_is_left_alone() {
    let _alone = alone();
    let name = name("corrupt");
    let path = file_of(&name);
    let good = SharedMemory::create_unnamed(100).unwrap();
    let mut header = fs::read(file_of(good.name())).unwrap();
    header.truncate(64);
    let with = |offset: usize, bytes: &[u8]| {
        let mut wrong = header.clone();
        wrong[offset..offset + bytes.len()].copy_from_slice(bytes);
        wrong
    };
    let cases = [
        vec![],
        vec![1; 10],
        vec![0; 4096],
        b"brigsegm".to_vec(),
        header.clone(),
        with(8, &[9]),
        with(16, &u64::MAX.to_le_bytes()),
        with(0, b"x"),
    ];
    for bytes in cases {
        fs::write(&path, &bytes).unwrap();
        let before = fs::metadata(&path).unwrap().ino();
        let error = SharedMemory::open(&name).unwrap_err();
        assert!(matches!(error, SharedMemoryError::Corrupt { .. }), "{error}");
        assert_eq!(fs::metadata(&path).unwrap().ino(), before, "a failed attempt removes nothing");
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn more_memory_than_there_is_is_an_error_and_leaves_nothing() {
    let _alone = alone();
    // More than the address space of this process, and more than the system has.
    for size in [1 << 46, 1 << 44] {
        let name = name("space");
        let error = SharedMemory::create(&name, size).unwrap_err();
        assert!(matches!(error, SharedMemoryError::NoSpace { .. }), "{error}");
        assert!(!file_of(&name).exists());
    }
}

#[test]
fn memory_is_there_before_it_is_written() {
    let _alone = alone();
    let memory = SharedMemory::create(&name("blocks"), 1 << 20).unwrap();
    let blocks = fs::metadata(file_of(memory.name())).unwrap().blocks();
    assert!(blocks * 512 >= 1 << 20);
}

#[test]
fn the_janitor_removes_what_nobody_uses_and_nothing_else() {
    let _alone = alone();
    let (left, foreign) = (name("left"), name("foreign"));
    let used = SharedMemory::create(&name("used"), 8).unwrap();
    // As a process that has died leaves it: the file, which nobody shares.
    let bytes = fs::read(file_of(used.name())).unwrap();
    fs::write(file_of(&left), &bytes).unwrap();
    fs::write(file_of(&foreign), b"not a segment").unwrap();
    let temporary = PathBuf::from(format!("/dev/shm/brigade~{left}"));
    fs::write(&temporary, b"").unwrap();
    // Another test may create a segment meanwhile, and clean before we do.
    SharedMemory::clean().unwrap();
    assert!(!file_of(&left).exists() && !temporary.exists());
    assert!(file_of(&foreign).exists() && file_of(used.name()).exists());
    fs::remove_file(file_of(&foreign)).unwrap();
}

#[test]
fn a_corrupt_length_is_not_believed_by_those_who_have_it_open() {
    let _alone = alone();
    let memory = SharedMemory::create(&name("length"), 8).unwrap();
    let file = fs::OpenOptions::new().write(true).open(file_of(memory.name())).unwrap();
    file.write_all_at(&u64::MAX.to_le_bytes(), 16).unwrap();
    assert_eq!(memory.len(), 8);
    assert!(memory.read(8, &mut [0]).is_err());
    assert!(SharedMemory::open(memory.name()).is_err());
}

#[test]
fn many_threads_create_one_name_and_one_of_them_gets_it() {
    let _alone = alone();
    for _ in 0..50 {
        let name = name("race");
        let created: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..3).map(|_| scope.spawn(|| SharedMemory::create(&name, 8))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(created.iter().filter(|result| result.is_ok()).count(), 1);
        for error in created.into_iter().filter_map(Result::err) {
            assert!(matches!(error, SharedMemoryError::Exists { .. }), "{error}");
        }
    }
}

#[test]
fn a_child_writes_by_name_and_another_through_the_handle() {
    let _alone = alone();
    let name = name("across");
    let memory = SharedMemory::create(&name, 64).unwrap();
    let by_name = run(|| SharedMemory::open(&name).unwrap().write(0, b"named").unwrap());
    let by_handle = run(|| memory.write(5, b"handle").unwrap());
    assert_eq!((by_name, by_handle), (Ended::Code(0), Ended::Code(0)));
    assert_eq!(&memory.to_vec()[..11], b"namedhandle");
}

#[test]
fn one_who_opens_and_ends_destroys_nothing() {
    let _alone = alone();
    let name = name("ends");
    let memory = SharedMemory::create(&name, 8).unwrap();
    memory.set(0, 7_u64).unwrap();
    assert_eq!(run(|| drop(SharedMemory::open(&name).unwrap())), Ended::Code(0));
    let killed = run(|| {
        let _open = SharedMemory::open(&name).unwrap();
        end_here();
    });
    assert_eq!(killed, Ended::Signal(9));
    // The child's copy of our own handle, dropped with the child's hand.
    let copy = run(|| drop(memory.clone()));
    assert_eq!(copy, Ended::Code(0));
    SharedMemory::clean().unwrap();
    assert_eq!(SharedMemory::open(&name).unwrap().get::<u64>(0).unwrap(), 7);
}

#[test]
fn a_forked_child_keeps_the_segment_when_its_parent_has_dropped_it() {
    let _alone = alone();
    let name = name("forked");
    let memory = SharedMemory::create(&name, 8).unwrap();
    let gate = SharedMemory::create_unnamed(8).unwrap();
    let child = brigade_shm::testing::start(|| {
        let gate = gate.atomic_u32(0).unwrap();
        while gate.load(std::sync::atomic::Ordering::Acquire) == 0 {
            std::thread::yield_now();
        }
        assert!(is_left(memory.name()), "the child still uses it");
    });
    drop(memory);
    assert!(is_left(&name));
    gate.atomic_u32(0).unwrap().store(1, std::sync::atomic::Ordering::Release);
    assert_eq!(child.join(), Ended::Code(0));
    SharedMemory::clean().unwrap();
    assert!(!is_left(&name), "the child has ended without a word");
}

#[test]
fn a_dead_owner_leaves_its_name_to_the_next() {
    let _alone = alone();
    let name = name("owner");
    let killed = run(|| {
        let memory = SharedMemory::create(&name, 8).unwrap();
        memory.set(0, 1_u64).unwrap();
        end_here();
    });
    assert_eq!(killed, Ended::Signal(9));
    assert!(is_left(&name));
    let memory = SharedMemory::create(&name, 16).unwrap();
    assert_eq!(memory.to_vec(), [0; 16]);
}

#[test]
fn a_death_in_any_step_leaves_nothing_that_stays() {
    let _alone = alone();
    let name = name("death");
    let deaths = at_every_step(
        || {
            let memory = SharedMemory::create(&name, 8).unwrap();
            memory.set(0, 7_u64).unwrap();
            let other = SharedMemory::open(&name).unwrap();
            assert_eq!(other.get::<u64>(0).unwrap(), 7);
            other.unlink().unwrap();
            drop((memory, other));
            drop(SharedMemory::create(&name, 8).unwrap());
        },
        |_| {
            // Complete or not there: nobody opens half a segment.
            match SharedMemory::open(&name) {
                Ok(left) => assert_eq!(left.len(), 8),
                Err(SharedMemoryError::Missing { .. }) => {}
                Err(other) => panic!("{other}"),
            }
            let next = SharedMemory::create(&name, 8).unwrap();
            assert_eq!(next.get::<u64>(0).unwrap(), 0);
            drop(next);
            assert!(!is_left(&name));
        },
    );
    assert!(deaths >= 20);
    // Another program may be making a segment right now.
    assert!((0..100_000).any(|_| SharedMemory::clean().is_ok() && drafts() == 0));
}

#[test]
fn a_thousand_segments_leave_no_descriptor() {
    let _alone = alone();
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    for _ in 0..1_000 {
        drop(SharedMemory::create_unnamed(100).unwrap());
    }
    assert_eq!(open(), before);
}

#[test]
fn a_full_disk_of_memory_is_an_error_and_no_signal() {
    const INSIDE: &str = "BRIGADE_TEST_ON_A_SMALL_DISK";
    const SCRIPT: &str = "mount -t tmpfs -o size=256k tmpfs /dev/shm || exit 1; exec \"$0\" \"$@\"";
    let _alone = alone();
    if std::env::var_os(INSIDE).is_some() {
        let first = SharedMemory::create("first", 100_000).unwrap();
        for size in [180_000, 1 << 20, 1 << 30] {
            let refused = SharedMemory::create("second", size).unwrap_err();
            assert!(matches!(refused, SharedMemoryError::NoSpace { .. }), "{refused}");
        }
        first.write(0, &[7; 100_000]).unwrap();
        SharedMemory::create("second", 50_000).unwrap().write(0, &[7; 50_000]).unwrap();
        assert_eq!((drafts(), is_left("second"), is_left("first")), (0, false, true));
        return;
    }
    // On a disk of its own, which goes with the child. Where that is not allowed, `unshare` or the
    // script ends with 1, and the test of an impossible size has to do; a failed test ends with 101.
    let ended = std::process::Command::new("unshare")
        .args(["--mount", "sh", "-c", SCRIPT])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_full_disk_of_memory_is_an_error_and_no_signal"])
        .env(INSIDE, "1")
        .output();
    if let Ok(output) = ended {
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{}: {text}", output.status);
    }
}
