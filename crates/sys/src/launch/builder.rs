//! What to start, and how.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use super::child;
use super::error::LaunchError;
use super::plan::Plan;
use crate::signals::Signal;

/// The program to execute.
#[derive(Debug)]
pub enum Program {
    /// A file. A relative path is resolved against this process's current directory when the
    /// program is started; `PATH` is not searched.
    Path(PathBuf),
    /// An open file, which is executed even if its name has meanwhile gone or means another file.
    Descriptor(OwnedFd),
}

/// What a standard stream of the child is.
#[derive(Debug)]
pub enum Stream {
    /// The stream of this process; `/dev/null` if this process has closed it.
    Inherit,
    /// `/dev/null`.
    Null,
    /// This descriptor.
    Descriptor(OwnedFd),
}

/// Whose rights the child has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The supplementary groups, all of them.
    pub groups: Vec<u32>,
}

/// What a resource limit limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resource {
    /// Bytes of address space (`RLIMIT_AS`).
    AddressSpace,
    /// Bytes of a core dump (`RLIMIT_CORE`).
    Core,
    /// Seconds of processor time (`RLIMIT_CPU`).
    Cpu,
    /// Bytes of a file written (`RLIMIT_FSIZE`).
    FileSize,
    /// Bytes of locked memory (`RLIMIT_MEMLOCK`).
    LockedMemory,
    /// One more than the highest descriptor (`RLIMIT_NOFILE`).
    OpenFiles,
    /// Processes of the user (`RLIMIT_NPROC`).
    Processes,
    /// Bytes of the main thread's stack (`RLIMIT_STACK`).
    Stack,
}

/// A resource limit; `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is limited.
    pub resource: Resource,
    /// The limit that holds.
    pub soft: Option<u64>,
    /// How far the child may raise the soft limit itself.
    pub hard: Option<u64>,
}

/// A child that was started: it has become the program.
///
/// Dropping it neither ends nor reaps the child: whoever started it waits with
/// [`pidfd::wait_exit`](crate::pidfd::wait_exit).
#[derive(Debug)]
pub struct Child {
    /// Its number, for messages.
    pub pid: i32,
    /// The child itself.
    pub pidfd: OwnedFd,
}

/// A program about to be started.
#[derive(Debug)]
#[must_use = "nothing is started before `start`"]
pub struct Launch {
    pub(super) program: Program,
    pub(super) argument_zero: Option<OsString>,
    pub(super) arguments: Vec<OsString>,
    pub(super) environment: Option<Vec<(OsString, OsString)>>,
    pub(super) directory: Option<PathBuf>,
    pub(super) streams: [Stream; 3],
    pub(super) descriptors: Vec<(OwnedFd, i32)>,
    pub(super) listen_pid: bool,
    pub(super) leads: Leads,
    pub(super) identity: Option<Identity>,
    pub(super) umask: Option<u32>,
    pub(super) nice: Option<i32>,
    pub(super) limits: Vec<Limit>,
    pub(super) death_signal: Option<Signal>,
}

/// What the child is the leader of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leads {
    Nothing,
    Group,
    Session,
}

impl Launch {
    /// Starts to describe a child: this process's environment, current directory, standard streams
    /// and rights, no arguments, no other descriptors.
    pub fn new(program: Program) -> Self {
        Self {
            program,
            argument_zero: None,
            arguments: Vec::new(),
            environment: None,
            directory: None,
            streams: [Stream::Inherit, Stream::Inherit, Stream::Inherit],
            descriptors: Vec::new(),
            listen_pid: false,
            leads: Leads::Nothing,
            identity: None,
            umask: None,
            nice: None,
            limits: Vec::new(),
            death_signal: None,
        }
    }

    /// Sets what the program finds as its own name, argument 0. The default is its path.
    pub fn argument_zero(mut self, name: impl Into<OsString>) -> Self {
        self.argument_zero = Some(name.into());
        self
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets the whole environment of the child.
    pub fn env(mut self, environment: Vec<(OsString, OsString)>) -> Self {
        self.environment = Some(environment);
        self
    }

    /// Sets the directory in which the child starts.
    pub fn current_directory(mut self, directory: PathBuf) -> Self {
        self.directory = Some(directory);
        self
    }

    /// Sets the standard input.
    pub fn stdin(mut self, stream: Stream) -> Self {
        self.streams[0] = stream;
        self
    }

    /// Sets the standard output.
    pub fn stdout(mut self, stream: Stream) -> Self {
        self.streams[1] = stream;
        self
    }

    /// Sets the standard error.
    pub fn stderr(mut self, stream: Stream) -> Self {
        self.streams[2] = stream;
        self
    }

    /// Gives the child `descriptor` under exactly the number `target`, which is 3 or more, whatever
    /// numbers the descriptors have here.
    pub fn descriptor(mut self, descriptor: OwnedFd, target: i32) -> Self {
        self.descriptors.push((descriptor, target));
        self
    }

    /// Sets `LISTEN_PID` in the child's environment to the child's own pid.
    pub fn listen_pid(mut self) -> Self {
        self.listen_pid = true;
        self
    }

    /// Makes the child the leader of a new session, without a terminal.
    pub fn new_session(mut self) -> Self {
        self.leads = Leads::Session;
        self
    }

    /// Makes the child the leader of a new process group.
    pub fn process_group(mut self) -> Self {
        self.leads = Leads::Group;
        self
    }

    /// Sets whose rights the child has.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Sets the file mode bits that the child's new files do not get.
    pub fn umask(mut self, mask: u32) -> Self {
        self.umask = Some(mask);
        self
    }

    /// Sets the child's nice value, -20 to 19.
    pub fn nice(mut self, value: i32) -> Self {
        self.nice = Some(value);
        self
    }

    /// Adds a resource limit.
    pub fn resource_limit(mut self, limit: Limit) -> Self {
        self.limits.push(limit);
        self
    }

    /// Sends the child `signal` when the **thread** that starts it ends, with its process or before.
    ///
    /// The kernel ties this to the thread, not to the process, so use it from a thread that lives
    /// as long as the process, such as the main thread. A parent that dies while it starts the
    /// child is noticed too.
    pub fn parent_death_signal(mut self, signal: Signal) -> Self {
        self.death_signal = Some(signal);
        self
    }

    /// Starts the child. Returns when it has become the program, or says why it has not.
    ///
    /// The descriptors that were handed over are closed in this process either way.
    ///
    /// # Errors
    ///
    /// [`LaunchError`] with the stage that failed; no process is left then.
    pub fn start(self) -> Result<Child, LaunchError> {
        child::start(&mut Plan::of(&self)?)
    }
}
