//! The other process of one of our cases.

use crate::Result;
use crate::companion::{Companion, Job};
use crate::partner::Ending;
use brigade::codec::Message;
use brigade::{ExitStatus, Process, Producer, Queue};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::process::ExitCode;

/// A process that is killed when its case gives up, and ends when this one does.
#[derive(Debug)]
pub(crate) struct Worker(Option<Process>);

impl Worker {
    pub(crate) fn start<F, A>(function: F, argument: A) -> Result<Self>
    where
        F: Fn(A) -> ExitCode + Copy + Send + 'static,
        A: Message,
    {
        let builder = Process::builder().dies_with_parent();
        Ok(Self(Some(builder.start(function, argument)?)))
    }
}

impl Ending for Worker {
    fn finish(mut self: Box<Self>) -> Result<()> {
        match self.0.take().map(|process| process.join()) {
            None | Some(ExitStatus::Code(0)) => Ok(()),
            Some(status) => Err(format!("the partner ended with {status:?}").into()),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(process) = self.0.take() {
            let _already_gone = process.kill();
            process.join();
        }
    }
}

/// What a worker's function returns.
pub(crate) fn exit_code(outcome: Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("brigade-bench, partner: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A worker, and the queue of its numbers, which ends with it.
struct Colleague {
    worker: Box<Worker>,
    numbers: Queue<u64>,
}

/// Invites a process of ours: the object travels in its argument.
pub(crate) fn invite<T, J>(object: &T, job: J) -> Result<Box<dyn Companion>>
where
    T: Clone + Serialize + DeserializeOwned + 'static,
    J: Job<T>,
{
    let numbers = Queue::bounded(16)?;
    let worker = Worker::start(join::<T, J>, (object.clone(), job, numbers.producer()?))?;
    Ok(Box::new(Colleague { worker: Box::new(worker), numbers }))
}

fn join<T, J: Job<T>>((object, job, numbers): (T, J, Producer<u64>)) -> ExitCode {
    exit_code(job.carry_out(&object, &mut |number| Ok(numbers.put(number)?)))
}

impl Ending for Colleague {
    fn finish(self: Box<Self>) -> Result<()> {
        self.worker.finish()
    }
}

impl Companion for Colleague {
    fn hear(&mut self) -> Result<u64> {
        Ok(self.numbers.get()?)
    }

    fn kill(&mut self) -> Result<()> {
        Ok(self.worker.0.as_ref().ok_or("the partner is gone")?.kill()?)
    }
}
