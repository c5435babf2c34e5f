//! Starting this program afresh, as a child.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::OwnedFd;

use brigade_codec::Parcel;
use brigade_sys::launch::{Launch, Program, Stream};
use brigade_sys::pidfd;

use crate::current;
use crate::entry::{self, Role};
use crate::error::Trouble;
use crate::inheritance;
use crate::letter::{Letter, Tie};
use crate::process::Process;
use crate::registry;

/// The letter.
pub(crate) const LETTER: i32 = 3;
/// The program's shared memory.
pub(crate) const MEMORY: i32 = 4;
/// The parent, as a process descriptor.
pub(crate) const PARENT: i32 = 5;
/// What a child hangs on that dies with its parent.
pub(crate) const LINE: i32 = 6;
/// The first descriptor of the argument.
pub(crate) const ARGUMENT: i32 = 7;

/// Starts a child that reads `letter` and runs its task with `parcel`.
pub(crate) fn start(letter: &Letter, parcel: Parcel) -> Result<Process, Trouble> {
    let mut launch = this_program(Role::Child)?
        .descriptor(letter.write(&parcel.bytes)?, LETTER)
        .descriptor(inheritance::descriptor()?, MEMORY)
        .descriptor(pidfd::open_self()?, PARENT);
    if letter.tie == Tie::DiesWithParent {
        launch = launch.descriptor(current::state().line()?, LINE);
    }
    for (descriptor, target) in parcel.descriptors.into_iter().zip(ARGUMENT..) {
        launch = launch.descriptor(descriptor, target);
    }
    Ok(registry::enter(letter, launch.start()?))
}

/// This program, started afresh in `role`, with the same arguments and environment.
///
/// It is executed through the kernel's own name for the running file, which stays what it is when
/// the file is replaced or deleted.
pub(crate) fn this_program(role: Role) -> Result<Launch, Trouble> {
    let file = File::open("/proc/self/exe")
        .map_err(|source| brigade_sys::Error::new("open", "this program", source))?;
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| OsString::from("brigade"));
    let mut environment: Vec<_> =
        std::env::vars_os().filter(|(name, _)| !name.as_encoded_bytes().contains(&b'=')).collect();
    environment.push((entry::VARIABLE.into(), role.word().into()));
    Ok(Launch::new(Program::Descriptor(OwnedFd::from(file)))
        .argument_zero(name)
        .args(arguments)
        .env(environment)
        .stdin(Stream::Null))
}
