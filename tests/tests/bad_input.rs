//! Bad input: memory that is none, handles of other things, bytes without a meaning, and a system
//! that refuses. Each is an error that says so, in a process that goes on.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::fmt::Debug;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Stdio;

use brigade::codec::{Message, decode, encode};
use brigade::queue::{PutError, PutFailure, TryPutError};
use brigade::socket::{self, Address, Listener};
use brigade::{
    Arena, Array, Connection, Event, List, Lock, Process, Producer, Queue, Semaphore,
    ShareableList, SharedMemory, SharedMemoryError, StartMethod, Value, arena, transit,
    wait_timeout,
};
use brigade_tests::stage::{LONG, Mode, SHORT, alone, in_every_mode, in_processes, unique};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Uid, setuid};

brigade::test_binary!();

/// Numbers without a pattern, but the same ones in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| (self.next() >> 24) as u8).collect()
    }
}

/// Memory that cannot shrink, as an arena's, with `bytes` in it.
fn memory_with(bytes: &[u8]) -> File {
    let file = File::from(brigade_sys::memory::create("bad", bytes.len().max(1) as u64).unwrap());
    file.write_all_at(bytes, 0).unwrap();
    file
}

/// The bytes of this program's arena.
fn arena_bytes() -> Vec<u8> {
    let arena = Arena::program().unwrap();
    let file = File::from(arena.descriptor().try_clone_to_owned().unwrap());
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// Everything that is no arena, with its name.
fn no_arenas() -> Vec<(String, File)> {
    let good = arena_bytes();
    let changed = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x40;
        memory_with(&bytes)
    };
    let mut noise = Noise(7);
    let mut list = vec![
        ("nothing at all".to_owned(), File::open("/dev/null").unwrap()),
        ("a directory".to_owned(), File::open("/").unwrap()),
        ("a pipe".to_owned(), File::from(OwnedFd::from(std::io::pipe().unwrap().0))),
        ("another magic".to_owned(), changed(0)),
        ("another version".to_owned(), changed(8)),
        ("another size of the table".to_owned(), changed(12)),
    ];
    let mut ordinary = tempfile::tempfile().unwrap();
    ordinary.write_all(&good).unwrap();
    list.push(("an arena in a file that may shrink".to_owned(), ordinary));
    for length in [1, 7, 64, 4096, 1 << 20] {
        list.push((format!("{length} zeros"), memory_with(&vec![0; length])));
        list.push((format!("{length} bytes of noise"), memory_with(&noise.bytes(length))));
        list.push((format!("the first {length} bytes"), memory_with(&good[..length.min(4096)])));
    }
    list
}

#[test]
fn memory_that_is_no_arena_is_refused_by_a_fresh_program() {
    const TEST: &str = "memory_that_is_no_arena_is_refused_by_a_fresh_program";
    let is_alone = std::env::var_os("BRIGADE_TEST_ALONE").is_some();
    if !is_alone {
        for (name, file) in no_arenas() {
            let output = alone(TEST, |command| {
                command.stdin(Stdio::from(file));
            });
            let said = String::from_utf8(output.unwrap().stdout).unwrap();
            assert!(said.contains("refused: "), "{name}: {said}");
        }
        return;
    }
    let file = std::os::fd::AsFd::as_fd(&std::io::stdin()).try_clone_to_owned().unwrap();
    let error = arena::adopt(file).unwrap_err();
    println!("refused: {error}");
    // The program makes one of its own and goes on.
    let queue = Queue::bounded(1).unwrap();
    queue.put(1).unwrap();
    assert_eq!(queue.get().unwrap(), 1);
    let second = Arena::program().unwrap().descriptor().try_clone_to_owned().unwrap();
    assert!(arena::adopt(second).unwrap_err().to_string().contains("one arena"));
}

/// What is read from `bytes` as a handle of every type: the errors.
fn read_as_everything(bytes: &[u8]) -> Vec<Option<String>> {
    fn read<T: Message>(bytes: &[u8]) -> Option<String> {
        decode::<T>(bytes).err().map(|error| error.to_string())
    }
    vec![
        read::<Queue<u32>>(bytes),
        read::<Lock<u64>>(bytes),
        read::<Semaphore>(bytes),
        read::<Event>(bytes),
        read::<Value<u64>>(bytes),
        read::<Array<u64>>(bytes),
        read::<List<u64>>(bytes),
        read::<Producer<u32>>(bytes),
        read::<Connection<u32>>(bytes),
        read::<Value<[u8; 100]>>(bytes),
        read::<Lock<[u8; 3]>>(bytes),
        read::<ShareableList>(bytes),
        read::<SharedMemory>(bytes),
    ]
}

