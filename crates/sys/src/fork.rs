//! Copies of this process: a child, or a sibling.
//!
//! A copy has only the thread that made it. A lock that another thread held at that moment stays
//! locked in the copy for ever, so both functions refuse while there are other threads. What is
//! copied besides memory: every open descriptor, every signal's disposition and this thread's mask.
//!
//! # Safety
//!
//! With a single thread nobody is inside the allocator, a stream or any other lock while the copy
//! is made, and nobody can start a second thread between the count and the copy.
#![allow(unsafe_code)]

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;

use rustix::thread::get_clear_child_tid_address;

use crate::launch::Child;
use crate::{pidfd, thread};

/// On which side of the copy the caller is.
#[derive(Debug)]
pub enum Forked {
    /// In the copy.
    Child,
    /// In the original; this is the copy.
    Parent(Child),
}

/// A copy that was not made.
#[derive(Debug)]
#[non_exhaustive]
pub enum ForkError {
    /// The process has this many threads.
    Threads(usize),
    /// The system refused.
    System(io::Error),
}

impl fmt::Display for ForkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Threads(count) => {
                write!(f, "cannot fork: the process has {count} threads, a copy would have one")
            }
            Self::System(source) => write!(f, "cannot fork: {source}"),
        }
    }
}

impl std::error::Error for ForkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Threads(_) => None,
            Self::System(source) => Some(source),
        }
    }
}

impl From<io::Error> for ForkError {
    fn from(source: io::Error) -> Self {
        Self::System(source)
    }
}

/// Makes a child that is a copy of this process.
///
/// # Errors
///
/// [`ForkError::Threads`] if the process has other threads than the calling one.
pub fn fork() -> Result<Forked, ForkError> {
    require_single_thread()?;
    // SAFETY: no other thread exists, so the child may do whatever this process may.
    match unsafe { libc::fork() } {
        0 => Ok(Forked::Child),
        pid if pid < 0 => Err(io::Error::last_os_error().into()),
        // The child is not reaped before this process asks, so its number is still its own.
        pid => match pidfd::open(pid) {
            Ok(pidfd) => Ok(Forked::Parent(Child { pid, pidfd })),
            Err(error) => Err(error.source.into()),
        },
    }
}

/// Makes a copy of this process that is a child of this process's **parent**.
///
/// The parent waits for the copy and learns how it ended, whatever becomes of this process. The C
/// library is not asked, because it has no such call: the functions registered with
/// `pthread_atfork` do not run.
///
/// # Errors
///
/// [`ForkError::Threads`] if the process has other threads than the calling one.
pub fn fork_sibling() -> Result<Forked, ForkError> {
    require_single_thread()?;
    let robust_list = RobustList::of_this_thread()?;
    // Where the C library remembers this thread's id; the kernel writes the copy's id there.
    let thread_id = get_clear_child_tid_address().ok().flatten();
    let mut flags = libc::CLONE_PARENT | libc::CLONE_PIDFD | libc::SIGCHLD;
    if thread_id.is_some() {
        flags |= libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID;
    }
    let thread_id = thread_id.map_or(0, |address| address.as_ptr().addr());
    let [fourth, fifth] = in_kernel_order(thread_id, 0);
    let mut descriptor: libc::c_int = -1;
    // SAFETY: without shared memory and with no stack given, the copy returns from this call on a
    // copy of this stack. No other thread exists. The third argument is where the kernel stores
    // the pidfd; the thread id's address is the one that the kernel itself keeps for this thread.
    let pid = unsafe {
        libc::syscall(libc::SYS_clone, flags, 0_usize, &raw mut descriptor, fourth, fifth)
    };
    if pid < 0 {
        return Err(io::Error::last_os_error().into());
    }
    if pid > 0 {
        let pid = i32::try_from(pid).map_err(io::Error::other)?;
        // SAFETY: the kernel just opened this descriptor for us, and nothing else knows it.
        let pidfd = unsafe { OwnedFd::from_raw_fd(descriptor) };
        return Ok(Forked::Parent(Child { pid, pidfd }));
    }
    robust_list.register()?;
    thread::after_fork_in_child();
    Ok(Forked::Child)
}

/// Ends this process at once with `code`, without the exit handlers that it shares with the process
/// it is a copy of. What is buffered is lost.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: ends the process; nothing runs afterwards.
    unsafe { libc::_exit(code) }
}

/// How many threads this process has.
pub fn thread_count() -> io::Result<usize> {
    Ok(fs::read_dir("/proc/self/task")?.count())
}

fn require_single_thread() -> Result<(), ForkError> {
    match thread_count()? {
        1 => Ok(()),
        count => Err(ForkError::Threads(count)),
    }
}

/// The last two arguments of the raw `clone`, whose order is the architecture's.
#[cfg(target_arch = "x86_64")]
fn in_kernel_order(thread_id: usize, thread_pointer: usize) -> [usize; 2] {
    [thread_id, thread_pointer]
}

/// The last two arguments of the raw `clone`, whose order is the architecture's.
#[cfg(not(target_arch = "x86_64"))]
fn in_kernel_order(thread_id: usize, thread_pointer: usize) -> [usize; 2] {
    [thread_pointer, thread_id]
}

/// The robust list head that the C library registered for this thread. A copy made by the kernel
/// alone starts without one.
struct RobustList {
    head: *mut libc::c_void,
    length: usize,
}

impl RobustList {
    fn of_this_thread() -> io::Result<Self> {
        let mut list = Self { head: ptr::null_mut(), length: 0 };
        // SAFETY: writes one pointer and one length.
        let result = unsafe {
            libc::syscall(libc::SYS_get_robust_list, 0, &raw mut list.head, &raw mut list.length)
        };
        if result == 0 { Ok(list) } else { Err(io::Error::last_os_error()) }
    }

    /// Registers the head in the copy, empty: what the original holds is not the copy's, and lies
    /// in memory that both may share.
    fn register(&self) -> io::Result<()> {
        let head: *mut *mut libc::c_void = self.head.cast();
        for (place, value) in [
            // The address of the last link, which the C library keeps before the head.
            (head.wrapping_sub(1), self.head),
            // The first link: the head itself.
            (head, self.head),
            // The link that is being changed, behind the offset of the words: none.
            (head.wrapping_add(2), ptr::null_mut()),
        ] {
            // SAFETY: three fields that the C library keeps for this thread alone, in memory of
            // the copy's own; it writes the same ones after a fork that it makes itself.
            unsafe { place.write_volatile(value) };
        }
        // SAFETY: the head that the C library keeps for the life of this thread, at the same
        // address in the copy.
        let result = unsafe { libc::syscall(libc::SYS_set_robust_list, self.head, self.length) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_other_threads_is_not_copied() {
        std::thread::scope(|scope| {
            let (end, ended) = std::sync::mpsc::channel::<()>();
            scope.spawn(move || ended.recv());
            assert!(matches!(fork(), Err(ForkError::Threads(count)) if count >= 2));
            let error = fork_sibling().expect_err("there is another thread");
            assert!(error.to_string().contains("threads"), "{error}");
            drop(end);
        });
    }
}
