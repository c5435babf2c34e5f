//! What becomes of objects when those who use them die, and of those when the manager does.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod scenario;

use std::time::Duration;

use brigade_manager::{
    CallError, Counter, List, Lock, LockError, LockTimeoutError, Manager, StartError, Value,
};
use brigade_process::{ExitStatus, StartMethod};
use brigade_shm::{Event, Queue};
use brigade_sys::signals::Signal;

use scenario::{
    LONG, alone, child, each_side, ends_well, loopback, own_places, places, run, signal, until,
    wait_for_ever,
};

brigade_process::test_binary!();

const KILLED: ExitStatus = ExitStatus::Signal(9);

/// MGR-11: of a lock whose holder died the next one is told, at once.
#[test]
fn a_lock_whose_holder_was_killed_goes_to_the_next_with_the_news() {
    each_side(|side| {
        let manager = side.manager();
        let (lock, held) = (manager.lock().unwrap(), Event::new().unwrap());
        for _ in 0..5 {
            held.clear();
            let hold = |(lock, held): (Lock, Event)| {
                let _guard = lock.lock().or_else(LockError::recover).unwrap();
                held.set();
                wait_for_ever();
            };
            let holder = child().start(hold, (lock.clone(), held.clone())).unwrap();
            assert!(held.wait_timeout(LONG));
            std::thread::scope(|scope| {
                let waiter = scope.spawn(|| lock.lock().map(drop).map_err(drop));
                holder.kill().unwrap();
                assert!(waiter.join().unwrap().is_err(), "the waiter is told");
            });
            assert_eq!(holder.join(), KILLED);
            // Nobody has recovered it, so the next one is told the same.
            let Err(LockTimeoutError::OwnerDied(died)) = lock.lock_timeout(LONG) else { panic!() };
            drop(died.recover());
            drop(lock.lock_timeout(LONG).unwrap());
        }
    });
}

#[test]
fn a_waiter_that_is_killed_does_not_get_the_lock() {
    each_side(|side| {
        let manager = side.manager();
        let (lock, ready) = (manager.lock().unwrap(), Event::new().unwrap());
        let guard = lock.lock().unwrap();
        let wait = |(lock, ready): (Lock, Event)| {
            ready.set();
            let _guard = lock.lock();
            wait_for_ever();
        };
        let waiter = child().start(wait, (lock.clone(), ready.clone())).unwrap();
        assert!(ready.wait_timeout(LONG));
        waiter.kill().unwrap();
        assert_eq!(waiter.join(), KILLED);
        drop(guard);
        let got = lock.lock_timeout(LONG);
        // It may have been granted on the way, and then its death is told.
        assert!(matches!(got, Ok(_) | Err(LockTimeoutError::OwnerDied(_))), "{got:?}");
    });
}

#[test]
fn what_a_killed_client_held_is_let_go() {
    each_side(|side| {
        let manager = side.manager();
        let ready = Event::new().unwrap();
        let client = |(address, ready): (brigade_manager::Address, Event)| {
            let manager = Manager::connect(&address).unwrap();
            let objects: Vec<_> = (0..10).map(|it| manager.counter(it).unwrap()).collect();
            let list: List<Counter> = manager.list().unwrap();
            list.extend(&objects).unwrap();
            ready.set();
            wait_for_ever();
        };
        let address = manager.address().clone();
        let client = child().start(client, (address, ready.clone())).unwrap();
        assert!(ready.wait_timeout(LONG));
        assert_eq!(manager.number_of_objects().unwrap(), 11);
        client.kill().unwrap();
        until("the objects go", || manager.number_of_objects().unwrap() == 0);
    });
}

