//! Children that run one instruction at a time, so that a test can kill them between any two.
//!
//! The child says where the operation begins and ends, by [`through`]; the parent has it stop there
//! and steps it in between. To come back to the same place in another child, the parent lets that
//! one run to an address instead of stepping all the way, where the machine allows it.
//!
//! See [ptrace(2)](https://man7.org/linux/man-pages/man2/ptrace.2.html). A traced child does not
//! outlive the thread that traces it.
//!
//! Exists only with the feature `kill-points`.

use std::fs;
use std::hint::black_box;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::futex;
use crate::test_processes::{Child, Ended, stop};
use crate::time::Deadline;

/// How long the parent dozes while the child is in a system call.
const DOZE: Duration = Duration::from_micros(100);

/// How often in a row a child must be found sleeping, to count as asleep.
const LOOKS: u32 = 5;

/// In a child: runs `operation`, with a stop right before it and one right after it. To be called
/// once, by a child that the parent takes over with [`Stepped::at_start`].
///
/// # Panics
///
/// Panics when the system does not let the child be traced.
pub fn through<R>(operation: impl FnOnce() -> R) -> R {
    enter();
    let result = black_box(operation());
    leave();
    result
}

/// The beginning of [`through`], for an operation that begins inside another's closure.
///
/// # Panics
///
/// As [`through`].
pub fn enter() {
    ptrace::traceme().expect("a child may ask its parent to trace it");
    stop();
}

/// The end of [`through`].
pub fn leave() {
    stop();
}

/// Where a child is after it was let run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Between two instructions of the operation.
    Inside,
    /// In a system call that waits. The child is not stopped, but runs on when it is woken.
    Asleep,
    /// Right after the operation.
    Through,
    /// It has ended, though it was not killed.
    Ended(Ended),
}

/// A child that is traced, between the two stops of [`through`]. Killed when dropped.
#[derive(Debug)]
pub struct Stepped {
    pid: Pid,
    /// Nothing when it has ended by itself, and is reaped.
    child: Option<Child>,
    /// Where a trap stands in the code, and the word that was there.
    trap: Option<(u64, i64)>,
}

impl Stepped {
    /// Waits until `child` has come to the start of its operation, and traces it from there on.
    ///
    /// # Panics
    ///
    /// Panics when the child ends before, or the system does not let it be traced.
    pub fn at_start(child: Child) -> Self {
        let pid = Pid::from_raw(child.pid().cast_signed());
        let stepped = Self { pid, child: Some(child), trap: None };
        let status = waitpid(pid, None).expect("it is a child of ours");
        assert!(
            matches!(status, WaitStatus::Stopped(_, Signal::SIGSTOP)),
            "the child did not come to the start of its operation: {status:?}"
        );
        ptrace::setoptions(pid, ptrace::Options::PTRACE_O_EXITKILL)
            .expect("a traced child takes options");
        stepped
    }

    /// Runs one instruction.
    pub fn step(&mut self) -> Stop {
        let may_sleep = self.is_before_system_call();
        // An error says that the child has gone, as the wait will.
        let _ = ptrace::step(self.pid, None);
        if may_sleep {
            return self.wait();
        }
        self.stopped(waitpid(self.pid, None))
    }

    /// Waits on for a child that was [`Stop::Asleep`].
    pub fn wait(&mut self) -> Stop {
        let mut looks = 0;
        loop {
            match waitpid(self.pid, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => {}
                status => return self.stopped(status),
            }
            looks = if is_asleep(self.pid.as_raw().cast_unsigned()) { looks + 1 } else { 0 };
            if looks == LOOKS {
                return Stop::Asleep;
            }
            let nothing = AtomicU32::new(0);
            futex::wait(&nothing, 0, Deadline::after(DOZE));
        }
    }

    /// The address of the instruction that comes next; zero where it cannot be told.
    pub fn address(&self) -> u64 {
        machine::address(self.pid)
    }

    /// Whether the instruction that comes next is a system call; true where it cannot be told.
    pub fn is_before_system_call(&self) -> bool {
        machine::is_before_system_call(self.pid)
    }

    /// Lets the child run until it comes to `address`, before that instruction is executed.
    ///
    /// Where the machine does not allow it, or the child sleeps or is through before it comes
    /// there, the answer is not [`Stop::Inside`]. [`can_run_to`] tells.
    pub fn run_to(&mut self, address: u64) -> Stop {
        let Some(word) = machine::set_trap(self.pid, address) else { return Stop::Through };
        self.trap = Some((address, word));
        let _ = ptrace::cont(self.pid, None);
        let stop = self.wait();
        if stop == Stop::Asleep { stop } else { self.take_trap(stop) }
    }

