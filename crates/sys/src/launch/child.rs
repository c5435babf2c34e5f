//! The fork, and what the child does until it is the program.
//!
//! The child runs on a stack of its own while this thread sleeps in the kernel (`CLONE_VFORK`), so
//! the two never run at once. It shares this process's memory (`CLONE_VM`) unless it changes its
//! user: then it gets a copy, because the kernel marks memory whose process changed identity as
//! not inspectable, which would hit this process as well.
//!
//! # Safety
//!
//! Between clone and exec the child makes system calls on what the [`Plan`] holds. It takes no
//! lock, allocates nothing and cannot unwind, so the state that other threads of this process were
//! in does not matter. All signals are blocked across the clone, so no handler of this process runs
//! in the child. The C library is not told that there was a fork; nothing of it is used in the
//! child but plain system calls.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

use super::builder::{Child, Leads};
use super::error::{LaunchError, Stage};
use super::plan::{Executable, Plan};
use crate::signals::{self, Signals};
use crate::{pidfd, time::Deadline};

/// Where the child says why it failed; all zero when it did not.
#[repr(C, align(16))]
struct Report {
    stage: u32,
    errno: i32,
}

/// What the child is given. Lives on the sleeping parent's stack.
struct Assignment<'a> {
    plan: &'a mut Plan,
    arguments: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    report: *mut Report,
}

/// A step that failed.
struct Failure(Stage, Errno);

/// Starts `plan`'s program and returns when the child has become it.
pub(super) fn start(plan: &mut Plan) -> Result<Child, LaunchError> {
    let program = plan.name.clone();
    attempt(plan).map_err(|(stage, source)| LaunchError { program, stage, source })
}

fn attempt(plan: &mut Plan) -> Result<Child, (Stage, io::Error)> {
    let prepare = |errno: Errno| (Stage::Prepare, io::Error::from(errno));
    let stack = Stack::map().map_err(prepare)?;
    let shares_memory = plan.identity.is_none();
    let arguments = terminated(plan.arguments.iter().map(|text| text.as_ptr()));
    let listen_pid = plan.listen_pid.as_ref().map(|entry| entry.as_ptr().cast());
    let environment =
        terminated(plan.environment.iter().map(|text| text.as_ptr()).chain(listen_pid));
    let mut assignment = Assignment { plan, arguments, environment, report: stack.report() };

    let mut flags = libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    if shares_memory {
        flags |= libc::CLONE_VM;
    }
    let mut descriptor: c_int = -1;
    let mask = signals::set_mask(Signals::ALL).map_err(|error| (Stage::Prepare, error.source))?;
    // SAFETY: `run` never returns into this function's frame and uses only the assignment, which
    // outlives it because this thread sleeps until the child has executed or exited; the stack is
    // ours, large enough and not used by anyone else; the fifth argument is where the kernel
    // stores the pidfd.
    let pid = unsafe {
        libc::clone(
            run,
            stack.top(),
            flags,
            ptr::from_mut(&mut assignment).cast(),
            ptr::from_mut(&mut descriptor),
        )
    };
    let forked = if pid < 0 { Err((Stage::Fork, io::Error::last_os_error())) } else { Ok(()) };
    // The mask was read from this thread, so setting it back cannot fail.
    let _ = signals::set_mask(mask);
    forked?;

    // SAFETY: the kernel just opened this descriptor for us, and nothing else knows it.
    let child = Child { pid, pidfd: unsafe { OwnedFd::from_raw_fd(descriptor) } };
    match stack.read_report() {
        None => Ok(child),
        Some((stage, source)) => {
            // The child has called exit, so this does not wait; without it a zombie would stay.
            let _ = pidfd::wait_exit(child.pidfd.as_fd(), Deadline::NEVER);
            Err((stage, source))
        }
    }
}

/// The addresses with a null behind them, as exec wants them.
fn terminated(texts: impl Iterator<Item = *const c_char>) -> Vec<*const c_char> {
    texts.chain([ptr::null()]).collect()
}

