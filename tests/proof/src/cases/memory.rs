//! Making objects and letting them go, coming and dying, and segments with a name.

use std::cell::RefCell;
use std::fs;

use brigade_codec::Bytes;
use brigade_shm::arena::fork_begin;
use brigade_shm::testing::{Child, end_here};
use brigade_shm::{
    Arena, Array, Event, List, Lock, Queue, Semaphore, SharedMemory, SharedMemoryError,
};
use brigade_sys::stepping::through;

use super::{Case, case};
use crate::processes::start;
use crate::steps::{Fate, Steps};

pub(super) const CASES: &[Case] = &[
    case("objects: make", "a lock", make_lock),
    case("objects: make", "a queue", make_queue),
    case("objects: make", "one that needs more memory from the system", make_large),
    case("objects: drop", "a lock", drop_lock),
    case("objects: drop", "a queue with messages", drop_queue),
    case("objects: drop", "a list of many parts", drop_list),
    case("processes: attach", "a copy that brigade did not make", attach),
    case("processes: prepare a fork", "with five objects", prepare_fork),
    case("processes: take a forked place", "with five objects", take_place),
    case("processes: bury the dead", "one that held five objects", bury),
    case("processes: bury the dead", "one that died while it made a queue", bury_maker),
    case("shared memory: create", "alone", create),
    case("shared memory: open", "alone", open),
    case("shared memory: drop", "the last one", drop_last),
    case("shared memory: unlink", "alone", unlink),
];

/// Whatever was begun, the arena works: the memory is compared after each round.
fn check_heap() {
    let arena = Arena::program().unwrap();
    arena.bury_the_dead();
    let lock = Lock::new(3_u8).unwrap();
    assert_eq!(*lock.try_lock().unwrap(), 3);
    arena.used().unwrap();
}

fn make_lock(steps: &mut Steps) {
    Arena::program().unwrap();
    steps.of(|| drop(through(|| Lock::new([1_u64; 4])).unwrap())).check(|_| check_heap());
}

fn queue() -> Queue<Bytes> {
    Queue::with_ring(2, 256).unwrap()
}

fn make_queue(steps: &mut Steps) {
    Arena::program().unwrap();
    steps.of(|| drop(through(queue))).check(|_| check_heap());
}

/// Before each round the memory is used up, so that it must grow. It grows by an eighth each time,
/// so there are few rounds.
fn make_large(steps: &mut Steps) {
    let arena = Arena::program().unwrap();
    let free = || arena.size().unwrap() - arena.used().unwrap();
    // What is not free at the start is the arena's own.
    let own = free() - (1 << 20);
    let kept = RefCell::new(Vec::new());
    steps
        .of(|| drop(through(|| Array::<u8>::zeroed(8_192)).unwrap()))
        .after(|| {
            // What the last round freed is used up on the way.
            for size in [1 << 16, 8_192, 1 << 10] {
                while free() - own > 2 * size + 4_096 {
                    kept.borrow_mut().push(Array::<u8>::zeroed(size).unwrap());
                }
            }
        })
        .keeping_memory()
        .rounds(40)
        .check(|_| check_heap());
}

fn drop_lock(steps: &mut Steps) {
    Arena::program().unwrap();
    steps
        .of(|| {
            let lock = Lock::new([1_u64; 4]).unwrap();
            through(|| drop(lock));
        })
        .check(|_| check_heap());
}

fn drop_queue(steps: &mut Steps) {
    Arena::program().unwrap();
    steps
        .of(|| {
            let queue = queue();
            queue.put(Bytes(vec![1; 10])).unwrap();
            queue.put(Bytes(vec![2; 3_000])).unwrap();
            through(|| drop(queue));
        })
        .check(|_| check_heap());
}

fn drop_list(steps: &mut Steps) {
    Arena::program().unwrap();
    steps
        .of(|| {
            let list = List::new().unwrap();
            list.extend(0..500_u64).unwrap();
            through(|| drop(list));
        })
        .check(|_| check_heap());
}

/// The parent's handles are nothing to a copy of the process until it attaches.
fn attach(steps: &mut Steps) {
    let lock = Lock::new(1_u8).unwrap();
    steps
        .of(|| {
            let other = through(|| Lock::new(2_u8)).unwrap();
            assert_eq!(*other.lock().unwrap(), 2);
        })
        .born_by(|operation| Child::run(operation))
        .check(|_| {
            check_heap();
            assert_eq!(*lock.lock().unwrap(), 1);
        });
}

