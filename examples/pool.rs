//! A pool of processes takes functions and gives results; one worker is killed in the middle, and
//! only the task that it was running is lost.
//!
//! In Python: `concurrent.futures.ProcessPoolExecutor(max_workers=3)`, where the death of one
//! worker breaks the whole pool.

use std::error::Error;

use brigade::pool::Refusal;
use brigade::{Event, ExitStatus, Pending, ProcessPool, TaskError, Value};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Says which process it runs in, and goes on until that is killed.
fn run_for_ever((pid, running): (Value<u32>, Event)) {
    pid.set(std::process::id());
    running.set();
    loop {
        std::thread::park();
    }
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let pool = ProcessPool::new(3)?;

    // Different functions, different types: each future knows its own.
    let length = pool.submit(|word: String| word.len(), "bucket".to_owned())?;
    let greeting =
        pool.submit(|(name, age): (String, u8)| format!("{name}, {age}"), ("Ada".to_owned(), 36))?;
    assert_eq!(length.result()?, 6);
    assert_eq!(greeting.result()?, "Ada, 36");
    let cubes: Vec<u64> = pool.map(|n: u64| n * n * n, 1..=100).collect::<Result<_, _>>()?;
    assert_eq!(cubes.iter().sum::<u64>(), 5050 * 5050);
    println!("three workers, {} tasks, all results as they should be", cubes.len() + 2);

    let (pid, running) = (Value::new(0)?, Event::new()?);
    let doomed = pool.submit(run_for_ever, (pid.clone(), running.clone()))?;
    running.wait();
    let worker = i32::try_from(pid.get())?;
    assert!(pool.worker_pids().contains(&worker));
    let number = Pid::from_raw(worker).ok_or("a process has a number")?;
    pidfd_send_signal(pidfd_open(number, PidfdFlags::empty())?, Signal::KILL)?;
    let lost = doomed.result();
    assert!(
        matches!(lost, Err(TaskError::WorkerDied { pid, status: ExitStatus::Signal(9) }) if pid == worker)
    );
    let sum: u64 = pool.map(|n: u64| n, 1..=100).sum::<Result<_, _>>()?;
    assert_eq!(sum, 5050);
    println!("worker {worker} was killed with its task, the pool goes on");

    pool.shutdown(Pending::Finish);
    assert!(pool.worker_pids().is_empty());
    let refused = pool.submit(|n: u32| n, 1).map_err(|error| error.reason);
    assert!(matches!(refused, Err(Refusal::Closed)));
    println!("the pool has ended: {}", Refusal::Closed);
    Ok(())
}
