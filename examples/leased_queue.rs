//! The queue that lends: a worker has a lease of its job until it acknowledges it. If the worker is
//! killed another gets the job, and a job that kills every worker is put aside.
//!
//! Servers of messages such as RabbitMQ have acknowledgments and dead letters; Python's queues have
//! neither.

use std::error::Error;

use brigade::{ExitStatus, LeasedQueue, List, Process};

const JOBS: u32 = 20;

/// The job that no worker survives.
const POISON: u32 = 13;

fn work((jobs, done): (LeasedQueue<u32>, List<u32>)) -> Result<(), Box<dyn Error>> {
    while let Ok(job) = jobs.lease() {
        if *job == POISON {
            std::process::abort();
        }
        if *job % 5 == 0 && job.delivery_count() == 1 {
            // Not now; whoever is next may have more luck.
            job.requeue()?;
            continue;
        }
        done.push(*job)?;
        job.ack()?;
    }
    Ok(())
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let jobs = LeasedQueue::unbounded()?.max_deliveries(3)?;
    let done = List::new()?;
    (1..=JOBS).try_for_each(|job| jobs.put(job))?;
    // Leases come back, so the end comes when the last of them is answered.
    jobs.close();
    let mut killed = 0;
    loop {
        let worker = Process::start(work, (jobs.clone(), done.clone()))?;
        match worker.join() {
            ExitStatus::Code(0) => break,
            ExitStatus::Signal(_) => killed += 1,
            other => return Err(format!("a worker has ended with {other:?}").into()),
        }
    }
    assert_eq!(killed, 3);
    println!("{killed} workers were killed by job {POISON}");
    let mut jobs_done = done.to_vec()?;
    jobs_done.sort_unstable();
    assert!(jobs_done.iter().copied().eq((1..=JOBS).filter(|&job| job != POISON)));
    println!("each of the {} others was done once", jobs_done.len());
    let aside: Vec<u32> = jobs.dead_letters().iter().collect();
    assert_eq!(aside, [POISON]);
    println!("and put aside: {aside:?}");
    Ok(())
}
