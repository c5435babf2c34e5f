//! Ten tasks read a number, wait a little, and write it back plus one. Without a lock, updates get
//! lost; with one, ten comes out.
//!
//! In Python: the race of the notes, there between threads: `r = result; time.sleep(1);
//! result = r + 1`, without and with `with mu:`.

use std::error::Error;
use std::time::Duration;

use brigade::{Event, Lock, OwnerDied, Process, Value};

const TASKS: u64 = 10;

/// The result, how many have read it, whether all have, and perhaps a lock.
type Shared = (Value<u64>, Value<u64>, Event, Option<Lock>);

fn task((result, readers, all_read, lock): Shared) {
    let _guard = lock.as_ref().map(|lock| lock.lock().unwrap_or_else(OwnerDied::recover));
    let read = result.get();
    if readers.fetch_add(1) + 1 == TASKS {
        all_read.set();
    }
    // With the lock the others cannot read meanwhile, and the task waits in vain.
    all_read.wait_timeout(Duration::from_millis(20));
    result.set(read + 1);
}

/// Runs all tasks at once and returns what comes out.
fn race(lock: Option<Lock>) -> Result<u64, Box<dyn Error>> {
    let (result, readers, all_read) = (Value::new(0)?, Value::new(0)?, Event::new()?);
    let shared: Shared = (result.clone(), readers, all_read, lock);
    let tasks =
        (0..TASKS).map(|_| Process::start(task, shared.clone())).collect::<Result<Vec<_>, _>>()?;
    assert!(tasks.iter().all(|task| task.join().success()));
    Ok(result.get())
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let without = race(None)?;
    println!("without the lock: {without} of {TASKS}");
    assert!((1..TASKS).contains(&without), "tasks that run at once overwrite each other's result");

    let with = race(Some(Lock::new(())?))?;
    println!("with the lock: {with} of {TASKS}");
    assert_eq!(with, TASKS);
    Ok(())
}
