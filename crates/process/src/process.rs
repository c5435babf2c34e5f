//! The handle of a child.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::Termination;
use std::sync::Arc;
use std::time::Duration;

use brigade_codec::Message;
use brigade_sys::Error;
use brigade_sys::pidfd;
use brigade_sys::reactor;
use brigade_sys::signals::Signal;
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Sleep, Waitable};
use thiserror::Error as ThisError;

use crate::builder::ProcessBuilder;
use crate::error::StartError;
use crate::method::StartMethod;
use crate::record::Record;
use crate::status::ExitStatus;

/// A function that runs in a process of its own.
///
/// The handle can be cloned and used from many threads; all see the same.
///
/// # Process death
///
/// Whatever ends the child, [`join`](Self::join) returns then, and the status says what it was. A
/// signal sent to a child that has ended reaches nobody, also if its number means another process
/// by then.
#[derive(Clone)]
pub struct Process {
    record: Arc<Record>,
}

impl Process {
    /// Starts a process that runs `function` with `argument`, by the
    /// [default method](StartMethod::current_default).
    ///
    /// The function is an `fn` item or a closure that captures nothing. Its result is the exit
    /// status, as that of `main` is: `()` is 0, an error is 1 and is shown on standard error. A
    /// panic is 101.
    ///
    /// Returns as soon as the process exists; does not wait for it to read its argument.
    ///
    /// # Errors
    ///
    /// [`StartError`]; the function does not run then.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # brigade_process::init();
    /// use brigade_process::{ExitStatus, Process};
    ///
    /// fn check(words: Vec<String>) -> Result<(), String> {
    ///     if words.is_empty() { Err("no words".to_owned()) } else { Ok(()) }
    /// }
    ///
    /// let good = Process::start(check, vec!["one".to_owned()])?;
    /// let bad = Process::start(check, vec![])?;
    /// assert_eq!(good.join(), ExitStatus::Code(0));
    /// assert_eq!(bad.join(), ExitStatus::Code(1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn start<F, A, R>(function: F, argument: A) -> Result<Self, StartError>
    where
        F: Fn(A) -> R + Copy + Send + 'static,
        A: Message,
        R: Termination,
    {
        Self::builder().start(function, argument)
    }

    /// Describes a process before it is started.
    pub fn builder() -> ProcessBuilder {
        ProcessBuilder::new()
    }

    pub(crate) fn of(record: Arc<Record>) -> Self {
        Self { record }
    }

    /// Its number, which may mean another process once it has ended.
    #[doc(alias = "ident")]
    pub fn pid(&self) -> i32 {
        self.record.pid
    }

    /// Its name: a label, not necessarily unique.
    pub fn name(&self) -> &str {
        &self.record.name
    }

    /// How it was started.
    pub fn method(&self) -> StartMethod {
        self.record.method
    }

    /// Whether it is running. One that has ended is reaped on this occasion.
    pub fn is_alive(&self) -> bool {
        self.record.status().is_none()
    }

    /// How it ended; `None` while it runs. Does not wait.
    #[doc(alias = "exitcode")]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.record.status()
    }

    /// Waits until it has ended. May be called any number of times, from many threads.
    pub fn join(&self) -> ExitStatus {
        // Without a deadline the wait ends with a status only.
        self.record.wait(Deadline::NEVER).unwrap_or(ExitStatus::Unknown)
    }

    /// Waits until it has ended, at most `timeout`; `None` if it has not.
    pub fn join_timeout(&self, timeout: Duration) -> Option<ExitStatus> {
        self.record.wait(Deadline::after(timeout))
    }

    /// Waits until it has ended, without a thread of its own.
    ///
    /// # Cancellation
    ///
    /// Dropping the future changes nothing.
    pub async fn join_async(&self) -> ExitStatus {
        loop {
            if let Some(status) = self.record.status() {
                return status;
            }
            reactor::ready(self.clone()).await;
        }
    }

    /// Asks it to end, with `SIGTERM`. Returns at once; its own children are left alone.
    ///
    /// # Errors
    ///
    /// The process may not be signaled: it has another user. One that has ended is no error.
    pub fn terminate(&self) -> Result<(), Error> {
        self.signal(Signal::TERM)
    }

    /// Ends it, with `SIGKILL`. Returns at once; its own children are left alone.
    ///
    /// # Errors
    ///
    /// As [`terminate`](Self::terminate).
    pub fn kill(&self) -> Result<(), Error> {
        self.signal(Signal::KILL)
    }

    /// Interrupts it, with `SIGINT`. Returns at once; its own children are left alone.
    ///
    /// # Errors
    ///
    /// As [`terminate`](Self::terminate).
    pub fn interrupt(&self) -> Result<(), Error> {
        self.signal(Signal::INT)
    }

    /// A descriptor that becomes readable when it has ended, and stays so. For event loops; to wait
    /// for several things, `wait` takes the handle itself.
    pub fn sentinel(&self) -> BorrowedFd<'_> {
        self.record.pidfd.as_fd()
    }

    /// Gives the handle up, and says how the process ended.
    ///
    /// # Errors
    ///
    /// Gives the handle back while the process runs.
    pub fn close(self) -> Result<ExitStatus, StillRunning> {
        self.record.status().ok_or(StillRunning(self))
    }

    fn signal(&self, signal: Signal) -> Result<(), Error> {
        pidfd::signal(self.sentinel(), signal)
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("name", &self.record.name)
            .field("pid", &self.record.pid)
            .field("method", &self.record.method)
            .field("status", &self.record.status())
            .finish()
    }
}

impl Waitable for Process {
    fn is_ready(&self) -> bool {
        pidfd::has_ended(self.sentinel())
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        sleep.descriptor(self.sentinel());
    }
}

/// The handle of a process that was to be closed while it runs.
#[derive(Debug, ThisError)]
#[error("cannot close process `{}`: it is still running", .0.name())]
pub struct StillRunning(pub Process);
