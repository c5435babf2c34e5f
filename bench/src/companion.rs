//! Whoever shares an object with this process: a process or a thread, and what it reports.

use crate::Result;
use crate::partner::{Ending, Partner};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};

/// Where the other side's numbers go.
pub(crate) type Report<'a> = &'a mut dyn FnMut(u64) -> Result<()>;

/// What the other side does with an object that both have.
pub(crate) trait Job<T>: Serialize + DeserializeOwned + Send + 'static {
    fn carry_out(self, object: &T, report: Report<'_>) -> Result<()>;
}

/// An object that somebody else can be invited to use.
pub(crate) trait Joint: Sized + 'static {
    /// Has somebody else do the job, at once.
    fn invite<J: Job<Self>>(self: &Arc<Self>, job: J) -> Result<Box<dyn Companion>>;
}

/// Somebody else at work.
pub(crate) trait Companion: Ending + Send {
    /// The next number that it reports.
    fn hear(&mut self) -> Result<u64>;

    /// Kills it with SIGKILL.
    fn kill(&mut self) -> Result<()>;
}

/// Invites a thread of this process: for what cannot leave it.
pub(crate) fn thread<T, J>(object: &Arc<T>, job: J) -> Box<dyn Companion>
where
    T: Send + Sync + 'static,
    J: Job<T>,
{
    let object = Arc::clone(object);
    let (numbers, heard) = channel();
    let work = move || job.carry_out(&object, &mut |number| Ok(numbers.send(number)?));
    Box::new(Thread { running: thread::spawn(work), heard })
}

/// Invites this program, executed again as the partner `kind`.
pub(crate) fn partner<T>(
    kind: &str,
    address: &str,
    job: impl Job<T>,
    input: Option<OwnedFd>,
) -> Result<Box<dyn Companion>> {
    Ok(Box::new(Partner::start(kind, address, &job, input, None)?))
}

/// In the partner: does the job that it was started for, and prints the numbers.
pub(crate) fn take_part<T, J: Job<T>>(object: &T, job: &str) -> Result<()> {
    let job: J = serde_json::from_str(job)?;
    job.carry_out(object, &mut |number| {
        println!("{number}");
        Ok(())
    })
}

struct Thread {
    running: JoinHandle<Result<()>>,
    heard: Receiver<u64>,
}

impl Ending for Thread {
    fn finish(self: Box<Self>) -> Result<()> {
        self.running.join().map_err(|_| "the other thread panicked")?
    }
}

impl Companion for Thread {
    fn hear(&mut self) -> Result<u64> {
        Ok(self.heard.recv()?)
    }

    fn kill(&mut self) -> Result<()> {
        Err("a thread cannot be killed alone".into())
    }
}
