//! Who is taken for dead by a process that may open nothing more: nobody but the dead.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::fs::File;
use std::process::{Command, Stdio};

use brigade_sys::identity::Identity;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

// The only test of this program: it takes all descriptors there are.
#[test]
fn the_living_are_not_dead_to_one_who_has_no_descriptor_left() {
    let start = || Command::new("sleep").arg("60").stdout(Stdio::null()).spawn().unwrap();
    let (mut living, mut dead) = (start(), start());
    let (alive, gone) = (Identity::of(living.id()), Identity::of(dead.id()));
    dead.kill().unwrap();
    dead.wait().unwrap();

    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), ..limit }).unwrap();
    let held: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    let seen = (alive.is_alive(), gone.is_alive(), Identity::current().is_alive());
    drop(held);
    living.kill().unwrap();
    living.wait().unwrap();
    assert_eq!(seen, (true, false, true));
    assert!(!alive.is_alive());
}
