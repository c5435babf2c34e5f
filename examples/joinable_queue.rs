//! The queue that can be joined: each task is called done by who took it, and `join` waits until all
//! of them are, also if a worker is killed with a task in its hands.
//!
//! In Python: `multiprocessing.JoinableQueue`, where the task of a killed worker is lost and `join`
//! never returns.

use std::error::Error;

use brigade::queue::TaskDoneError;
use brigade::{Event, ExitStatus, JoinableQueue, Process, Value};

type Work = (JoinableQueue<u64>, Value<u64>);

fn work((tasks, sum): Work) -> Result<(), TaskDoneError> {
    for n in tasks.iter() {
        sum.fetch_add(n);
        tasks.task_done()?;
    }
    Ok(())
}

fn take_and_stay((tasks, taken): (JoinableQueue<u64>, Event)) {
    let _task = tasks.get();
    taken.set();
    loop {
        std::thread::park();
    }
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let (tasks, sum) = (JoinableQueue::bounded(10)?, Value::new(0)?);
    let workers = (0..3)
        .map(|_| Process::start(work, (tasks.clone(), sum.clone())))
        .collect::<Result<Vec<_>, _>>()?;
    (1..=100).try_for_each(|n| tasks.put(n))?;
    tasks.join()?;
    assert_eq!((sum.get(), tasks.unfinished()), (5_050, 0));
    println!("100 tasks were done by three workers: {}", sum.get());
    assert!(matches!(tasks.task_done(), Err(TaskDoneError::NothingTaken)));
    tasks.close();
    assert!(workers.iter().all(|worker| worker.join().success()));

    let (tasks, sum, taken) = (JoinableQueue::bounded(10)?, Value::new(0)?, Event::new()?);
    tasks.put(7)?;
    let victim = Process::start(take_and_stay, (tasks.clone(), taken.clone()))?;
    taken.wait();
    assert_eq!((tasks.len(), tasks.unfinished()), (0, 1));
    let heir = Process::start(work, (tasks.clone(), sum.clone()))?;
    victim.kill()?;
    tasks.join()?;
    assert_eq!((sum.get(), victim.join()), (7, ExitStatus::Signal(9)));
    println!("the task of a killed worker was done by another, and join returned");
    tasks.close();
    assert!(heir.join().success());
    Ok(())
}
