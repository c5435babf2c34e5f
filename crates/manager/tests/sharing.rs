//! Objects that processes share, at home and elsewhere.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod scenario;

use std::collections::BTreeSet;

use brigade_manager::{Address, CallError, Counter, List, Lock, LockError, Manager, Map, Value};
use brigade_process::StartMethod;
use brigade_shm::{Event, Queue};

use scenario::{LONG, alone, child, each_side, ends_well, loopback, run};

brigade_process::test_binary!();

/// One task of the program in the notes.
fn add(counter: &Value<i64>, amount: i64) -> Result<(), CallError> {
    counter.set(&(counter.get()? + amount))
}

#[test]
fn ten_tasks_that_add_ten_under_a_lock_make_a_hundred() {
    each_side(|side| {
        let manager = side.manager();
        let (counter, mutex) = (manager.value(&0_i64).unwrap(), manager.lock().unwrap());
        let task = |(counter, mutex): (Value<i64>, Lock)| {
            let _guard = mutex.lock().or_else(LockError::recover).unwrap();
            add(&counter, 10).unwrap();
        };
        let start = || child().start(task, (counter.clone(), mutex.clone())).unwrap();
        let tasks: Vec<_> = (0..10).map(|_| start()).collect();
        tasks.iter().for_each(ends_well);
        assert_eq!(counter.get().unwrap(), 100);
    });
}

#[test]
fn without_the_lock_an_update_is_lost() {
    each_side(|side| {
        let manager = side.manager();
        let counter = manager.value(&0_i64).unwrap();
        let (read, written) = (Event::new().unwrap(), Event::new().unwrap());
        let slow = |(counter, read, written): (Value<i64>, Event, Event)| {
            let seen = counter.get().unwrap();
            read.set();
            assert!(written.wait_timeout(LONG));
            counter.set(&(seen + 10)).unwrap();
        };
        let slow = child().start(slow, (counter.clone(), read.clone(), written.clone())).unwrap();
        assert!(read.wait_timeout(LONG));
        add(&counter, 10).unwrap();
        written.set();
        ends_well(&slow);
        assert_eq!(counter.get().unwrap(), 10, "one of two additions is lost");
    });
}

type Tallies = (Counter, Value<Vec<u64>>, List<u64>, Map<String, u64>);

#[test]
fn no_transaction_is_lost() {
    const ROUNDS: u64 = 50;
    each_side(|side| {
        let manager = side.manager();
        let tallies: Tallies = (
            manager.counter(0).unwrap(),
            manager.value(&vec![0]).unwrap(),
            manager.list().unwrap(),
            manager.map().unwrap(),
        );
        tallies.2.push(&0).unwrap();
        let work = |(counter, value, list, map): Tallies| {
            for _ in 0..ROUNDS {
                counter.add(1).unwrap();
                value.update(|numbers| numbers[0] += 1).unwrap();
                list.update(0, |number| *number += 1).unwrap();
                map.update("k", |count| *count = Some(count.unwrap_or(0) + 1)).unwrap();
            }
        };
        let workers: Vec<_> =
            (0..4).map(|_| child().start(work, tallies.clone()).unwrap()).collect();
        workers.iter().for_each(ends_well);
        let (counter, value, list, map) = tallies;
        assert_eq!(counter.get().unwrap(), 4 * ROUNDS as i64);
        assert_eq!(value.get().unwrap(), [4 * ROUNDS]);
        assert_eq!(list.get(0).unwrap(), Some(4 * ROUNDS));
        assert_eq!(map.get("k").unwrap(), Some(4 * ROUNDS));
    });
}

