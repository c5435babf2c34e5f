//! The versions of what takes part, which a published figure has to name.

use crate::peers::program::line;
use crate::peers::{boost, python};
use serde::Serialize;
use std::process::Command;
use std::sync::LazyLock;

/// The packages at the time of the build.
const LOCK: &str = include_str!("../../Cargo.lock");

/// The peers that are packages.
const PACKAGES: [&str; 4] = ["crossbeam-channel", "iceoryx2", "ipc-channel", "parking_lot"];

#[derive(Debug, Serialize)]
pub(crate) struct Version {
    pub(crate) name: &'static str,
    pub(crate) version: String,
}

/// All of them; what is not there is left out.
pub(crate) fn all() -> &'static [Version] {
    static ALL: LazyLock<Vec<Version>> = LazyLock::new(find);
    &ALL
}

fn find() -> Vec<Version> {
    let (major, minor, patch) = zmq::version();
    let mut versions = vec![
        Version { name: "brigade", version: env!("CARGO_PKG_VERSION").to_owned() },
        Version { name: "libzmq", version: format!("{major}.{minor}.{patch}") },
    ];
    let packages = PACKAGES.into_iter().map(|name| (name, locked(LOCK, name)));
    let programs = [
        ("Boost", boost::version()),
        ("rustc", second_word(Command::new("rustc").arg("--version"))),
        ("glibc", second_word(Command::new("getconf").arg("GNU_LIBC_VERSION"))),
        ("python3", python::version()),
    ];
    let found = packages.chain(programs);
    versions.extend(found.filter_map(|(name, version)| Some(Version { name, version: version? })));
    versions
}

/// The version that a lock file says a package has.
fn locked(lock: &str, package: &str) -> Option<String> {
    let (_, rest) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    Some(rest.split_once('"')?.0.to_owned())
}

/// What a program prints after its name.
fn second_word(command: &mut Command) -> Option<String> {
    Some(line(command)?.split_whitespace().nth(1)?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_has_the_version_of_the_lock_file() {
        let lock = "[[package]]\nname = \"ab\"\nversion = \"1\"\n\n[[package]]\nname = \"b\"\n\
                    version = \"2.0\"\nsource = \"x\"\n";
        assert_eq!(locked(lock, "b").as_deref(), Some("2.0"));
        assert_eq!(locked(lock, "c"), None);
        assert!(PACKAGES.iter().all(|name| locked(LOCK, name).is_some()));
    }
}