    /// As [`wait`](Self::wait), for a child that fell asleep in [`run_to`](Self::run_to).
    pub fn wait_to(&mut self) -> Stop {
        let stop = self.wait();
        if stop == Stop::Asleep { stop } else { self.take_trap(stop) }
    }

    /// Lets the child run to the end of its operation.
    pub fn run(&mut self) -> Stop {
        let _ = ptrace::cont(self.pid, None);
        self.wait()
    }

    /// Kills the child where it is, and waits for its end.
    pub fn kill(self) {
        drop(self.child);
    }

    /// Lets a child that is [`Stop::Through`] run by itself, and waits for its end; `None` for one
    /// that had ended before.
    pub fn finish(self) -> Option<Ended> {
        let child = self.child?;
        // An error says that the child has gone.
        let _ = ptrace::detach(self.pid, None);
        Some(child.join())
    }

    fn take_trap(&mut self, stop: Stop) -> Stop {
        if let Some((address, word)) = self.trap.take()
            && !matches!(stop, Stop::Ended(_))
        {
            machine::remove_trap(self.pid, address, word);
        }
        stop
    }

    fn stopped(&mut self, status: nix::Result<WaitStatus>) -> Stop {
        let ended = match status {
            Ok(WaitStatus::Stopped(_, Signal::SIGTRAP)) => return Stop::Inside,
            Ok(WaitStatus::Stopped(_, Signal::SIGSTOP)) => return Stop::Through,
            Ok(WaitStatus::Stopped(_, other)) => {
                // A fault: the child dies of it when it gets it.
                let _ = ptrace::cont(self.pid, Some(other));
                return self.stopped(waitpid(self.pid, None));
            }
            Ok(WaitStatus::Exited(_, code)) => Ended::Code(code),
            Ok(WaitStatus::Signaled(_, signal, _)) => Ended::Signal(signal as i32),
            other => panic!("a traced child cannot be waited for: {other:?}"),
        };
        // Reaped: its number may be another's by now.
        if let Some(child) = self.child.take() {
            child.forget();
        }
        Stop::Ended(ended)
    }
}

/// Whether [`Stepped::run_to`] works on this machine.
pub const fn can_run_to() -> bool {
    machine::HAS_TRAPS
}

/// Whether the process with number `pid`, of one thread, sleeps in a system call.
pub fn is_asleep(pid: u32) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
}

#[cfg(target_arch = "x86_64")]
mod machine {
    use nix::sys::ptrace;
    use nix::unistd::Pid;

    pub(super) const HAS_TRAPS: bool = true;

    /// `syscall`, two bytes, as they stand in a word.
    const SYSTEM_CALL: i64 = 0x050f;
    /// `int3`, one byte.
    const TRAP: i64 = 0xcc;

    pub(super) fn address(pid: Pid) -> u64 {
        ptrace::getregs(pid).map_or(0, |registers| registers.rip)
    }

    pub(super) fn is_before_system_call(pid: Pid) -> bool {
        // The last word of a mapping cannot be read at its last byte: then it is no system call.
        read(pid, address(pid)).is_some_and(|word| word & 0xffff == SYSTEM_CALL)
    }

    /// Puts a trap at `address` and returns the word that was there.
    pub(super) fn set_trap(pid: Pid, address: u64) -> Option<i64> {
        let word = read(pid, address)?;
        ptrace::write(pid, address as ptrace::AddressType, word & !0xff | TRAP).ok()?;
        Some(word)
    }

    /// Takes the trap away; a child that has run into it stands before the instruction again.
    pub(super) fn remove_trap(pid: Pid, address: u64, word: i64) {
        let _ = ptrace::write(pid, address as ptrace::AddressType, word);
        if let Ok(mut registers) = ptrace::getregs(pid)
            && registers.rip == address + 1
        {
            registers.rip = address;
            let _ = ptrace::setregs(pid, registers);
        }
    }

    fn read(pid: Pid, address: u64) -> Option<i64> {
        ptrace::read(pid, address as ptrace::AddressType).ok()
    }
}

/// A machine whose registers and traps nobody has described here: every step is taken.
#[cfg(not(target_arch = "x86_64"))]
mod machine {
    use nix::unistd::Pid;

    pub(super) const HAS_TRAPS: bool = false;

    pub(super) fn address(_pid: Pid) -> u64 {
        0
    }

    pub(super) fn is_before_system_call(_pid: Pid) -> bool {
        true
    }

    pub(super) fn set_trap(_pid: Pid, _address: u64) -> Option<i64> {
        None
    }

    pub(super) fn remove_trap(_pid: Pid, _address: u64, _word: i64) {}
}

#[cfg(test)]
#[path = "stepping_tests.rs"]
mod tests;