/// The child's first and last function.
extern "C" fn run(assignment: *mut c_void) -> c_int {
    // SAFETY: the pointer is the parent's `&mut Assignment`, which nobody uses while the parent
    // sleeps.
    let assignment = unsafe { &mut *assignment.cast::<Assignment<'_>>() };
    let Failure(stage, errno) = become_program(assignment);
    let report = Report { stage: stage as u32, errno: errno.raw_os_error() };
    // SAFETY: the report lies in a shared mapping that is aligned and large enough, and the parent
    // reads it only after this process has ended.
    unsafe { assignment.report.write_volatile(report) };
    // SAFETY: ends this process at once, without running anything of the parent's.
    unsafe { libc::_exit(127) }
}

/// Returns only if a step failed.
fn become_program(assignment: &mut Assignment<'_>) -> Failure {
    match prepare(assignment.plan) {
        Ok(executable) => Failure(Stage::Exec, execute(assignment, executable)),
        Err(failure) => failure,
    }
}

/// Everything before the exec. Returns the number under which the executable is open now.
fn prepare(plan: &mut Plan) -> Result<RawFd, Failure> {
    signals::reset_all().map_err(|error| {
        Failure(Stage::Signals, Errno::from_io_error(&error).unwrap_or(Errno::INVAL))
    })?;
    match plan.leads {
        Leads::Nothing => Ok(()),
        Leads::Group => rustix::process::setpgid(None, None),
        Leads::Session => rustix::process::setsid().map(|_| ()),
    }
    .map_err(|errno| Failure(Stage::Session, errno))?;
    if let Some(directory) = &plan.directory {
        rustix::process::chdir(directory.as_c_str())
            .map_err(|errno| Failure(Stage::Directory, errno))?;
    }
    if let Some(mask) = plan.umask {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask));
    }
    if let Some(value) = plan.nice {
        rustix::process::setpriority_process(None, value)
            .map_err(|errno| Failure(Stage::Nice, errno))?;
    }
    let executable = place_descriptors(plan).map_err(|errno| Failure(Stage::Descriptors, errno))?;
    // After the descriptors were moved, because a low limit on their numbers would forbid that.
    for (resource, limit) in &plan.limits {
        rustix::process::setrlimit(*resource, *limit)
            .map_err(|errno| Failure(Stage::Limit, errno))?;
    }
    if let Some((uid, gid, groups)) = &plan.identity {
        rustix::thread::set_thread_groups(groups)
            .and_then(|()| rustix::thread::set_thread_res_gid(*gid, *gid, *gid))
            .and_then(|()| rustix::thread::set_thread_res_uid(*uid, *uid, *uid))
            .map_err(|errno| Failure(Stage::Identity, errno))?;
    }
    // After the change of user, which clears it.
    if let Some(signal) = plan.death_signal {
        tie_to_parent(signal.number(), plan.parent)
            .map_err(|errno| Failure(Stage::DeathSignal, errno))?;
    }
    if let Some(entry) = &mut plan.listen_pid {
        write_pid(entry, rustix::process::getpid().as_raw_nonzero().get());
    }
    Ok(executable)
}

/// Puts every descriptor under its target number and marks all others to be closed by exec.
fn place_descriptors(plan: &mut Plan) -> Result<RawFd, Errno> {
    let executable = match plan.executable {
        Executable::Path(_) => -1,
        Executable::Descriptor(fd) => duplicate(fd, plan.above)?,
    };
    for entry in &mut plan.moves {
        entry.temporary = duplicate(entry.source, plan.above)?;
    }
    let mut gap = 0;
    for entry in &plan.moves {
        replace(entry.temporary, entry.target)?;
        close_on_exec(gap, entry.target - 1)?;
        gap = entry.target + 1;
    }
    close_on_exec(gap, RawFd::MAX)?;
    Ok(executable)
}

/// Duplicates `fd` to the lowest free number from `above` on, to be closed by exec.
fn duplicate(fd: RawFd, above: RawFd) -> Result<RawFd, Errno> {
    // SAFETY: takes and returns numbers.
    let result = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, above) };
    if result < 0 { Err(last_errno()) } else { Ok(result) }
}

