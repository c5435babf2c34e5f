//! `submit` returns at once, `is_done` never waits, `result` does; and what becomes of a task that
//! fails, takes too long, or is no longer wanted.
//!
//! In Python: `future = pool.submit(f)`, `print('hello')`, `future.done()`, `future.result()`,
//! `future.cancel()`, `pool.shutdown()`.

use std::error::Error;
use std::time::Duration;

use brigade::pool::ResultTimeoutError;
use brigade::{Event, Pending, ProcessPool, TaskError};

/// Prints, waits until it may end, returns one.
fn task(may_end: Event) -> u32 {
    println!("the task runs, in process {}", std::process::id());
    may_end.wait();
    1
}

/// Fails for a number that is too small.
fn root(number: f64) -> Result<f64, String> {
    if number < 0.0 { Err(format!("{number} has no root")) } else { Ok(number.sqrt()) }
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let pool = ProcessPool::new(1)?;
    let may_end = Event::new()?;
    let future = pool.submit(task, may_end.clone())?;
    println!("hello"); // at once: the task still runs
    assert!(!future.is_done());

    // The only worker is busy, so this one has not begun, and never will.
    let unwanted = pool.submit(root, 16.0)?;
    assert!(unwanted.cancel() && unwanted.is_cancelled());
    assert!(matches!(unwanted.result(), Err(TaskError::Cancelled)));

    let future = match future.result_timeout(Duration::from_millis(10)) {
        Err(ResultTimeoutError::TimedOut(future)) => future,
        other => return Err(format!("a task that cannot end has {other:?}").into()),
    };
    may_end.set();
    assert_eq!(future.result()?, 1); // waits
    println!("the result is 1");

    let failed = pool.submit(root, -4.0)?.result()?;
    assert_eq!(failed, Err("-4 has no root".to_owned()));
    println!("another one failed: {failed:?}");

    pool.shutdown(Pending::Finish); // waits until all tasks have ended
    assert!(pool.submit(root, 4.0).is_err());
    Ok(())
}