/// MGR-11: each type is made by the parent, used in a child, checked by the parent.
#[test]
fn every_proxy_works_in_a_child_however_it_was_started() {
    each_side(|side| {
        for method in StartMethod::ALL {
            let manager = side.manager();
            let proxies = (
                manager.counter(1).unwrap(),
                manager.value(&"old".to_owned()).unwrap(),
                manager.lock().unwrap(),
                manager.list::<String>().unwrap(),
                manager.map::<u8, String>().unwrap(),
            );
            type Proxies = (Counter, Value<String>, Lock, List<String>, Map<u8, String>);
            let use_all = |(counter, value, lock, list, map): Proxies| {
                let _guard = lock.lock().unwrap();
                assert_eq!(counter.add(1).unwrap(), 2);
                assert_eq!(value.get().unwrap(), "old");
                value.set(&"new".to_owned()).unwrap();
                list.push(&"element".to_owned()).unwrap();
                map.insert(&7, &"seven".to_owned()).unwrap();
            };
            ends_well(&child().method(method).start(use_all, proxies.clone()).unwrap());
            let (counter, value, lock, list, map) = proxies;
            assert_eq!(counter.get().unwrap(), 2);
            assert_eq!(value.get().unwrap(), "new");
            assert!(lock.try_lock().is_ok());
            assert_eq!(list.to_vec().unwrap(), ["element"]);
            assert_eq!(map.items().unwrap(), [(7, "seven".to_owned())]);
        }
        brigade_process::fork_server::stop();
    });
}

/// Some are at home with the objects, some reach the same objects by messages.
#[test]
fn the_same_objects_are_memory_for_some_and_messages_for_others() {
    alone(
        |()| {
            let manager = Manager::builder().address(loopback()).start().unwrap();
            manager.publish("lock", &manager.lock().unwrap()).unwrap();
            manager.publish("inside", &manager.counter(0).unwrap()).unwrap();
            manager.publish("text", &manager.value(&String::new()).unwrap()).unwrap();
            let visit = |address: Address| {
                let manager = Manager::connect(&address).unwrap();
                let lock: Lock = manager.find("lock").unwrap().unwrap();
                let inside: Counter = manager.find("inside").unwrap().unwrap();
                let text: Value<String> = manager.find("text").unwrap().unwrap();
                for _ in 0..50 {
                    let _guard = lock.lock().unwrap();
                    assert_eq!(inside.add(1).unwrap(), 1);
                    // Without the lock this would lose letters; at 112 bytes it leaves the memory.
                    text.set(&(text.get().unwrap() + "x")).unwrap();
                    assert_eq!(inside.add(-1).unwrap(), 0);
                }
            };
            let addresses = manager.addresses();
            assert!(matches!(addresses, [Address::Unix(_), Address::Tcp { .. }]), "{addresses:?}");
            let visitors: Vec<_> = addresses
                .iter()
                .cycle()
                .take(4)
                .map(|address| child().start(visit, address.clone()).unwrap())
                .collect();
            std::thread::scope(|scope| {
                scope.spawn(|| visit(addresses[0].clone()));
                scope.spawn(|| visit(addresses[1].clone()));
            });
            visitors.iter().for_each(ends_well);
            let text = manager.find::<Value<String>>("text").unwrap().unwrap();
            assert_eq!(text.get().unwrap().len(), 300);
        },
        (),
    );
}

#[test]
fn a_held_lock_is_not_given_to_another() {
    each_side(|side| {
        use brigade_manager::{LockTimeoutError, TryLockError};
        let manager = side.manager();
        let lock = manager.lock().unwrap();
        let guard = lock.lock().unwrap();
        let try_it = |lock: Lock| {
            assert!(matches!(lock.try_lock(), Err(TryLockError::Locked)));
            let waited = lock.lock_timeout(std::time::Duration::from_millis(80));
            assert!(matches!(waited, Err(LockTimeoutError::TimedOut)));
        };
        run(try_it, lock.clone());
        drop(guard);
        let guard = lock.try_lock().unwrap();
        drop(guard);
        run(|lock: Lock| drop(lock.lock().unwrap()), lock);
    });
}

#[test]
fn a_proxy_travels_in_a_queue_and_its_object_waits_for_it() {
    each_side(|side| {
        let manager = side.manager();
        let queue: Queue<List<u32>> = Queue::bounded(4).unwrap();
        let list = manager.list().unwrap();
        list.push(&1).unwrap();
        queue.put(list).unwrap();
        // Nobody but the message has the list now.
        assert_eq!(manager.number_of_objects().unwrap(), 1);
        let take = |queue: Queue<List<u32>>| {
            let list = queue.get().unwrap();
            assert_eq!(list.to_vec().unwrap(), [1]);
            list.push(&2).unwrap();
            queue.put(list).unwrap();
        };
        run(take, queue.clone());
        assert_eq!(queue.get().unwrap().to_vec().unwrap(), [1, 2]);
        scenario::until("the list goes", || manager.number_of_objects().unwrap() == 0);
    });
}

