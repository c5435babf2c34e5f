//! A condition: two producers and two consumers share a shelf with room for three. Whoever finds it
//! full, or empty, waits until another says that it has changed.
//!
//! In Python: `multiprocessing.Condition()`, `condition.wait_for(...)`, `condition.notify()`.

use std::error::Error;
use std::time::Duration;

use brigade::{Condition, Lock, OwnerDied, Process, Woken};

const ROOM: u32 = 3;
const EACH: u32 = 200;

/// What lies on the shelf, the most that ever lay there, and what was taken away.
type Shelf = [u32; 3];

type Shop = (Lock<Shelf>, Condition, Condition);

fn produce((shelf, filled, emptied): Shop) {
    for _ in 0..EACH {
        let guard = shelf.lock().unwrap_or_else(OwnerDied::recover);
        let mut guard =
            emptied.wait_while(guard, |shelf| shelf[0] == ROOM).unwrap_or_else(OwnerDied::recover);
        guard[0] += 1;
        guard[1] = guard[1].max(guard[0]);
        drop(guard);
        filled.notify_one();
    }
}

fn consume((shelf, filled, emptied): Shop) {
    for _ in 0..EACH {
        let guard = shelf.lock().unwrap_or_else(OwnerDied::recover);
        let mut guard =
            filled.wait_while(guard, |shelf| shelf[0] == 0).unwrap_or_else(OwnerDied::recover);
        guard[0] -= 1;
        guard[2] += 1;
        drop(guard);
        emptied.notify_one();
    }
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let shop: Shop = (Lock::new([0; 3])?, Condition::new()?, Condition::new()?);
    let mut people = Vec::new();
    for _ in 0..2 {
        people.push(Process::start(produce, shop.clone())?);
        people.push(Process::start(consume, shop.clone())?);
    }
    assert!(people.iter().all(|person| person.join().success()));
    let (shelf, filled, _) = &shop;
    let [there, most, taken] = *shelf.lock().unwrap_or_else(OwnerDied::recover);
    assert_eq!((there, taken), (0, 2 * EACH));
    assert!(most <= ROOM);
    println!("{taken} things passed over the shelf, at most {most} at a time");

    assert!(!filled.notify_one(), "nobody waits, and nothing is kept for later");
    let guard = shelf.lock().unwrap_or_else(OwnerDied::recover);
    let (guard, woken) = filled.wait_timeout(guard, Duration::from_millis(5));
    assert_eq!(woken, Woken::TimedOut);
    assert!(guard.is_ok() && shelf.is_locked());
    println!("a wait that nobody ended has its lock again");
    Ok(())
}
