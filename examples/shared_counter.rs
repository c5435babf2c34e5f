//! Ten tasks over a pool of ten processes, each of which adds ten to a manager's value, under a
//! manager's lock: a hundred.
//!
//! In Python: `process_sample2.py` of the notes, with `Pool(10)`, `m.Value('i', 0)`, `m.Lock()`.

use std::error::Error;

use brigade::ProcessPool;
use brigade::manager::{CallError, Lock, LockError, Manager, Value};

/// What to add, to what, and the lock.
type Task = (i32, Value<i32>, Lock);

fn add((x, counter, mutex): Task) -> Result<(), String> {
    let add = || -> Result<(), CallError> {
        let _guard = mutex.lock().or_else(LockError::recover)?;
        counter.set(&(counter.get()? + x))
    };
    add().map_err(|error| error.to_string())
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let manager = Manager::start()?;
    let counter = manager.value(&0)?;
    let mutex = manager.lock()?;
    let pool = ProcessPool::new(10)?;
    let tasks = (0..10).map(|_| (10, counter.clone(), mutex.clone()));
    for result in pool.map(add, tasks) {
        result??;
    }
    println!("{}", counter.get()?);
    assert_eq!(counter.get()?, 100);

    // The same without the lock: `update` is whole by itself.
    for result in pool.map(
        |counter: Value<i32>| counter.update(|it| *it += 10).is_ok(),
        vec![counter.clone(); 10],
    ) {
        assert!(result?);
    }
    println!("{}", counter.get()?);
    assert_eq!(counter.get()?, 200);
    Ok(())
}