/// The parent dies, and a forked child that has its descriptors lives on.
#[test]
fn a_killed_client_is_noticed_though_its_forked_child_has_its_connections() {
    alone(
        |()| {
            let manager = Manager::start().unwrap();
            let (ready, end) = (Event::new().unwrap(), Event::new().unwrap());
            let client = |(address, ready, end): (brigade_manager::Address, Event, Event)| {
                let manager = Manager::connect(&address).unwrap();
                let list: List<u8> = manager.list().unwrap();
                list.push(&1).unwrap();
                let stay = |(ready, end): (Event, Event)| {
                    ready.set();
                    assert!(end.wait_timeout(LONG));
                };
                let builder = brigade_process::Process::builder().method(StartMethod::Fork);
                let forked = builder.start(stay, (ready, end));
                assert!(forked.is_ok());
                wait_for_ever();
            };
            let argument = (manager.address().clone(), ready.clone(), end.clone());
            let client = child().start(client, argument).unwrap();
            assert!(ready.wait_timeout(LONG));
            assert_eq!(manager.number_of_objects().unwrap(), 1);
            client.kill().unwrap();
            until("the list goes", || manager.number_of_objects().unwrap() == 0);
            end.set();
        },
        (),
    );
}

#[test]
fn a_forked_child_has_connections_of_its_own() {
    each_side(|side| {
        let manager = side.manager();
        let list: List<u32> = manager.list().unwrap();
        let value = manager.value(&"x".repeat(500)).unwrap();
        list.push(&0).unwrap();
        let work = |(list, value): (List<u32>, Value<String>)| {
            for number in 0..100 {
                list.push(&number).unwrap();
                assert_eq!(value.get().unwrap().len(), 500);
            }
        };
        let builder = || child().method(StartMethod::Fork);
        let children: Vec<_> =
            (0..3).map(|_| builder().start(work, (list.clone(), value.clone())).unwrap()).collect();
        work((list.clone(), value.clone()));
        children.iter().for_each(ends_well);
        assert_eq!(list.len().unwrap(), 401);
        // The children have neither taken nor dropped references of the parent's.
        assert_eq!(manager.number_of_objects().unwrap(), 2);
    });
}

#[test]
fn an_object_lives_while_a_message_holds_its_proxy_whoever_wrote_it_has_died() {
    each_side(|side| {
        let manager = side.manager();
        let queue: Queue<List<u8>> = Queue::bounded(1).unwrap();
        let write = |(address, queue): (brigade_manager::Address, Queue<List<u8>>)| {
            let list = Manager::connect(&address).unwrap().list().unwrap();
            list.push(&7).unwrap();
            queue.put(list).unwrap();
        };
        run(write, (manager.address().clone(), queue.clone()));
        let list = queue.get_timeout(LONG).unwrap();
        assert_eq!(list.to_vec().unwrap(), [7]);
        drop(list);
        until("the list goes", || manager.number_of_objects().unwrap() == 0);
    });
}

#[test]
fn calls_on_a_killed_manager_fail_at_once_and_say_how_it_ended() {
    alone(
        |()| {
            let manager = Manager::start().unwrap();
            let (list, counter) = (manager.list::<u8>().unwrap(), manager.counter(1).unwrap());
            counter.add(1).unwrap();
            signal(&manager, Signal::KILL);
            let Err(CallError::Gone(gone)) = list.push(&1) else { panic!() };
            assert_eq!((gone.pid, gone.status), (manager.pid(), Some(KILLED)));
            for _ in 0..3 {
                assert!(matches!(list.len(), Err(CallError::Gone(_))));
                assert!(matches!(manager.counter(0), Err(CallError::Gone(_))));
            }
            // What is in memory goes on.
            assert_eq!(counter.add(1).unwrap(), 3);
            // A proxy of a manager that has gone does not travel.
            assert!(brigade_codec::encode(&counter).is_err());
            assert_eq!(manager.shutdown(), Some(KILLED));
            drop(manager);
            assert_eq!(own_places(), Vec::<String>::new());
        },
        (),
    );
}

#[test]
fn a_call_under_way_ends_with_the_manager() {
    alone(
        |()| {
            let (server, address) = scenario::remote_server();
            let manager = Manager::connect(&address).unwrap();
            let lock = manager.lock().unwrap();
            let _guard = lock.lock().unwrap();
            std::thread::scope(|scope| {
                let waiter = scope.spawn(|| lock.lock().map(drop).map_err(|it| it.to_string()));
                server.kill().unwrap();
                let error = waiter.join().unwrap().unwrap_err();
                assert!(error.contains("has ended"), "{error}");
            });
            assert_eq!(server.join_timeout(LONG), Some(KILLED));
        },
        (),
    );
}

