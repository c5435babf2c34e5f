//! ZeroMQ's pipeline: one deals out work, whoever is connected takes it, one collects.
//!
//! In Python: `zmq.PUSH` and `zmq.PULL`.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use brigade::Process;
use brigade::zmq::{Pull, Push};

const LIMIT: Duration = Duration::from_secs(30);

/// A number, its square, and who computed it.
type Answer = (u64, u64, u32);

fn work((tasks_at, answers_at): (String, String)) -> Result<(), Box<dyn Error>> {
    let tasks = Pull::<u64>::new()?;
    tasks.connect(&tasks_at)?;
    let answers = Push::<Answer>::new()?;
    answers.connect(&answers_at)?;
    // The first answer is to no task: it says that this process has come.
    answers.send(&(0, 0, std::process::id()))?;
    loop {
        let number = tasks.recv()?;
        answers.send(&(number, number * number, std::process::id()))?;
    }
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let tasks = Push::<u64>::new()?;
    let answers = Pull::<Answer>::new()?;
    let endpoints = (tasks.bind("tcp://127.0.0.1:*")?, answers.bind("tcp://127.0.0.1:*")?);
    let workers = (0..3)
        .map(|_| Process::builder().dies_with_parent().start(work, endpoints.clone()))
        .collect::<Result<Vec<_>, _>>()?;

    for _ in &workers {
        answers.recv_timeout(LIMIT)?;
    }
    for number in 1..=60 {
        tasks.send_timeout(&number, LIMIT)?;
    }
    let mut squares = BTreeMap::new();
    let mut shares = BTreeMap::<u32, usize>::new();
    for _ in 1..=60 {
        let (number, square, worker) = answers.recv_timeout(LIMIT)?;
        squares.insert(number, square);
        *shares.entry(worker).or_default() += 1;
    }
    assert!(squares.into_iter().eq((1..=60).map(|number| (number, number * number))));
    for (worker, share) in shares {
        println!("process {worker} computed {share} of 60");
    }
    // A pipeline has no end of its own: whoever dealt out the work knows that it is done.
    for worker in workers {
        worker.terminate()?;
        worker.join();
    }
    Ok(())
}
