//! Who owns what, and that nothing leaks when an owner goes (RES).

use brigade::manager::Manager;
use brigade::{
    Arena, Event, ExitStatus, Lock, Process, ProcessPool, Queue, Semaphore, ShareableList,
    SharedMemory, SharedMemoryError,
};

use brigade_tests::stage::{LONG, alone, in_every_mode, in_processes, join_all, unique};

/// RES-03 (ours: there is no service to kill; what was made stays, and more can be made), RES-02,
/// RES-04
#[test]
fn one_who_made_everything_is_killed_and_the_others_go_on() {
    type Things = (Queue<u32>, Lock<u32>, Semaphore);
    in_processes(|method| {
        let post = Queue::<Things>::bounded(1).unwrap();
        let make = |post: Queue<Things>| {
            let things: Things =
                (Queue::bounded(4).unwrap(), Lock::new(5).unwrap(), Semaphore::new(1).unwrap());
            things.0.put(1).unwrap();
            post.put(things.clone()).unwrap();
            Event::new().unwrap().wait();
        };
        let builder = Process::builder().method(method).dies_with_parent();
        let maker = builder.start(make, post.clone()).unwrap();
        let (queue, lock, semaphore) = post.get_timeout(LONG).unwrap();
        maker.kill().unwrap();
        assert_eq!(maker.join(), ExitStatus::Signal(9));
        queue.put(2).unwrap();
        assert_eq!((queue.get().unwrap(), queue.get().unwrap()), (1, 2));
        assert_eq!(*lock.lock().unwrap(), 5);
        drop(semaphore.acquire());
        let next = Queue::bounded(1).unwrap();
        next.put(3).unwrap();
        assert_eq!(next.get().unwrap(), 3);
    });
}

/// RES-05
#[test]
fn a_name_that_is_too_long_is_refused_at_once() {
    in_every_mode(|mode| {
        let refuse = |name: String| {
            let refused = SharedMemory::create(&name, 64);
            assert!(matches!(refused, Err(SharedMemoryError::InvalidName { .. })));
            assert!(SharedMemory::open(&name).is_err());
            assert!(ShareableList::create(&name, [1]).is_err());
        };
        mode.start(refuse, unique(&"x".repeat(300))).join();
    });
}

/// RES-09
#[test]
fn one_who_opens_a_segment_and_ends_takes_nothing_along() {
    in_every_mode(|mode| {
        let name = unique("kept");
        let memory = SharedMemory::create(&name, 64).unwrap();
        let open = |name: String| SharedMemory::open(&name).unwrap().write(3, &[7]).unwrap();
        join_all(mode.start_many(3, open, &name));
        assert_eq!(memory.to_vec()[3], 7);
        assert_eq!(SharedMemory::open(&name).unwrap().to_vec()[3], 7);
        drop(memory);
        assert!(matches!(SharedMemory::open(&name), Err(SharedMemoryError::Missing { .. })));
    });
}

/// RES-06, RES-11
#[test]
fn a_program_with_a_manager_ends_in_order_and_has_nothing_to_say() {
    let test = "resources::a_program_with_a_manager_ends_in_order_and_has_nothing_to_say";
    if let Some(output) = alone(test, |_| ()) {
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        return;
    }
    let manager = Manager::start().unwrap();
    let list = manager.list::<u32>().unwrap();
    list.extend(&[1, 2, 3]).unwrap();
    let shared = ShareableList::create_unnamed([1, 2, 3]).unwrap();
    assert_eq!((list.len().unwrap(), shared.len()), (3, 3));
    assert_eq!(manager.shutdown(), Some(ExitStatus::Code(0)));
}

/// RES-12
#[test]
fn a_pool_whose_initializer_fails_leaves_no_object() {
    let test = "resources::a_pool_whose_initializer_fails_leaves_no_object";
    if alone(test, |_| ()).is_some() {
        return;
    }
    let fail = |()| -> Result<(), &'static str> { Err("no database") };
    let break_a_pool = || {
        let pool = ProcessPool::builder().max_workers(2).initializer(fail, ());
        let pool = pool.max_failed_starts(3).build().unwrap();
        let refused = match pool.submit(|n: u32| n, 1) {
            Ok(future) => future.result().unwrap_err().to_string(),
            Err(refused) => refused.to_string(),
        };
        assert!(refused.contains("the pool is broken"), "{refused}");
        pool.join();
    };
    let arena = Arena::program().unwrap();
    let used = || {
        arena.bury_the_dead();
        arena.used().unwrap()
    };
    break_a_pool();
    let before = used();
    for _ in 0..3 {
        break_a_pool();
    }
    assert_eq!(used(), before);
}
