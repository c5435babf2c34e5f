//! Everything that the child will use, made before the fork.

use std::ffi::{CString, OsStr, OsString};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::io::fcntl_getfd;
use rustix::process::{Gid, Pid, Resource as RawResource, Rlimit, Uid};

use super::builder::{Launch, Leads, Limit, Program, Resource, Stream};
use super::error::{LaunchError, Stage};
use crate::signals::Signal;

/// The name in front of the child's pid in its environment.
const LISTEN_PID: &[u8] = b"LISTEN_PID=";
/// Room for the digits of any pid and the closing zero byte.
const PID_ROOM: usize = 11;

/// What to execute.
#[derive(Debug)]
pub(super) enum Executable {
    Path(CString),
    Descriptor(RawFd),
}

/// One descriptor's way into the child.
#[derive(Debug)]
pub(super) struct Move {
    pub(super) source: RawFd,
    pub(super) target: RawFd,
    /// Where the child holds it meanwhile: above every target, so that no move overwrites the
    /// source of a later one.
    pub(super) temporary: RawFd,
}

/// The child's work, as data that it reads without allocating.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) executable: Executable,
    pub(super) arguments: Vec<CString>,
    pub(super) environment: Vec<CString>,
    /// `LISTEN_PID=` and room for the number.
    pub(super) listen_pid: Option<Vec<u8>>,
    pub(super) directory: Option<CString>,
    pub(super) leads: Leads,
    pub(super) umask: Option<u32>,
    pub(super) nice: Option<i32>,
    pub(super) limits: Vec<(RawResource, Rlimit)>,
    pub(super) moves: Vec<Move>,
    /// The first number above every target.
    pub(super) above: RawFd,
    pub(super) identity: Option<(Uid, Gid, Vec<Gid>)>,
    pub(super) death_signal: Option<Signal>,
    pub(super) parent: Pid,
    /// Holds `/dev/null` open while moves name it.
    _null: Option<OwnedFd>,
}

impl Plan {
    /// Checks and translates what the caller asked for. `launch` must outlive the start: it owns
    /// the descriptors.
    pub(super) fn of(launch: &Launch) -> Result<Self, LaunchError> {
        let name = match &launch.program {
            Program::Path(path) => path.display().to_string(),
            Program::Descriptor(fd) => launch.argument_zero.as_ref().map_or_else(
                || format!("descriptor {}", fd.as_raw_fd()),
                |name| name.display().to_string(),
            ),
        };
        Self::translate(launch, name.clone()).map_err(|source| LaunchError {
            program: name,
            stage: Stage::Prepare,
            source,
        })
    }

    fn translate(launch: &Launch, name: String) -> io::Result<Self> {
        let (executable, own_name) = match &launch.program {
            Program::Path(path) => {
                let path = std::path::absolute(path)?;
                (Executable::Path(text(path.as_os_str())?), path.into_os_string())
            }
            Program::Descriptor(fd) => {
                (Executable::Descriptor(fd.as_raw_fd()), OsString::from(&name))
            }
        };
        let mut arguments = vec![text(launch.argument_zero.as_deref().unwrap_or(&own_name))?];
        for argument in &launch.arguments {
            arguments.push(text(argument)?);
        }
        let listen_pid = launch.listen_pid.then(|| {
            let mut entry = LISTEN_PID.to_vec();
            entry.resize(LISTEN_PID.len() + PID_ROOM, 0);
            entry
        });
        let (moves, null) = moves_of(launch)?;
        let above = moves.iter().map(|entry| entry.target).max().unwrap_or(2).saturating_add(1);
        Ok(Self {
            name,
            executable,
            arguments,
            environment: environment_of(launch)?,
            listen_pid,
            directory: launch.directory.as_ref().map(directory_of).transpose()?,
            leads: launch.leads,
            umask: launch.umask,
            nice: launch.nice,
            limits: launch.limits.iter().map(|limit| limit_of(*limit)).collect(),
            moves,
            above,
            identity: launch.identity.as_ref().map(|identity| {
                let groups = identity.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
                (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid), groups)
            }),
            death_signal: launch.death_signal,
            parent: rustix::process::getpid(),
            _null: null,
        })
    }
}

