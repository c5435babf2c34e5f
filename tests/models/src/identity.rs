//! Processes, of which each actor is one.

use crate::atomic::AtomicU32;
use crate::memory::{self, ARENA, Mapping};
use crate::world::{self, MAIN};

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "as in the code under test")]
pub struct Identity {
    pub pid: u32,
    pub started: u64,
    pub inode: u64,
}

const FIRST_PID: u32 = 1001;

#[allow(missing_docs, reason = "as in the code under test")]
impl Identity {
    pub fn current() -> Self {
        // There are at most eight actors.
        Self::of(FIRST_PID + world::with(|world| world.current) as u32)
    }

    pub fn of(pid: u32) -> Self {
        Self { pid, started: 1, inode: 1 }
    }

    pub fn is_alive(&self) -> bool {
        // Asked of the kernel, which answers under a lock: who learns of the end sees all that the
        // process has done.
        let word = ended(self.pid.wrapping_sub(FIRST_PID) as usize);
        word.is_some_and(|word| word.look_in_kernel() == 0)
    }
}

/// Makes room for what the kernel knows of the processes.
pub(crate) fn reset() {
    let offset = memory::take((MAIN + 1) * 4, 4096);
    assert_eq!(offset, ARENA, "the first thing beyond the arena");
}

/// Says that the process of an actor has ended.
pub(crate) fn end(actor: usize) {
    if let Some(word) = ended(actor) {
        let _ = word.exchange_in_kernel(0, 1);
    }
}

fn ended(actor: usize) -> Option<&'static AtomicU32> {
    Mapping::current().get::<AtomicU32>(ARENA + actor * 4).filter(|_| actor <= MAIN)
}
