//! The children of this process that may not be reaped yet.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use brigade_sys::launch::Child;

use crate::letter::Letter;
use crate::process::Process;
use crate::record::Record;

/// The children, and how many there may be before the next is a reason to look for dead ones.
struct Children {
    records: Vec<Arc<Record>>,
    sweep_at: usize,
}

/// Up to so many children are looked at whenever one is started; of more, only when their number
/// has doubled, so that starting n children costs no more than n.
const FEW: usize = 64;

static CHILDREN: Mutex<Children> = Mutex::new(Children { records: Vec::new(), sweep_at: 0 });

fn children() -> MutexGuard<'static, Children> {
    CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns handles of the children that are running, and reaps those that have ended.
pub fn active_children() -> Vec<Process> {
    let mut children = children();
    children.sweep();
    children.records.iter().map(|record| Process::of(Arc::clone(record))).collect()
}

/// Enters a new child. Children that ended without being waited for are reaped on this occasion.
pub(crate) fn enter(letter: &Letter, child: Child) -> Process {
    let record = Arc::new(Record::new(letter.name.clone(), letter.method, child));
    let mut children = children();
    if children.records.len() <= FEW || children.records.len() >= children.sweep_at {
        children.sweep();
        children.sweep_at = children.records.len() * 2;
    }
    children.records.push(Arc::clone(&record));
    Process::of(record)
}

/// Whether this number is that of a child which was entered and may not be reaped yet.
pub(crate) fn knows(pid: i32) -> bool {
    children().records.iter().any(|record| record.pid == pid)
}

/// Forgets all children, in a process that is a copy of their parent.
pub(crate) fn forget() {
    children().records.clear();
}

impl Children {
    fn sweep(&mut self) {
        self.records.retain(|record| record.status().is_none());
    }
}
