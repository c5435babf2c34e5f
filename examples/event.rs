//! An event is a flag that others wait for: three runners stand ready, one shot starts them all.
//!
//! In Python: `multiprocessing.Event()`, `event.wait(timeout)`, `event.set()`, `event.clear()`.

use std::error::Error;
use std::time::Duration;

use brigade::{Event, Process, Semaphore, Value};

const RUNNERS: u32 = 3;

fn run((ready, shot, running): (Semaphore, Event, Value<u32>)) -> Result<(), Box<dyn Error>> {
    ready.release(1)?;
    shot.wait();
    running.fetch_add(1);
    Ok(())
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let (ready, shot, running) = (Semaphore::new(0)?, Event::new()?, Value::new(0)?);
    let runners = (0..RUNNERS)
        .map(|_| Process::start(run, (ready.clone(), shot.clone(), running.clone())))
        .collect::<Result<Vec<_>, _>>()?;
    for _ in 0..RUNNERS {
        ready.acquire().forget();
    }
    assert!(!shot.wait_timeout(Duration::from_millis(5)));
    assert_eq!(running.get(), 0);
    println!("{RUNNERS} runners are ready, and none of them runs");

    shot.set();
    assert!(runners.iter().all(|runner| runner.join().success()));
    assert_eq!(running.get(), RUNNERS);
    assert!(shot.is_set(), "it stays set, for whoever comes late");
    shot.clear();
    assert!(!shot.is_set());
    println!("one shot, and all {} have run", running.get());
    Ok(())
}
