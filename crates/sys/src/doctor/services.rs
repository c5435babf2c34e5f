//! Services of the kernel that need no death to be examined.

use std::fs;

use rustix::fs::{FallocateFlags, fallocate, ftruncate};
use rustix::process::{Resource, getrlimit};

use super::{Finding, Outcome};
use crate::thread::check_robust_list;
use crate::{barrier, futex, identity, memory, pidfd};

pub(super) fn examine() -> Vec<Finding> {
    vec![
        robust_list(),
        memory_files(),
        wait_any(),
        fences(),
        process_descriptors(),
        identities(),
        limits(),
    ]
}

fn robust_list() -> Finding {
    let outcome = match check_robust_list() {
        Ok(()) => Outcome::Holds,
        Err(error) => Outcome::Broken(error.to_string()),
    };
    Finding::new("robust list", "locks whose holder dies", outcome)
}

/// Whether an anonymous file has all its memory from the start and cannot shrink.
fn memory_files() -> Finding {
    const SIZE: u64 = 4096;
    let outcome = match memory::create("doctor", SIZE) {
        Err(error) => Outcome::Broken(error.to_string()),
        Ok(file) if ftruncate(&file, 0).is_ok() => {
            Outcome::Broken("a sealed memory file was cut short".into())
        }
        Ok(file) => match fallocate(&file, FallocateFlags::empty(), 0, 2 * SIZE) {
            Ok(()) => Outcome::Holds,
            Err(error) => Outcome::Broken(format!("a memory file does not grow: {error}")),
        },
    };
    Finding::new("sealed memory files", "memory that no access faults on", outcome)
}

fn wait_any() -> Finding {
    let outcome = if futex::can_wait_any() {
        Outcome::Holds
    } else {
        Outcome::Slower("naps of five milliseconds where several things are waited for")
    };
    Finding::new("sleeping on several words", "deaths noticed at once", outcome)
}

fn fences() -> Finding {
    let outcome = if barrier::is_asymmetric() {
        Outcome::Holds
    } else {
        Outcome::Slower("a fence for every message, and sleeps of five milliseconds at most")
    };
    Finding::new("fences on other processors", "messages without a fence of their own", outcome)
}

fn process_descriptors() -> Finding {
    let outcome = match pidfd::open_self() {
        Ok(_) => Outcome::Holds,
        Err(error) => Outcome::Broken(error.to_string()),
    };
    Finding::new("descriptors of processes", "waiting for processes, signals that hit", outcome)
}

fn identities() -> Finding {
    let outcome = if identity::has_unique_inodes() {
        Outcome::Holds
    } else {
        Outcome::Slower("a process is told by its number and the tick at which it started")
    };
    Finding::new("unique process inodes", "telling a process from a later one", outcome)
}

/// Not a service, but what most often ends a program of many processes.
fn limits() -> Finding {
    const FEW: u64 = 256;
    let limit = getrlimit(Resource::Nofile);
    let shared = fs::read_to_string("/proc/sys/kernel/pid_max").unwrap_or_default();
    let outcome = match limit.current {
        Some(soft) if soft < FEW => {
            Outcome::Slower("fewer processes at a time: `ulimit -n` is low")
        }
        _ => Outcome::Holds,
    };
    let text = |limit: Option<u64>| limit.map_or("unlimited".to_owned(), |most| most.to_string());
    Finding::new("limits", "how many processes at a time", outcome).with_detail(format!(
        "{} descriptors (at most {}), {} process numbers",
        text(limit.current),
        text(limit.maximum),
        shared.trim(),
    ))
}