/// One object of each of the first seven types, as the bytes of a handle that was not sent.
fn handles() -> (Vec<Vec<u8>>, impl Sized) {
    fn bytes<T: Message>(handle: &T) -> Vec<u8> {
        // Dropped, the cargo stays home: nothing but the handle keeps the object.
        transit::collect(|| encode(handle)).0.unwrap()
    }
    let objects = (
        Queue::<u32>::bounded(2).unwrap(),
        Lock::new(1_u64).unwrap(),
        Semaphore::new(1).unwrap(),
        Event::new().unwrap(),
        Value::new(1_u64).unwrap(),
        Array::<u64>::zeroed(3).unwrap(),
        List::<u64>::new().unwrap(),
    );
    let list = vec![
        bytes(&objects.0),
        bytes(&objects.1),
        bytes(&objects.2),
        bytes(&objects.3),
        bytes(&objects.4),
        bytes(&objects.5),
        bytes(&objects.6),
    ];
    (list, objects)
}

#[test]
fn a_handle_is_read_as_what_it_is_and_as_nothing_else() {
    in_every_mode(|mode| {
        let (list, objects) = handles();
        let read = |list: Vec<Vec<u8>>| {
            for (number, bytes) in list.iter().enumerate() {
                for (kind, error) in read_as_everything(bytes).into_iter().enumerate() {
                    let text = error.unwrap_or_else(|| "none".to_owned());
                    assert_eq!(kind == number, text == "none", "{number} as {kind}: {text}");
                }
            }
        };
        mode.start(read, list.clone()).join();
        drop(objects);
        let read_too_late = |list: Vec<Vec<u8>>| {
            for (kind, bytes) in list.iter().enumerate() {
                let error = read_as_everything(bytes).remove(kind).unwrap();
                assert!(error.contains("no longer exists"), "{kind}: {error}");
            }
        };
        mode.start(read_too_late, list).join();
    });
}

#[test]
fn a_handle_of_another_programs_memory_is_refused_by_name() {
    in_every_mode(|mode| {
        let (list, _objects) = handles();
        let foreign = |list: Vec<Vec<u8>>| {
            for (kind, bytes) in list.iter().enumerate() {
                let mut bytes = bytes.clone();
                // A message begins with the identity of the memory.
                bytes[4] ^= 1;
                let error = read_as_everything(&bytes).remove(kind).unwrap();
                assert!(error.contains("not attached"), "{kind}: {error}");
            }
        };
        mode.start(foreign, list).join();
    });
}

#[test]
fn bytes_of_any_kind_are_a_handle_or_an_error() {
    in_processes(|method| {
        let run = |list: Vec<Vec<u8>>| {
            let mut noise = Noise(0x9e37_79b9);
            for round in 0..3_000_usize {
                let length = (noise.next() % 64) as usize;
                let errors = read_as_everything(&noise.bytes(length));
                assert!(errors.iter().all(Option::is_some), "noise is a handle");

                let mut bytes = list[round % list.len()].clone();
                let at = (noise.next() % bytes.len() as u64) as usize;
                match round % 3 {
                    0 => bytes[at] = (noise.next() >> 24) as u8,
                    1 => bytes.truncate(at),
                    _ => bytes.insert(at, (noise.next() >> 24) as u8),
                }
                read_as_everything(&bytes);
            }
        };
        let (list, objects) = handles();
        Mode::Processes(method).start(run, list).join();
        drop(objects);
        let queue = Queue::bounded(1).unwrap();
        queue.put(1).unwrap();
        assert_eq!(queue.get().unwrap(), 1);
    });
}

#[test]
fn a_message_of_another_type_is_an_error_and_the_next_one_arrives() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Courier(Queue<String>);
    in_every_mode(|mode| {
        let queue = Queue::<(u32, u32)>::bounded(4).unwrap();
        let (bytes, cargo) = transit::collect(|| encode(&queue));
        cargo.sent();
        // The same queue, believed to hold texts.
        let courier: Courier = decode(&bytes.unwrap()).unwrap();
        queue.put((u32::MAX, 7)).unwrap();
        courier.0.put("text".to_owned()).unwrap();
        let take = |courier: Courier| {
            assert!(courier.0.get().unwrap_err().to_string().contains("cannot get a value"));
            assert_eq!(courier.0.get().unwrap(), "text");
        };
        mode.start(take, courier).join();
        assert!(queue.is_empty());
    });
}

