//! A little of the proof, with the other tests: `make prove` does the whole.
#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

/// Runs a part of the proof, which must succeed, and returns its report.
fn prove(part: &str, options: &[&str]) -> String {
    /// One at a time: they measure how long others wait.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(part);
    let mut command = Command::new(env!("CARGO_BIN_EXE_brigade-prove"));
    let output = command.arg(part).args(options).arg("--output").arg(&folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complaint}");
    assert_eq!(std::fs::read_to_string(folder.join("report.md")).unwrap(), said);
    said
}

/// Which places are tried, the seed decides.
#[test]
fn nobody_waits_for_the_dead_at_some_instructions_of_every_operation() {
    let report = prove("steps", &["--longest", "2000", "--budget", "0.3"]);
    assert!(report.contains("| lock: release | another waits |"), "{report}");
}

#[test]
fn a_short_storm_leaves_nothing() {
    let report = prove("storm", &["--storm", "5"]);
    assert!(report.contains("rounds"), "{report}");
}

#[test]
fn a_broken_wake_up_is_noticed() {
    let report = prove("mutations", &["--only", "event", "--budget", "60"]);
    assert!(report.contains("noticed in 1 of 1 places"), "{report}");
}

#[test]
fn objects_that_are_dropped_leave_nothing() {
    let report = prove("lifetime", &["--objects", "20000"]);
    assert!(report.contains("20000 objects, 20 makers killed"), "{report}");
}