/// MGR-03: lists in a list; what is changed through one proxy shows through the others.
#[test]
fn lists_in_a_list_are_the_same_lists() {
    each_side(|side| {
        let manager = side.manager();
        let outer: List<List<i32>> = manager.list().unwrap();
        for _ in 0..3 {
            outer.push(&manager.list().unwrap()).unwrap();
        }
        assert_eq!(manager.number_of_objects().unwrap(), 4);
        let change = |outer: List<List<i32>>| {
            outer.get(1).unwrap().unwrap().extend(&[5, 6]).unwrap();
        };
        run(change, outer.clone());
        let inner: Vec<_> = outer.iter().map(|list| list.unwrap().to_vec().unwrap()).collect();
        assert_eq!(inner, [vec![], vec![5, 6], vec![]]);
        let kept = outer.pop().unwrap().unwrap();
        outer.clear().unwrap();
        scenario::until("what is in no list goes", || manager.number_of_objects().unwrap() == 2);
        assert!(kept.is_empty().unwrap());
    });
}

/// MGR-03: a list that contains itself can be dropped.
#[derive(serde::Serialize, serde::Deserialize)]
struct Ring(List<Ring>);

#[test]
fn lists_that_contain_themselves_are_dropped_before_they_are_many() {
    each_side(|side| {
        let manager = side.manager();
        for _ in 0..200 {
            let ring = manager.list::<Ring>().unwrap();
            ring.push(&Ring(ring.clone())).unwrap();
        }
        scenario::until("rings are dropped", || manager.number_of_objects().unwrap() < 100);
    });
}

/// MGR-01
#[test]
fn a_list_is_read_and_changed_in_parts() {
    each_side(|side| {
        let manager = side.manager();
        let list: List<u32> = manager.list().unwrap();
        list.extend(&[0, 1, 2, 3, 4]).unwrap();
        list.extend(&list.to_vec().unwrap()).unwrap();
        assert_eq!(list.len().unwrap(), 10);
        assert_eq!(list.range(3..7).unwrap(), [3, 4, 0, 1]);
        assert_eq!(list.range(8..=100).unwrap(), [3, 4]);
        list.truncate(5).unwrap();
        list.insert(0, &9).unwrap();
        list.set(1, &8).unwrap();
        assert_eq!(list.remove(2).unwrap(), Some(1));
        assert_eq!(list.to_vec().unwrap(), [9, 8, 2, 3, 4]);
        let beyond = list.set(5, &0).unwrap_err();
        assert!(matches!(beyond, CallError::OutOfRange { index: 5, length: 5 }), "{beyond}");
        let beyond = list.update(7, |_| ()).unwrap_err();
        assert!(matches!(beyond, CallError::OutOfRange { index: 7, length: 5 }), "{beyond}");
        assert_eq!(list.get(5).unwrap(), None);
    });
}

/// MGR-02: an element that is added while the list is read is read too.
#[test]
fn reading_a_list_one_by_one_sees_what_is_added_meanwhile() {
    each_side(|side| {
        let manager = side.manager();
        let list: List<u32> = manager.list().unwrap();
        list.push(&0).unwrap();
        let mut read = Vec::new();
        for element in list.iter() {
            let element = element.unwrap();
            if element < 5 {
                list.push(&(element + 1)).unwrap();
            }
            read.push(element);
        }
        assert_eq!(read, [0, 1, 2, 3, 4, 5]);
    });
}

/// MGR-04
#[test]
fn a_map_has_keys_values_and_items() {
    each_side(|side| {
        let manager = side.manager();
        let map: Map<String, u32> = manager.map().unwrap();
        for (number, name) in ["zero", "one", "two"].into_iter().enumerate() {
            assert_eq!(map.insert(name, &(number as u32)).unwrap(), None);
        }
        assert_eq!(map.insert("one", &11).unwrap(), Some(1));
        assert_eq!(map.keys().unwrap(), ["zero", "one", "two"]);
        assert_eq!(map.values().unwrap(), [0, 11, 2]);
        assert_eq!(map.remove("zero").unwrap(), Some(0));
        assert!(!map.contains_key("zero").unwrap());
        assert_eq!(map.items().unwrap(), [("one".to_owned(), 11), ("two".to_owned(), 2)]);
        // What is left as `None` is taken away.
        map.update("one", |entry| *entry = None).unwrap();
        assert_eq!(map.len().unwrap(), 1);
        map.clear().unwrap();
        assert!(map.is_empty().unwrap());
    });
}