#[test]
fn without_memory_a_put_gives_the_value_back_and_the_queue_goes_on() {
    const TEST: &str = "without_memory_a_put_gives_the_value_back_and_the_queue_goes_on";
    // The arena may have 8 MB, in units of 512 bytes; the signal for asking for more is ignored.
    let limits = "trap '' XFSZ; ulimit -f 16384";
    if alone(TEST, |command| {
        command.env("LIMITS", limits);
    })
    .is_some()
    {
        return;
    }
    let queue = Queue::bounded(100).unwrap();
    let message = vec![7_u8; 1 << 20];
    let mut held = 0;
    let refused = loop {
        match queue.try_put(message.clone()) {
            Ok(()) => held += 1,
            Err(refused) => break refused,
        }
        assert!(held < 20, "the limit does not hold");
    };
    assert!(held >= 2, "{held} messages of a megabyte");
    match refused {
        TryPutError::Failed { value, reason: reason @ PutFailure::Memory(_) } => {
            assert!(value == message, "the value is back");
            assert!(reason.to_string().contains("File too large"), "{reason}");
        }
        other => panic!("{other}"),
    }
    assert!(matches!(queue.put(message.clone()), Err(PutError::Failed { .. })));
    assert!(Array::<u64>::zeroed(1 << 20).is_err(), "nor is there memory for anything else");
    assert_eq!(queue.len(), held);
    for _ in 0..5 {
        assert!(queue.get().unwrap() == message);
        queue.put(message.clone()).unwrap();
    }
    assert_eq!(queue.len(), held);
}

#[test]
fn where_no_file_may_grow_there_is_an_error_instead_of_an_object() {
    const TEST: &str = "where_no_file_may_grow_there_is_an_error_instead_of_an_object";
    let refuses = |limits: &str| {
        let output = alone(TEST, |command| {
            command.env("LIMITS", limits);
        });
        output.is_some_and(|output| String::from_utf8_lossy(&output.stdout).contains("refused: "))
    };
    if std::env::var_os("BRIGADE_TEST_ALONE").is_none() {
        assert!(refuses("trap '' XFSZ; ulimit -f 16"));
        return;
    }
    for _ in 0..3 {
        println!("refused: {}", Queue::<u32>::bounded(1).unwrap_err());
        println!("refused: {}", Lock::new(1_u32).unwrap_err());
        println!("refused: {}", Event::new().unwrap_err());
    }
}

/// Paths that an unprivileged user may not use, and what they are for.
type Forbidden = (Address, Address, String);

#[test]
fn what_another_user_keeps_to_himself_is_refused_and_untouched() {
    in_processes(|method| {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let address = Address::Unix(path("socket"));
        let listener = Listener::bind(&address).unwrap();
        let name = unique("private");
        let memory = SharedMemory::create(&name, 64).unwrap();
        memory.write(0, &[7]).unwrap();
        // Also its owner may not, if the test is not run by root.
        let file = PathBuf::from(format!("/dev/shm/brigade.{name}"));
        let modes: Vec<_> = [path("socket"), file, directory.path().to_owned()]
            .into_iter()
            .map(|path| (fs::metadata(&path).unwrap().permissions(), path))
            .collect();
        modes.iter().for_each(|(_, path)| {
            fs::set_permissions(path, Permissions::from_mode(0o0)).unwrap();
        });

        let run = |(there, free, name): Forbidden| {
            if Uid::effective().is_root() {
                setuid(Uid::from_raw(65_534)).unwrap();
            }
            let denied = |error: &dyn ToString| {
                let text = error.to_string();
                assert!(text.contains("Permission denied"), "{text}");
                assert!(text.contains("cannot") || text.contains(':'), "{text}");
            };
            denied(&socket::connect::<u32, u32>(&there).unwrap_err());
            denied(&Listener::bind(&there).unwrap_err());
            denied(&Listener::bind(&free).unwrap_err());
            denied(&SharedMemory::open(&name).unwrap_err());
            match SharedMemory::create(&name, 64).unwrap_err() {
                SharedMemoryError::Exists { .. } => {}
                other => denied(&other),
            }
            SharedMemory::clean().unwrap();
        };
        let argument = (address.clone(), Address::Unix(path("free")), name.clone());
        let party = Mode::Processes(method).start(run, argument);
        let ended_well = party.ended_well();
        for (permissions, path) in modes.into_iter().rev() {
            fs::set_permissions(path, permissions).unwrap();
        }
        assert!(ended_well);
        assert_eq!(SharedMemory::open(&name).unwrap().to_vec()[0], 7);
        let client: socket::Connection<u32> = socket::connect(&address).unwrap();
        client.send(&5).unwrap();
        assert_eq!(listener.accept::<u32, u32>().unwrap().recv().unwrap(), 5);
    });
}

