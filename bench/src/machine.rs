//! The machine: what it is, and where on it the two processes run.

use crate::Result;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The two CPUs of a case: this process's and its partner's.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Placement {
    pub(crate) here: usize,
    pub(crate) there: usize,
}

impl Placement {
    pub(crate) fn is_one_core(self) -> bool {
        self.here == self.there
    }
}

/// What a published figure has to say about where it was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) kernel: String,
    pub(crate) commit: String,
    pub(crate) placement: Placement,
}

impl Machine {
    pub(crate) fn describe(placement: Placement) -> Self {
        Self { cpu: cpu_model(), kernel: kernel(), commit: commit(), placement }
    }
}

fn cpu_model() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name"));
    let name = model.map_or("unknown", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let count = text.lines().filter(|line| line.starts_with("processor")).count();
    format!("{name}, {count} CPUs")
}

fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("Linux {}", release.trim())
}

fn commit() -> String {
    let output = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(hash) = output(&["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown".to_owned();
    };
    let is_clean = output(&["status", "--porcelain"]).is_some_and(|changes| changes.is_empty());
    if is_clean { hash } else { format!("{hash} and changes") }
}

/// The CPUs that this process may run on.
pub(crate) fn allowed_cpus() -> Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0))?;
    Ok((0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false)).collect())
}

/// Starts this program again with one CPU, unless it has no other: a program that finds out late
/// that it has one has already decided to spin.
pub(crate) fn confine(cpu: usize) -> Result<()> {
    if allowed_cpus()?.len() > 1 {
        pin(cpu)?;
        return Err(Command::new(env::current_exe()?).args(env::args_os().skip(1)).exec().into());
    }
    Ok(())
}

/// Keeps the calling thread, and what it starts from now on, on one CPU.
pub(crate) fn pin(cpu: usize) -> Result<()> {
    allow(&[cpu])
}

/// Lets the calling thread run on these CPUs.
pub(crate) fn allow(cpus: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    for &cpu in cpus {
        set.set(cpu)?;
    }
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}
