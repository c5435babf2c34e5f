//! Clients are killed at random moments, and the rest goes on as if they had never been.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod scenario;

use std::time::Duration;

use brigade_manager::{Address, Counter, List, Lock, LockError, Manager, Map, Value};
use brigade_process::ExitStatus;
use brigade_shm::Event;

use scenario::{LONG, alone, child, each_side, ends_well, until};

brigade_process::test_binary!();

/// How many clients are killed, and how many work at a time.
const KILLS: u64 = 40;
const CLIENTS: usize = 3;

/// What the clients share. Every change keeps each in the shape that [`check`] expects.
type Shared = (Counter, Value<(u64, u64, String)>, Lock, List<List<u64>>, Map<u8, (u64, u64)>);

/// Uses everything in turn, and makes objects of its own, until it is killed.
fn work((address, shared, rounds): (Address, Shared, u64)) {
    let manager = Manager::connect(&address).unwrap();
    let (counter, value, lock, lists, map) = shared;
    for round in 0..rounds {
        counter.add(1).unwrap();
        value
            .update(|(one, two, text)| {
                *one += 1;
                *two += 1;
                // Sometimes too long for the memory.
                *text = "t".repeat((*one % 7 * 40) as usize);
            })
            .unwrap();
        map.update(&((round % 5) as u8), |entry| {
            let (one, two) = entry.unwrap_or_default();
            *entry = Some((one + 1, two + 1));
        })
        .unwrap();
        let list = manager.list().unwrap();
        list.extend(&[round, round]).unwrap();
        lists.push(&list).unwrap();
        drop(lists.remove(0).unwrap());
        let guard = lock.lock().or_else(LockError::recover).unwrap();
        drop(guard);
    }
}

fn check((_, value, _, lists, map): &Shared) {
    let (one, two, text) = value.get().unwrap();
    assert_eq!(one, two);
    assert!(text.len() <= 240);
    for (_, (one, two)) in map.items().unwrap() {
        assert_eq!(one, two);
    }
    for list in lists.to_vec().unwrap() {
        let length = list.len().unwrap();
        assert!(length == 0 || length == 2, "a list is filled at once: {length}");
    }
}

#[test]
fn clients_die_at_random_and_the_rest_goes_on() {
    each_side(|side| {
        let manager = side.manager();
        let shared: Shared = (
            manager.counter(0).unwrap(),
            manager.value(&(0, 0, String::new())).unwrap(),
            manager.lock().unwrap(),
            manager.list().unwrap(),
            manager.map().unwrap(),
        );
        let address = manager.address().clone();
        let start =
            |rounds| child().start(work, (address.clone(), shared.clone(), rounds)).unwrap();
        let mut clients: Vec<_> = (0..CLIENTS).map(|_| start(u64::MAX)).collect();
        let never = Event::new().unwrap();
        for kill in 0..KILLS {
            // From before the client's first step to long after it.
            never.wait_timeout(Duration::from_micros(kill * 7919 % 23_000));
            let victim = std::mem::replace(&mut clients[kill as usize % CLIENTS], start(u64::MAX));
            victim.kill().unwrap();
            assert_eq!(victim.join_timeout(LONG), Some(ExitStatus::Signal(9)));
            check(&shared);
        }
        for client in clients {
            client.kill().unwrap();
            assert_eq!(client.join_timeout(LONG), Some(ExitStatus::Signal(9)));
        }
        ends_well(&start(20));
        check(&shared);
        assert!(shared.0.get().unwrap() > 20, "nobody has got anywhere");
        shared.3.clear().unwrap();
        until("the dead clients' objects go", || manager.number_of_objects().unwrap() == 5);
    });
}

/// Starting, killing and starting again leaves nothing, wherever the kill falls.
#[test]
fn servers_die_at_random_and_no_call_hangs() {
    alone(
        |()| {
            for kill in 0..20_u64 {
                let manager = Manager::start().unwrap();
                let list = manager.list::<u64>().unwrap();
                std::thread::scope(|scope| {
                    for _ in 0..2 {
                        scope.spawn(|| while list.push(&kill).is_ok() {});
                    }
                    scope.spawn(|| {
                        let never = Event::new().unwrap();
                        never.wait_timeout(Duration::from_micros(kill * 911 % 5000));
                        scenario::signal(&manager, brigade_sys::signals::Signal::KILL);
                    });
                });
                assert_eq!(manager.shutdown(), Some(ExitStatus::Signal(9)));
            }
        },
        (),
    );
}