#[test]
fn a_value_may_grow_beyond_its_cell_and_shrink_back() {
    each_side(|side| {
        let manager = side.manager();
        let value = manager.value(&String::new()).unwrap();
        for length in [10, 1000, 100_000, 3, 104, 105, 0, 5000] {
            let text = "x".repeat(length);
            value.set(&text).unwrap();
            assert_eq!(value.get().unwrap(), text);
            value.update(|text| text.push('y')).unwrap();
            run(|value: Value<String>| assert!(value.get().unwrap().ends_with('y')), value.clone());
            assert_eq!(value.get().unwrap().len(), length + 1);
        }
    });
}

#[test]
fn a_value_that_grows_and_shrinks_loses_no_update() {
    each_side(|side| {
        let manager = side.manager();
        let value: Value<(u64, String)> = manager.value(&(0, String::new())).unwrap();
        let work = |value: Value<(u64, String)>| {
            for round in 0..40 {
                let text = "z".repeat(if round % 3 == 0 { 500 } else { 5 });
                value
                    .update(|(count, place)| {
                        *count += 1;
                        *place = text.clone();
                    })
                    .unwrap();
            }
        };
        let workers: Vec<_> = (0..3).map(|_| child().start(work, value.clone()).unwrap()).collect();
        workers.iter().for_each(ends_well);
        assert_eq!(value.get().unwrap().0, 120);
    });
}

#[test]
fn a_value_may_hold_proxies() {
    each_side(|side| {
        let manager = side.manager();
        let value = manager.value(&Some(manager.counter(7).unwrap())).unwrap();
        assert_eq!(manager.number_of_objects().unwrap(), 2);
        let read = |value: Value<Option<Counter>>| {
            assert_eq!(value.get().unwrap().unwrap().add(1).unwrap(), 8);
        };
        run(read, value.clone());
        assert_eq!(value.get().unwrap().unwrap().get().unwrap(), 8);
        value.set(&None).unwrap();
        scenario::until("the counter goes", || manager.number_of_objects().unwrap() == 1);
    });
}

#[test]
fn what_is_published_is_found_by_those_who_connect() {
    each_side(|side| {
        let manager = side.manager();
        let hits = manager.counter(40).unwrap();
        manager.publish("hits", &hits).unwrap();
        manager.publish("limit", &17_u8).unwrap();
        let visit = |address: Address| {
            let manager = Manager::connect(&address).unwrap();
            let hits: Counter = manager.find("hits").unwrap().unwrap();
            hits.add(2).unwrap();
            assert_eq!(manager.find::<u8>("limit").unwrap(), Some(17));
            assert_eq!(manager.find::<u8>("nothing").unwrap(), None);
            let wrong = manager.find::<Lock>("hits").unwrap_err();
            assert!(matches!(wrong, CallError::Decode(_)), "{wrong}");
            assert_eq!(manager.shutdown(), None, "it is not the visitor's");
        };
        run(visit, manager.address().clone());
        assert_eq!(hits.get().unwrap(), 42);
        drop(hits);
        assert!(manager.withdraw::<Counter>("hits").unwrap().is_some());
        scenario::until("the counter goes", || manager.number_of_objects().unwrap() == 0);
    });
}

#[test]
fn many_threads_of_many_processes_push_and_nothing_is_lost() {
    each_side(|side| {
        let manager = side.manager();
        let list: List<(u32, u32)> = manager.list().unwrap();
        let work = |(process, list): (u32, List<(u32, u32)>)| {
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let list = &list;
                    scope.spawn(move || {
                        for round in 0..25 {
                            list.push(&(process, thread * 25 + round)).unwrap();
                        }
                    });
                }
            });
        };
        let workers: Vec<_> =
            (0..3).map(|it| child().start(work, (it, list.clone())).unwrap()).collect();
        workers.iter().for_each(ends_well);
        let all: BTreeSet<_> = list.to_vec().unwrap().into_iter().collect();
        assert_eq!(all.len(), 300);
    });
}
