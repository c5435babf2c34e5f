//! Children for tests: run a function in a forked child, and see how it ended.
//!
//! # Safety
//!
//! A forked child of a test program may find a lock of the library held by a thread that it does
//! not have; the C library repairs its allocator after a fork, and the functions run here use
//! nothing else that has locks.
#![allow(unsafe_code)]

use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

/// How long a child may run, in seconds: one that hangs is ended by the alarm.
const LONGEST: u32 = 60;

/// A forked child that is killed and reaped when dropped.
#[derive(Debug)]
pub struct Child(libc::pid_t);

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Child {
    /// Runs `body` in a forked child, which exits when `body` returns.
    ///
    /// # Panics
    ///
    /// Panics when the system gives no process.
    pub fn run(body: impl FnOnce()) -> Self {
        // SAFETY: see the head of this file.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "fork failed");
        if pid == 0 {
            // SAFETY: asks for a signal, whose default action ends this child.
            unsafe { libc::alarm(LONGEST) };
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
            // SAFETY: ends the child without running the parent's exit handlers.
            unsafe { libc::_exit(if ended.is_ok() { 0 } else { 101 }) }
        }
        Self(pid)
    }

    /// The child's process id.
    pub fn pid(&self) -> u32 {
        self.0.cast_unsigned()
    }

    /// Lets a child go on that has [stopped](stop) itself, or soon will: waits for that.
    pub fn resume(&self) {
        let mut status = 0;
        // SAFETY: waits until a child of ours has stopped.
        unsafe { libc::waitpid(self.0, &raw mut status, libc::WUNTRACED) };
        self.go_on();
    }

    /// Ends the child as `kill -9` does.
    pub fn kill(self) {
        drop(self);
    }

    /// Ends the child as `kill -9` does, and does not wait until it has died.
    pub fn strike(&self) {
        self.signal(libc::SIGKILL);
    }

    /// Waits for the child to end, and says how it did.
    pub fn join(self) -> Ended {
        let ended = self.reap();
        std::mem::forget(self);
        ended
    }

    /// Stops the child until it is [continued](Self::go_on), or killed.
    pub fn halt(&self) {
        self.signal(libc::SIGSTOP);
    }

    /// Ends a [halt](Self::halt).
    pub fn go_on(&self) {
        self.signal(libc::SIGCONT);
    }

    #[expect(clippy::disallowed_methods, reason = "the child is not reaped yet")]
    fn signal(&self, signal: libc::c_int) {
        // SAFETY: the child is not reaped yet, so the id is its own.
        unsafe { libc::kill(self.0, signal) };
    }

    /// Whether its first thread sleeps, or has ended.
    #[must_use]
    pub fn rests(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()));
        let stat = stat.expect("the child is not yet waited for");
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['S', 'Z']))
    }

    /// Whether the child has ended, and waits to be joined.
    pub fn has_ended(&self) -> bool {
        let options = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        // An error says that there is nothing to wait for.
        let status = waitid(Id::Pid(Pid::from_raw(self.0)), options);
        !matches!(status, Ok(WaitStatus::StillAlive))
    }

    /// Lets go of a child that somebody else has reaped: its number may be another's by now.
    #[cfg(feature = "kill-points")]
    pub(crate) fn forget(self) {
        std::mem::forget(self);
    }

    fn reap(&self) -> Ended {
        let mut status = 0;
        // SAFETY: waits for a child of ours.
        unsafe { libc::waitpid(self.0, &raw mut status, 0) };
        if libc::WIFSIGNALED(status) {
            Ended::Signal(libc::WTERMSIG(status))
        } else {
            Ended::Code(libc::WEXITSTATUS(status))
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(libc::SIGKILL);
        self.reap();
    }
}

/// Makes the kernel answer "no such call" to the calling process whenever it makes one of `calls`,
/// as an older kernel or a sandbox does. For the rest of the process's life.
///
/// # Panics
///
/// Panics when the kernel takes no such filter.
pub fn without_calls(calls: &[libc::c_long]) {
    /// What a jump over the refusal, or over nothing, looks like.
    fn statement(code: u32, jump_if_not: u8, operand: u32) -> libc::sock_filter {
        // The codes are small numbers.
        libc::sock_filter { code: code as u16, jt: 0, jf: jump_if_not, k: operand }
    }
    // The call's number comes first in what a filter is shown.
    let mut program = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0)];
    for call in calls {
        let number = u32::try_from(*call).expect("numbers of calls are small");
        program.push(statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, number));
        let refusal = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned();
        program.push(statement(libc::BPF_RET | libc::BPF_K, 0, refusal));
    }
    program.push(statement(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW));
    let length = u16::try_from(program.len()).expect("a filter is short");
    let filter = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    // SAFETY: sets a flag of this process.
    let promised = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    // SAFETY: the kernel copies the filter, which outlives the call.
    let taken =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) };
    assert!(promised == 0 && taken == 0, "{}", std::io::Error::last_os_error());
}

/// Stops the calling process, until it is continued or killed.
pub fn stop() {
    // SAFETY: a signal to ourselves.
    unsafe { libc::raise(libc::SIGSTOP) };
}

/// Ends the calling process at once, as `kill -9` does.
pub fn die() {
    // SAFETY: a signal to ourselves.
    unsafe { libc::raise(libc::SIGKILL) };
}