/// Checks that an error names `object` and says `why`.
fn says<T: Debug, E: ToString>(result: Result<T, E>, object: &str, why: &str) {
    let Err(error) = result else { panic!("{object} is not refused") };
    let text = error.to_string();
    assert!(text.contains(object) && text.contains(why), "{text}");
}

#[test]
fn an_address_that_cannot_be_is_an_error_that_names_it() {
    in_every_mode(|mode| {
        let run = |()| {
            let directory = tempfile::tempdir().unwrap();
            let both = |address: Address, why: &str| {
                let text = address.to_string();
                let name = text.split_once(':').unwrap().1;
                says(Listener::bind(&address), name, why);
                says(socket::connect::<u32, u32>(&address), name, "");
            };
            both(Address::Unix(directory.path().join("x".repeat(200))), "");
            both(Address::Abstract("x".repeat(200)), "");
            both(Address::Unix(directory.path().join("missing/socket")), "No such file");
            let ordinary = directory.path().join("ordinary");
            fs::write(&ordinary, "kept").unwrap();
            both(Address::Unix(ordinary.clone()), "");
            assert_eq!(fs::read(ordinary).unwrap(), b"kept");

            let taken = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = taken.local_addr().unwrap().port();
            let address = Address::Tcp { host: "127.0.0.1".to_owned(), port };
            says(Listener::bind(&address), &port.to_string(), "in use");
            for text in ["", "unix", "tcp:host", "tcp:host:70000", "smtp:x:1"] {
                says(text.parse::<Address>(), &format!("{text:?}"), "expected");
            }
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        };
        mode.start(run, ()).join();
    });
}

/// Uses up every descriptor that this process may have.
fn use_up_descriptors() -> Vec<File> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 128.min(most), most).unwrap();
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

/// What a process without descriptors can still do, and what it is told about the rest.
fn live_without_descriptors((queue, event, method): (Queue<u32>, Event, StartMethod)) {
    let name = unique("wanting");
    let another = Queue::bounded(1).unwrap();
    let held = use_up_descriptors();
    const WHY: &str = "Too many open files";
    says(Process::builder().method(method).start(|()| (), ()), "process", WHY);
    says(SharedMemory::create(&name, 64), "", WHY);
    says(Listener::bind(&Address::Abstract(name.clone())), "", WHY);
    says(socket::Connection::<u32>::pair(), "", WHY);
    says(brigade::manager::Manager::start(), "", WHY);

    // Objects, and what is done with them, need none.
    another.put(Lock::new(5_u64).unwrap()).unwrap();
    assert_eq!(*another.get().unwrap().lock().unwrap(), 5);
    let (one, two) = brigade::pipe::<u32>().unwrap();
    one.send(3).unwrap();
    assert_eq!(two.recv().unwrap(), 3);
    drop(Semaphore::bounded(1).unwrap().acquire());
    queue.put(1).unwrap();
    assert!(event.wait_timeout(LONG), "a wait ends when its time has come");
    assert!(!Event::new().unwrap().wait_timeout(SHORT));
    assert!(Queue::<u32>::bounded(1).unwrap().get_timeout(SHORT).is_err());
    assert!(wait_timeout(&[&another, &two], SHORT).is_empty());
    drop(held);
    let child = Process::builder().method(method).start(|()| (), ()).unwrap();
    assert!(child.join().success());
}

#[test]
fn a_process_without_descriptors_is_told_so_and_shares_what_it_has() {
    in_processes(|method| {
        let (queue, event) = (Queue::bounded(1).unwrap(), Event::new().unwrap());
        let argument = (queue.clone(), event.clone(), method);
        let party = Mode::Processes(method).start(live_without_descriptors, argument);
        assert_eq!(queue.get_timeout(LONG).unwrap(), 1);
        event.set();
        party.join();
    });
}

#[test]
fn an_argument_of_the_wrong_shape_ends_the_child_and_nobody_else() {
    #[derive(serde::Serialize)]
    struct Short(u8);
    impl<'de> serde::Deserialize<'de> for Short {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            // Reads more than was written.
            <(u64, String)>::deserialize(deserializer).map(|(n, _)| Self(n as u8))
        }
    }
    in_processes(|method| {
        let queue = Queue::bounded(1).unwrap();
        let party = Mode::Processes(method).start(
            |(_, queue): (Short, Queue<u32>)| queue.put(1).unwrap(),
            (Short(1), queue.clone()),
        );
        assert!(!party.ended_well());
        assert!(queue.is_empty(), "its function did not run");
    });
}
