//! Where a manager listens that was not told where: a socket in a directory that is its own.
//!
//! # Process death
//!
//! The directory of a manager whose owner was killed stays. Its name says whose it was, and the
//! next manager that needs one removes those whose owner has died and where nobody answers.

use std::fs::{self, DirBuilder, DirEntry, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use brigade_sys::Error;
use brigade_sys::identity::Identity;
use brigade_wire::{Address, Connection, connect_timeout};

use crate::random;

/// What the names of the directories begin with.
const PREFIX: &str = "brigade-manager-";

/// The name of the socket in its directory.
const SOCKET: &str = "socket";

/// How long to listen whether somebody answers in a directory whose owner has died.
const SIGN_OF_LIFE: Duration = Duration::from_millis(100);

/// A directory that nobody else may enter. Removed when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    directory: PathBuf,
    /// The process that made it.
    owner: u32,
}

impl Place {
    /// Makes a directory among the temporary files.
    pub(crate) fn new() -> Result<Self, Error> {
        Self::new_in(&std::env::temp_dir())
    }

    fn new_in(parent: &Path) -> Result<Self, Error> {
        let own = Identity::current();
        let name = format!("{PREFIX}{}-{}-{:08x}", own.pid, own.started, random::number()? as u32);
        let directory = parent.join(name);
        let made = DirBuilder::new().mode(0o700).create(&directory);
        made.map_err(|source| Error::new("make", directory.display().to_string(), source))?;
        let place = Self { directory, owner: own.pid };
        if let Ok(made) = fs::symlink_metadata(&place.directory) {
            remove_left_over(parent, &made);
        }
        Ok(place)
    }

    pub(crate) fn address(&self) -> Address {
        Address::Unix(self.directory.join(SOCKET))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A forked child has a copy, which is not the child's to remove.
        if self.owner == std::process::id() {
            remove(&self.directory);
        }
    }
}

/// Removes what killed processes of the same user have left.
fn remove_left_over(parent: &Path, own: &Metadata) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        if is_left_over(&entry, own).unwrap_or(false) {
            remove(&entry.path());
        }
    }
}

fn is_left_over(entry: &DirEntry, own: &Metadata) -> io::Result<bool> {
    let name = entry.file_name();
    let Some(owner) = name.to_str().and_then(owner) else { return Ok(false) };
    if owner.is_alive() {
        return Ok(false);
    }
    // No link, and nobody else's.
    let metadata = entry.metadata()?;
    if !metadata.is_dir() || metadata.uid() != own.uid() {
        return Ok(false);
    }
    // A process that this one cannot see, in a container say, may be alive all the same.
    let address = Address::Unix(entry.path().join(SOCKET));
    let answer: Result<Connection<()>, _> = connect_timeout(&address, SIGN_OF_LIFE);
    Ok(answer.is_err_and(|error| {
        matches!(error.source.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
    }))
}

/// The process that made a directory of this name.
fn owner(name: &str) -> Option<Identity> {
    let mut numbers = name.strip_prefix(PREFIX)?.split('-');
    let pid = numbers.next()?.parse().ok()?;
    let started = numbers.next()?.parse().ok()?;
    Some(Identity { pid, started, inode: 0 })
}

fn remove(directory: &Path) {
    // What cannot be removed now is left to the next one.
    let _ = fs::remove_file(directory.join(SOCKET));
    let _ = fs::remove_dir(directory);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    use super::*;

    /// The identity of a process that has ended.
    fn dead() -> Identity {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let identity = Identity::of(child.id());
        child.wait().unwrap();
        identity
    }

    #[test]
    fn a_place_is_private_and_goes_when_it_is_dropped() {
        let parent = tempfile::tempdir().unwrap();
        let place = Place::new_in(parent.path()).unwrap();
        let mode = fs::metadata(&place.directory).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        fs::write(place.directory.join(SOCKET), "").unwrap();
        drop(place);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn only_places_of_the_dead_where_nobody_answers_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        let dead = dead();
        let make = |name: String| {
            let path = parent.path().join(name);
            fs::create_dir(&path).unwrap();
            path
        };
        let abandoned = make(format!("{PREFIX}{}-{}-1", dead.pid, dead.started));
        drop(UnixListener::bind(abandoned.join(SOCKET)).unwrap());
        let empty = make(format!("{PREFIX}{}-{}-2", dead.pid, dead.started));
        let answering = make(format!("{PREFIX}{}-{}-3", dead.pid, dead.started));
        let _listener = UnixListener::bind(answering.join(SOCKET)).unwrap();
        let own = Identity::current();
        let alive = make(format!("{PREFIX}{}-{}-4", own.pid, own.started));
        let others = [make(format!("{PREFIX}x-1")), make("something-else".into())];
        let target = make("target".into());
        let link = parent.path().join(format!("{PREFIX}{}-{}-5", dead.pid, dead.started));
        std::os::unix::fs::symlink(&target, &link).unwrap();

        drop(Place::new_in(parent.path()).unwrap());

        assert!(!abandoned.exists() && !empty.exists());
        assert!(answering.exists() && alive.exists() && link.exists() && target.exists());
        assert!(others.iter().all(|other| other.exists()));
    }
}
