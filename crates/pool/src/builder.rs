//! A pool before it is built.

use std::fmt;
use std::io;
use std::process::Termination;
use std::sync::Arc;
use std::thread;

use brigade_codec::{EncodeError, Message};
use brigade_process::call::{Task, TaskError as FunctionError};
use brigade_process::{StartMethod, process_cpu_count};
use brigade_shm::Queue;
use brigade_shm::transit::Packed;
use brigade_sys::time::Deadline;

use crate::alarm::Alarm;
use crate::error::BuildError;
use crate::office::{Asking, Hiring, Office};
use crate::pool::ProcessPool;
use crate::table::{Limits, Table};
use crate::{clerk, warden};

/// How many tasks a worker holds, with the one it runs: enough that it need not wait for the next.
const WINDOW: usize = 32;

/// How many starts in a row may fail, if nothing else is said.
const FAILED_STARTS: u32 = 8;

/// How many reports, and how many bytes of them, wait for the clerk before workers do.
const REPORTS: usize = 1 << 10;
const REPORT_BYTES: usize = 1 << 20;

/// A pool of processes before it is built.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # brigade_process::init();
/// use brigade_pool::ProcessPool;
/// use brigade_shm::Event;
///
/// let ready = Event::new()?;
/// let pool = ProcessPool::builder()
///     .max_workers(2)
///     .name("hashers")
///     .max_tasks_per_worker(100)
///     .retries(1)
///     .initializer(|ready: Event| ready.set(), ready.clone())
///     .build()?;
/// assert_eq!(pool.submit(|n: u32| n + 1, 41)?.result()?, 42);
/// assert!(ready.is_set());
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is started before `build`"]
pub struct ProcessPoolBuilder {
    max_workers: usize,
    name: String,
    method: StartMethod,
    initializer: Option<(Result<Task, FunctionError>, Result<Packed, EncodeError>)>,
    max_tasks_per_worker: Option<u64>,
    retries: u32,
    max_failed_starts: u32,
}

impl fmt::Debug for ProcessPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessPoolBuilder")
            .field("max_workers", &self.max_workers)
            .field("name", &self.name)
            .field("method", &self.method)
            .field("max_tasks_per_worker", &self.max_tasks_per_worker)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}

impl ProcessPoolBuilder {
    pub(crate) fn new() -> Self {
        Self {
            max_workers: process_cpu_count().get(),
            name: "worker".to_owned(),
            method: StartMethod::ForkServer,
            initializer: None,
            max_tasks_per_worker: None,
            retries: 0,
            max_failed_starts: FAILED_STARTS,
        }
    }

    /// How many workers there are. The default is one for each processor that this process may
    /// use.
    #[doc(alias = "processes")]
    pub fn max_workers(mut self, count: usize) -> Self {
        self.max_workers = count;
        self
    }

    /// What the workers' names begin with. The default is `worker`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// How workers are started. The default is the [fork server](StartMethod::ForkServer), which
    /// is the cheapest where workers are replaced. [`Fork`](StartMethod::Fork) is refused.
    #[doc(alias = "mp_context")]
    pub fn method(mut self, method: StartMethod) -> Self {
        self.method = method;
        self
    }

    /// Runs `function` with `argument` once in each worker, before its first task.
    ///
    /// It fails by a panic, or by a result that would make `main` fail. A worker whose initializer
    /// fails is started again; after a few failures in a row the pool is [broken](crate::Broken).
    #[doc(alias = "initargs")]
    pub fn initializer<F, A, R>(mut self, function: F, argument: A) -> Self
    where
        F: Fn(A) -> R + Copy + Send + 'static,
        A: Message + Send + Sync + 'static,
        R: Termination,
    {
        let task = Task::of_main(function);
        self.initializer = Some((task, Packed::of(&argument)));
        self
    }

    /// Replaces each worker after `count` tasks.
    #[doc(alias = "max_tasks_per_child")]
    #[doc(alias = "maxtasksperchild")]
    pub fn max_tasks_per_worker(mut self, count: u64) -> Self {
        self.max_tasks_per_worker = Some(count);
        self
    }

    /// Runs a task whose worker died again, `count` times at most. The default is 0: the death is
    /// the task's error.
    ///
    /// Only for tasks that may run twice: the first worker may have done anything before it died.
    pub fn retries(mut self, count: u32) -> Self {
        self.retries = count;
        self
    }

    /// Breaks the pool after `count` starts in a row that failed, when no worker is left. The
    /// default is 8.
    ///
    /// A start has failed when the worker could not be started, or died before its initializer had
    /// run. The first is repeated at once, the next ones after 10 ms, 20 ms, and so on up to a second.
    pub fn max_failed_starts(mut self, count: u32) -> Self {
        self.max_failed_starts = count;
        self
    }

    /// Starts the workers. Returns as soon as they exist; does not wait for their initializers.
    ///
    /// # Errors
    ///
    /// [`BuildError`]; no worker is left then.
    pub fn build(self) -> Result<ProcessPool, BuildError> {
        let limits = self.limits()?;
        let initializer = match self.initializer {
            Some((task, argument)) => Some((task?, argument?)),
            None => None,
        };
        let hiring = Hiring {
            name: self.name,
            method: self.method,
            window: WINDOW,
            retries: self.retries,
            initializer,
        };
        let reports = Queue::with_ring(REPORTS, REPORT_BYTES)?;
        let office = Arc::new(Office::new(hiring, reports, Alarm::new()?, Table::new(limits)));
        let first = office.hire_first();
        let clerk = helper("clerk", &office, clerk::serve);
        let warden = helper("warden", &office, warden::serve);
        // From here on the pool ends what was started, also when something was refused.
        match (first, clerk, warden) {
            (Ok(()), Ok(clerk), Ok(warden)) => Ok(ProcessPool::of(office, limits, [clerk, warden])),
            (first, clerk, warden) => {
                abandon(&office);
                Err(first.err().unwrap_or_else(|| {
                    let refused = clerk.err().or(warden.err());
                    refused.unwrap_or_else(|| io::ErrorKind::Other.into()).into()
                }))
            }
        }
    }

    fn limits(&self) -> Result<Limits, BuildError> {
        if self.max_workers == 0 {
            return Err(BuildError::Zero("max_workers"));
        }
        if self.max_tasks_per_worker == Some(0) {
            return Err(BuildError::Zero("max_tasks_per_worker"));
        }
        if self.max_failed_starts == 0 {
            return Err(BuildError::Zero("max_failed_starts"));
        }
        if self.method == StartMethod::Fork {
            return Err(BuildError::Fork);
        }
        Ok(Limits {
            workers: self.max_workers,
            window: WINDOW,
            tasks_per_worker: self.max_tasks_per_worker,
            retries: self.retries,
            failed_starts: self.max_failed_starts,
        })
    }
}

fn helper(
    name: &str,
    office: &Arc<Office>,
    serve: fn(&Office),
) -> io::Result<thread::JoinHandle<()>> {
    let office = Arc::clone(office);
    thread::Builder::new().name(name.to_owned()).spawn(move || serve(&office))
}

/// Ends a pool that was not built.
fn abandon(office: &Office) {
    office.terminate(Asking::Never);
    // Without a warden nobody else buries the workers.
    warden::serve(office);
    office.wait_over(Deadline::NEVER);
}