fn text(value: &OsStr) -> io::Result<CString> {
    CString::new(value.as_bytes()).map_err(|_| {
        let message = format!("{value:?} contains a zero byte");
        io::Error::new(io::ErrorKind::InvalidInput, message)
    })
}

fn directory_of(path: &PathBuf) -> io::Result<CString> {
    text(Path::new(path).as_os_str())
}

/// The environment as `name=value` texts; without `LISTEN_PID` if the child writes its own.
fn environment_of(launch: &Launch) -> io::Result<Vec<CString>> {
    // A parent may have left names here that nobody can set; they are passed over.
    let is_settable = |name: &OsString| !name.is_empty() && !name.as_bytes().contains(&b'=');
    let own = || std::env::vars_os().filter(|(name, _)| is_settable(name)).collect::<Vec<_>>();
    let inherited;
    let environment = match &launch.environment {
        Some(environment) => environment,
        None => {
            inherited = own();
            &inherited
        }
    };
    let mut texts = Vec::with_capacity(environment.len());
    for (name, value) in environment {
        if launch.listen_pid && name == "LISTEN_PID" {
            continue;
        }
        if !is_settable(name) {
            let message = format!("{name:?} is no name for an environment variable");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let mut entry = name.clone().into_vec();
        entry.push(b'=');
        entry.extend_from_slice(value.as_bytes());
        texts.push(text(OsStr::from_bytes(&entry))?);
    }
    Ok(texts)
}

/// The standard streams and the named descriptors, and `/dev/null` if one of them is that.
fn moves_of(launch: &Launch) -> io::Result<(Vec<Move>, Option<OwnedFd>)> {
    let mut null = None;
    let mut moves = Vec::with_capacity(3 + launch.descriptors.len());
    for (target, stream) in (0..).zip(&launch.streams) {
        let source = match stream {
            Stream::Descriptor(fd) => fd.as_raw_fd(),
            Stream::Inherit if is_open(target) => target,
            Stream::Inherit | Stream::Null => {
                if null.is_none() {
                    let file = OpenOptions::new().read(true).write(true).open("/dev/null")?;
                    null = Some(OwnedFd::from(file));
                }
                null.as_ref().map_or(-1, AsRawFd::as_raw_fd)
            }
        };
        moves.push(Move { source, target, temporary: -1 });
    }
    for (fd, target) in &launch.descriptors {
        if *target < 3 || moves.iter().any(|entry| entry.target == *target) {
            let message = format!("descriptor number {target} is given twice or below 3");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        moves.push(Move { source: fd.as_raw_fd(), target: *target, temporary: -1 });
    }
    // In order of their targets, so that the gaps between them can be closed in one pass.
    moves.sort_by_key(|entry| entry.target);
    Ok((moves, null))
}

/// Whether a standard stream of this process is open.
fn is_open(number: RawFd) -> bool {
    let stdin = io::stdin();
    let stdout = io::stdout();
    let stderr = io::stderr();
    let stream: BorrowedFd<'_> = match number {
        0 => std::os::fd::AsFd::as_fd(&stdin),
        1 => std::os::fd::AsFd::as_fd(&stdout),
        _ => std::os::fd::AsFd::as_fd(&stderr),
    };
    fcntl_getfd(stream).is_ok()
}

fn limit_of(limit: Limit) -> (RawResource, Rlimit) {
    let resource = match limit.resource {
        Resource::AddressSpace => RawResource::As,
        Resource::Core => RawResource::Core,
        Resource::Cpu => RawResource::Cpu,
        Resource::FileSize => RawResource::Fsize,
        Resource::LockedMemory => RawResource::Memlock,
        Resource::OpenFiles => RawResource::Nofile,
        Resource::Processes => RawResource::Nproc,
        Resource::Stack => RawResource::Stack,
    };
    (resource, Rlimit { current: limit.soft, maximum: limit.hard })
}