#[test]
fn the_manager_dies_with_its_owner_and_the_next_one_cleans_up() {
    alone(
        |()| {
            let pids: Queue<(u32, u32)> = Queue::bounded(1).unwrap();
            let own = |pids: Queue<(u32, u32)>| {
                let manager = Manager::start().unwrap();
                pids.put((std::process::id(), manager.pid())).unwrap();
                wait_for_ever();
            };
            let owner = child().start(own, pids.clone()).unwrap();
            let (owner_pid, server_pid) = pids.get_timeout(LONG).unwrap();
            let server = brigade_sys::identity::Identity::of(server_pid);
            assert!(server.is_alive());
            owner.kill().unwrap();
            assert_eq!(owner.join(), KILLED);
            until("the server dies", || !server.is_alive());
            drop(Manager::start().unwrap());
            assert_eq!(places(owner_pid), Vec::<String>::new());
        },
        (),
    );
}

/// MGR-07: after shutdown the server exited 0, or by a signal.
#[test]
fn shutdown_asks_then_insists() {
    alone(
        |()| {
            let manager = Manager::start().unwrap();
            let list = manager.list::<u8>().unwrap();
            assert_eq!(manager.shutdown(), Some(ExitStatus::Code(0)));
            assert_eq!(manager.shutdown(), Some(ExitStatus::Code(0)));
            let Err(CallError::Gone(gone)) = list.len() else { panic!() };
            assert_eq!(gone.status, Some(ExitStatus::Code(0)));

            let short = Duration::from_millis(20);
            let manager = Manager::builder().shutdown_timeout(short).start().unwrap();
            signal(&manager, Signal::STOP);
            assert_eq!(manager.shutdown(), Some(KILLED));
        },
        (),
    );
}

#[test]
fn an_interrupt_is_the_owners_affair() {
    alone(
        |()| {
            let manager = Manager::start().unwrap();
            for _ in 0..10 {
                signal(&manager, Signal::INT);
                assert_eq!(manager.number_of_objects().unwrap(), 0);
            }
            assert_eq!(manager.shutdown(), Some(ExitStatus::Code(0)));
        },
        (),
    );
}

/// MGR-12
#[test]
fn an_initializer_runs_once_in_the_servers_process() {
    alone(
        |()| {
            let runs: Queue<u32> = Queue::bounded(4).unwrap();
            let note = |runs: Queue<u32>| runs.put(std::process::id()).unwrap();
            let manager = Manager::builder().initializer(note, &runs).start().unwrap();
            assert_eq!(runs.get_timeout(LONG).unwrap(), manager.pid());
            assert!(runs.try_get().is_err());

            let fail = |text: String| -> () { panic!("{text}") };
            let failed = Manager::builder().initializer(fail, &"no licence".to_owned()).start();
            let error = failed.unwrap_err();
            assert!(error.to_string().contains("no licence"), "{error}");
        },
        (),
    );
}

#[test]
fn a_manager_that_cannot_listen_is_not_started() {
    alone(
        |()| {
            let first = Manager::builder().address(loopback()).start().unwrap();
            let second = Manager::builder().address(first.address().clone()).start();
            let error = second.unwrap_err();
            assert!(matches!(error, StartError::Failed { .. }), "{error}");
            assert!(error.to_string().contains("listen"), "{error}");
            assert!(Manager::connect(&"unix:/nowhere/at/all".parse().unwrap()).is_err());
        },
        (),
    );
}

#[test]
fn another_manager_at_the_same_address_is_not_mistaken_for_the_first() {
    alone(
        |()| {
            let directory = tempfile::tempdir().unwrap();
            let address = brigade_manager::Address::Unix(directory.path().join("socket"));
            let start = || Manager::builder().address(address.clone()).start().unwrap();
            let first = start();
            let list = first.list::<u8>().unwrap();
            let bytes = brigade_codec::encode(&list).unwrap();
            signal(&first, Signal::KILL);
            assert_eq!(first.shutdown(), Some(KILLED));
            let second = start();
            // The first object of the second has the number that the list had.
            let other = second.list::<u8>().unwrap();
            other.push(&1).unwrap();
            assert!(matches!(list.len(), Err(CallError::Gone(_))));
            assert!(brigade_codec::decode::<List<u8>>(&bytes).is_err());
            assert_eq!(other.len().unwrap(), 1);
        },
        (),
    );
}
