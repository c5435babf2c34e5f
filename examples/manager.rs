//! Objects that live in a manager's process, and the proxies that every other process uses: a
//! counter, a value, a list, a map, a lock.
//!
//! In Python: `multiprocessing.Manager()`, `manager.Value`, `.list()`, `.dict()`, `.Lock()`.

use std::error::Error;

use brigade::manager::{Counter, List, Lock, LockError, Manager, Map, Value};
use brigade::{ExitStatus, Process};

const WORKERS: usize = 3;

/// Proxies travel like any other argument.
type Objects = (Counter, Value<Vec<String>>, List<u32>, Map<String, u32>, Lock);

fn work((own, objects): (u32, Objects)) -> Result<(), Box<dyn Error>> {
    let (hits, names, numbers, words, lock) = objects;
    hits.add(1)?;
    // Each change is whole: nobody else's gets lost, and nobody needs a lock for it.
    names.update(|names| names.push(format!("worker {own}")))?;
    words.update(&"work".to_owned(), |count| *count = Some(count.unwrap_or(0) + 1))?;
    for _ in 0..10 {
        // Two objects that must change together do need one.
        let _guard = lock.lock().or_else(LockError::recover)?;
        let next = numbers.len()? as u32;
        numbers.push(&next)?;
    }
    Ok(())
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let manager = Manager::start()?;
    assert_ne!(manager.pid(), std::process::id());
    let (hits, names, lock) = (manager.counter(0)?, manager.value(&Vec::new())?, manager.lock()?);
    let (numbers, words) = (manager.list()?, manager.map()?);
    let objects: Objects = (hits, names, numbers, words, lock);
    let workers = (0..WORKERS as u32)
        .map(|own| Process::start(work, (own, objects.clone())))
        .collect::<Result<Vec<_>, _>>()?;
    assert!(workers.iter().all(|worker| worker.join().success()));

    let (hits, names, numbers, words, _) = &objects;
    assert_eq!(hits.get()?, WORKERS as i64);
    assert_eq!(names.get()?.len(), WORKERS);
    assert_eq!(words.get("work")?, Some(WORKERS as u32));
    assert!(numbers.to_vec()?.into_iter().eq(0..10 * WORKERS as u32));
    println!("{} processes were here: {:?}", hits.get()?, names.get()?);

    // An object may hold others, and a name finds it for those who were not given a proxy.
    let shelves: Map<String, List<u32>> = manager.map()?;
    shelves.insert("numbers", numbers)?;
    manager.publish("shelves", &shelves)?;
    let other = Manager::connect(manager.address())?;
    let found: Map<String, List<u32>> = other.find("shelves")?.ok_or("it was published")?;
    let last = found.get("numbers")?.ok_or("it was inserted")?.pop()?;
    assert_eq!(last, Some(10 * WORKERS as u32 - 1));
    println!("found by its name, a list in a map: its last number was {last:?}");

    assert_eq!(manager.shutdown(), Some(ExitStatus::Code(0)));
    assert!(numbers.len().is_err(), "the objects are gone with their manager");
    Ok(())
}