/// Makes `target` another name of `fd` that survives exec.
fn replace(fd: RawFd, target: RawFd) -> Result<(), Errno> {
    // SAFETY: takes and returns numbers; what `target` was before belongs to this process alone,
    // which has a descriptor table of its own.
    let result = unsafe { libc::dup2(fd, target) };
    if result < 0 { Err(last_errno()) } else { Ok(()) }
}

fn close_on_exec(first: RawFd, last: RawFd) -> Result<(), Errno> {
    if first > last {
        return Ok(());
    }
    // SAFETY: takes numbers, and changes a flag of this process's own descriptors.
    let result =
        unsafe { libc::syscall(libc::SYS_close_range, first, last, libc::CLOSE_RANGE_CLOEXEC) };
    if result < 0 { Err(last_errno()) } else { Ok(()) }
}

fn tie_to_parent(signal: c_int, parent: rustix::process::Pid) -> Result<(), Errno> {
    // SAFETY: this option takes a signal number.
    let result = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) };
    if result < 0 {
        return Err(last_errno());
    }
    // A parent that died before the call above sends nothing any more.
    if rustix::process::getppid() == Some(parent) { Ok(()) } else { Err(Errno::SRCH) }
}

/// Writes `pid` behind the `=` of `entry`, which has zero bytes there, enough for any pid.
fn write_pid(entry: &mut [u8], pid: i32) {
    let mut digits = [0_u8; 10];
    let mut rest = pid.unsigned_abs();
    let mut count = 0;
    for digit in &mut digits {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        count += 1;
        if rest == 0 {
            break;
        }
    }
    let room = entry.iter_mut().skip_while(|byte| **byte != 0);
    for (byte, digit) in room.zip(digits.iter().take(count).rev()) {
        *byte = *digit;
    }
}

/// Returns only if exec failed.
fn execute(assignment: &Assignment<'_>, executable: RawFd) -> Errno {
    let (arguments, environment) = (assignment.arguments.as_ptr(), assignment.environment.as_ptr());
    match &assignment.plan.executable {
        Executable::Path(path) => {
            // SAFETY: the path and both lists are texts that end with a zero byte, the lists end
            // with a null, and all of them live until this process has become the program.
            unsafe { libc::execve(path.as_ptr(), arguments, environment) };
        }
        Executable::Descriptor(_) => {
            // SAFETY: as above; an empty path with this flag means the descriptor itself.
            unsafe {
                libc::syscall(
                    libc::SYS_execveat,
                    executable,
                    c"".as_ptr(),
                    arguments,
                    environment,
                    libc::AT_EMPTY_PATH,
                )
            };
        }
    }
    last_errno()
}

/// What the last system call of the C library said.
fn last_errno() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::INVAL)
}

/// The child's stack, with its report above. Shared, so that a child with a copy of this process's
/// memory can report too.
struct Stack {
    base: *mut c_void,
}

impl Stack {
    const SIZE: usize = 128 * 1024;
    const GUARD: usize = 64 * 1024;

    fn map() -> Result<Self, Errno> {
        // SAFETY: a new mapping at an address that the kernel chooses.
        let base = unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                Self::SIZE,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
            )
        }?;
        let stack = Self { base };
        // SAFETY: the lower part of our own mapping, which nothing uses: a stack that overflows
        // ends the child instead of overwriting memory.
        unsafe { mprotect(base, Self::GUARD, MprotectFlags::empty()) }?;
        Ok(stack)
    }

    /// Where the stack begins, growing downwards.
    fn top(&self) -> *mut c_void {
        self.report().cast()
    }

    fn report(&self) -> *mut Report {
        self.base.wrapping_byte_add(Self::SIZE - size_of::<Report>()).cast()
    }

    fn read_report(&self) -> Option<(Stage, io::Error)> {
        // SAFETY: the report lies inside the mapping, aligned; the child is past writing it; fresh
        // memory is zero, and any bytes are a report.
        let report = unsafe { self.report().read_volatile() };
        let stage = Stage::from_number(report.stage)?;
        Some((stage, io::Error::from_raw_os_error(report.errno)))
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: our own mapping, which nobody uses any more. An unmap of a whole mapping cannot
        // fail.
        let _ = unsafe { munmap(self.base, Self::SIZE) };
    }
}
