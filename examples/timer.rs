//! A timer runs a function after a while, unless it is cancelled before: a worker that is late is
//! reminded, and one that is in time is not.
//!
//! In Python: `threading.Timer(interval, function)`, `timer.cancel()`.

use std::error::Error;
use std::time::Duration;

use brigade::{Event, Process, Timer, Value};

/// What a worker waits for before it is done, and where it says so.
fn work((begin, done): (Event, Event)) {
    begin.wait();
    done.set();
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let reminders = Value::new(0_u32)?;

    // In time: the worker may begin at once.
    let (begin, done) = (Event::new()?, Event::new()?);
    let count = reminders.clone();
    let timer = Timer::start(Duration::from_secs(60), move || {
        count.fetch_add(1);
    })?;
    begin.set();
    let worker = Process::start(work, (begin, done.clone()))?;
    done.wait();
    assert!(timer.cancel(), "it has not run");
    assert!(timer.join().is_ok());
    assert_eq!(reminders.get(), 0);
    println!("a worker in time, and a timer that was cancelled");

    // Late: nobody tells the worker to begin but the timer.
    let (begin, done) = (Event::new()?, Event::new()?);
    let (count, late) = (reminders.clone(), begin.clone());
    let timer = Timer::start(Duration::from_millis(20), move || {
        count.fetch_add(1);
        late.set();
    })?;
    let second = Process::start(work, (begin, done.clone()))?;
    done.wait();
    assert!(!timer.cancel(), "it is too late");
    assert_eq!(reminders.get(), 1);
    assert!(worker.join().success() && second.join().success());
    println!("a worker that was late, and was reminded once");
    Ok(())
}