/// Five objects of different kinds.
type Five = (Lock<u64>, Event, Semaphore, Queue<Bytes>, List<u64>);

fn five() -> Five {
    let list = List::new().unwrap();
    list.push(7).unwrap();
    (Lock::new(1).unwrap(), Event::new().unwrap(), Semaphore::new(2).unwrap(), queue(), list)
}

fn check_five((lock, event, semaphore, queue, list): &Five) {
    *lock.lock().unwrap() += 1;
    event.set();
    event.clear();
    drop(semaphore.try_acquire().unwrap());
    queue.try_put(Bytes(vec![1])).unwrap();
    assert_eq!(queue.try_get().unwrap(), Bytes(vec![1]));
    assert_eq!(list.get(0), Some(7));
    check_heap();
}

fn prepare_fork(steps: &mut Steps) {
    let five = five();
    steps.of(|| drop(through(fork_begin).unwrap())).check(|_| check_five(&five));
}

fn take_place(steps: &mut Steps) {
    let five = five();
    steps
        .of(|| ())
        .born_by(|_| {
            let mut fork = Some(fork_begin().unwrap());
            let child = Child::run(|| {
                let fork = fork.take().unwrap();
                through(|| fork.in_child()).unwrap();
            });
            if let Some(fork) = fork {
                fork.in_parent(child.pid());
            }
            child
        })
        .check(|_| check_five(&five));
}

fn bury(steps: &mut Steps) {
    let kept = five();
    steps
        .of(|| through(|| Arena::program().unwrap().bury_the_dead()))
        .after(|| {
            start(|| {
                let five = five();
                let _producer = five.3.producer().unwrap();
                let _permit = kept.2.acquire();
                five.3.put(Bytes(vec![1; 3_000])).unwrap();
                end_here();
            })
            .join();
        })
        .check(|fate| {
            assert!(fate == Fate::Killed || kept.2.available() <= 2);
            check_five(&kept);
        });
}

/// The one that is buried died inside the heap's lock.
fn bury_maker(steps: &mut Steps) {
    let kept = five();
    let mut count = 0;
    steps
        .of(|| through(|| Arena::program().unwrap().bury_the_dead()))
        .after(|| {
            count += 1;
            start(|| {
                brigade_sys::kill_point::arm(1 + count % 20);
                let _all = (queue(), queue());
                end_here();
            })
            .join();
        })
        .check(|_| check_five(&kept));
}

/// A name that no other program has.
fn name() -> String {
    format!("proof-{}", std::process::id())
}

/// The files of `/dev/shm` that have the name in theirs.
fn files() -> Vec<String> {
    let all = fs::read_dir("/dev/shm").unwrap();
    let names = all.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|file| file.contains(&name())).collect()
}

/// A segment can be made and used under the name, and nothing is left of it.
fn check_name() {
    let memory = SharedMemory::create(&name(), 100).unwrap();
    memory.write(0, b"whole").unwrap();
    drop(memory);
    SharedMemory::clean().unwrap();
    assert_eq!(files(), Vec::<String>::new());
}

/// The name leads to a whole segment or to none.
fn look_up() -> Option<SharedMemory> {
    match SharedMemory::open(&name()) {
        Ok(memory) => {
            assert_eq!(memory.len(), 100);
            Some(memory)
        }
        Err(SharedMemoryError::Missing { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

fn create(steps: &mut Steps) {
    let name = name();
    steps.of(|| drop(through(|| SharedMemory::create(&name, 100)).unwrap())).check(|_| {
        drop(look_up());
        check_name();
    });
}

fn open(steps: &mut Steps) {
    let (name, memory) = (name(), SharedMemory::create(&name(), 100).unwrap());
    steps
        .of(|| drop(through(|| SharedMemory::open(&name)).unwrap()))
        .check(|_| assert!(look_up().is_some()));
    drop(memory);
    check_name();
}

fn drop_last(steps: &mut Steps) {
    let name = name();
    steps
        .of(|| {
            let memory = SharedMemory::create(&name, 100).unwrap();
            through(|| drop(memory));
        })
        .check(|fate| {
            assert!(look_up().is_none() || fate == Fate::Killed);
            check_name();
        });
}

fn unlink(steps: &mut Steps) {
    let name = name();
    steps
        .of(|| {
            let memory = SharedMemory::create(&name, 100).unwrap();
            through(|| memory.unlink()).unwrap();
        })
        .check(|fate| {
            assert!(look_up().is_none() || fate == Fate::Killed);
            check_name();
        });
}
