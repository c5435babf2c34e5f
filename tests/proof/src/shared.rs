//! Memory that the proof shares with its children, which is none of what it proves.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use brigade_sys::futex;
use brigade_sys::memory::{Mapping, Shareable, create};
use brigade_sys::time::Deadline;

/// Words of zeros that all children forked from now on share with this process, for ever.
///
/// # Panics
///
/// Panics when the system has no memory.
pub fn words<T: Shareable>(count: usize) -> &'static [T] {
    let size = count * size_of::<T>();
    let file = create("brigade-proof", size as u64).expect("there is memory");
    let mapping = Mapping::new(file, size).expect("there is address space");
    mapping.slice(0, count).expect("the memory has room for them")
}

/// A gate at which processes wait until it is opened.
#[derive(Clone, Copy, Debug)]
pub struct Gate(&'static AtomicU32);

impl Gate {
    /// A closed gate.
    ///
    /// # Panics
    ///
    /// Panics when the system has no memory.
    pub fn new() -> Self {
        Self(&words(1)[0])
    }

    /// Waits until the gate is open.
    pub fn wait(self) {
        while !self.is_open() {
            futex::wait(self.0, 0, Deadline::NEVER);
        }
    }

    /// Lets everyone pass, until it is closed again.
    pub fn open(self) {
        self.0.store(1, Relaxed);
        futex::wake_all(self.0);
    }

    /// Lets nobody pass any more.
    pub fn close(self) {
        self.0.store(0, Relaxed);
    }

    /// Whether everyone may pass.
    pub fn is_open(self) -> bool {
        self.0.load(Relaxed) != 0
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

/// Waits for `time`, on a word that nobody changes.
pub fn doze(time: Duration) {
    let nothing = AtomicU32::new(0);
    let deadline = Deadline::after(time);
    while !deadline.is_past() {
        futex::wait(&nothing, 0, deadline);
    }
}

/// How much of a wait counts that this process noticed only when it was over.
const NOTICED: Duration = Duration::from_millis(50);

/// The time that this process has been waiting: only what it ran through. A machine that stood
/// still is nobody's fault.
#[derive(Debug)]
pub struct Waiting {
    last: Instant,
    waited: Duration,
}

impl Waiting {
    /// Begins to wait.
    pub fn begin() -> Self {
        Self { last: Instant::now(), waited: Duration::ZERO }
    }

    /// How long it has been, if this is asked again and again.
    pub fn so_far(&mut self) -> Duration {
        let now = Instant::now();
        self.waited += now.duration_since(self.last).min(NOTICED);
        self.last = now;
        self.waited
    }
}
