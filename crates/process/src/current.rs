//! What this process knows of itself and of its parent.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use brigade_sys::lifeline::{Hanging, Lifeline};
use brigade_sys::pidfd;
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Sleep, Waitable};

use crate::error::Trouble;
use crate::letter::Letter;
use crate::method::StartMethod;

/// What this process knows of itself.
#[derive(Debug)]
pub(crate) struct State {
    name: String,
    /// Which child this process is of its parent, which that of its parent, from the root down.
    path: Vec<u32>,
    /// How many children this process has started.
    children: u32,
    method: Option<StartMethod>,
    parent: Option<ParentProcess>,
    pub(crate) default_method: StartMethod,
    /// Whether a child that runs `main` comes back to this crate.
    pub(crate) is_claimed: bool,
    /// What children that die with this process hang on.
    lifeline: Option<Lifeline>,
    /// What this process hangs on.
    hanging: Option<Hanging>,
}

static STATE: Mutex<State> = Mutex::new(State {
    name: String::new(),
    path: Vec::new(),
    children: 0,
    method: None,
    parent: None,
    default_method: StartMethod::Spawn,
    is_claimed: false,
    lifeline: None,
    hanging: None,
});

/// The state, for a moment. It is changed field by field, so a panic leaves it whole.
pub(crate) fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Counts one more child and returns where it stands in the family.
    pub(crate) fn next_path(&mut self) -> Vec<u32> {
        self.children = self.children.wrapping_add(1);
        let mut path = self.path.clone();
        path.push(self.children);
        path
    }

    /// Another name for the line that this process's children may hang on.
    pub(crate) fn line(&mut self) -> Result<OwnedFd, Trouble> {
        let lifeline = match self.lifeline.take() {
            Some(lifeline) => lifeline,
            None => Lifeline::new()?,
        };
        let line = self.lifeline.insert(lifeline).line().try_clone_to_owned();
        let failed = |source| brigade_sys::Error::new("duplicate", "a lifeline", source);
        Ok(line.map_err(failed)?)
    }

    /// The name that this process goes by.
    pub(crate) fn name(&self) -> String {
        if self.name.is_empty() { "MainProcess".to_owned() } else { self.name.clone() }
    }

    /// Makes this process the one that `letter` speaks of. Nothing of the process that it may be a
    /// copy of stays: that would keep the lifeline of its other children up.
    pub(crate) fn become_child(&mut self, letter: &Letter, parent: OwnedFd) {
        *self = Self {
            name: letter.name.clone(),
            path: letter.path.clone(),
            children: 0,
            method: Some(letter.method),
            parent: Some(ParentProcess {
                name: letter.parent_name.clone(),
                pid: letter.parent_pid,
                pidfd: Arc::new(parent),
            }),
            default_method: letter.default_method,
            is_claimed: self.is_claimed,
            lifeline: None,
            hanging: None,
        };
    }

    /// Keeps this process's hold on its parent's line.
    pub(crate) fn hang_on(&mut self, hanging: Hanging) {
        self.hanging = Some(hanging);
    }
}

/// The name of a process that was not given one: `Process-`, and where it stands in the family.
pub(crate) fn default_name(path: &[u32]) -> String {
    let places: Vec<_> = path.iter().map(u32::to_string).collect();
    format!("Process-{}", places.join(":"))
}

/// This process, as [`current_process`] describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CurrentProcess {
    /// Its name: `MainProcess` if it was not started by this crate.
    pub name: String,
    /// Its number.
    pub pid: i32,
    /// How it was started, if by this crate.
    pub method: Option<StartMethod>,
}

/// Describes this process.
///
/// ```
/// let own = brigade_process::current_process();
/// assert_eq!(own.name, "MainProcess");
/// assert_eq!(own.pid as u32, std::process::id());
/// ```
pub fn current_process() -> CurrentProcess {
    let state = state();
    CurrentProcess { name: state.name(), pid: own_pid(), method: state.method }
}

/// This process's number.
pub(crate) fn own_pid() -> i32 {
    // The kernel gives out positive numbers of 22 bits.
    i32::try_from(std::process::id()).unwrap_or(0)
}

/// The process that started this one, if it was started by this crate.
pub fn parent_process() -> Option<ParentProcess> {
    state().parent.clone()
}

/// The process that started this one.
#[derive(Clone)]
pub struct ParentProcess {
    name: String,
    pid: i32,
    pidfd: Arc<OwnedFd>,
}

impl ParentProcess {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its number, which may mean another process once it has ended.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether it is still running.
    pub fn is_alive(&self) -> bool {
        !pidfd::has_ended(self.sentinel())
    }

    /// Waits until it has ended.
    pub fn join(&self) {
        self.wait(Deadline::NEVER);
    }

    /// Waits until it has ended, at most `timeout`, and returns whether it has.
    pub fn join_timeout(&self, timeout: Duration) -> bool {
        self.wait(Deadline::after(timeout))
    }

    /// A descriptor that becomes readable when it has ended.
    pub fn sentinel(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    fn wait(&self, deadline: Deadline) -> bool {
        // The descriptor is valid, so only a kernel out of memory refuses; then it may be tried
        // again.
        loop {
            match pidfd::wait_end(self.sentinel(), deadline) {
                Ok(ended) => return ended,
                Err(_) => std::thread::yield_now(),
            }
        }
    }
}

impl fmt::Debug for ParentProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParentProcess").field("name", &self.name).field("pid", &self.pid).finish()
    }
}

impl Waitable for ParentProcess {
    fn is_ready(&self) -> bool {
        pidfd::has_ended(self.sentinel())
    }

    fn prepare<'a>(&'a self, sleep: &mut Sleep<'a>) {
        sleep.descriptor(self.sentinel());
    }
}
