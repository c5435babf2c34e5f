//! Runs every example: each must check itself, end in time, and leave nothing behind.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod run;
mod traces;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use run::{Limits, run};

/// Longer than an example takes, also on a machine that is busy with other things.
const LIMITS: Limits = Limits { run: Duration::from_secs(60), afterwards: Duration::from_secs(10) };

/// The names in the manifest of the examples.
fn names() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/Cargo.toml");
    let manifest: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
    let examples = manifest["example"].as_array().unwrap();
    examples.iter().map(|example| example["name"].as_str().unwrap().to_owned()).collect()
}

/// Builds the examples as these tests were built, and says where cargo put each.
fn build() -> Vec<(String, PathBuf)> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["build", "--quiet", "--examples", "-p", "brigade-examples"]);
    cargo.arg("--message-format=json");
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let messages =
        text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let program = |message: serde_json::Value| {
        let path = message["executable"].as_str()?.into();
        Some((message["target"]["name"].as_str()?.to_owned(), path))
    };
    messages.filter_map(program).collect()
}

#[test]
fn every_example_checks_itself_and_leaves_nothing_behind() {
    let programs = build();
    let mut complaints = Vec::new();
    for name in names() {
        let Some((_, path)) = programs.iter().find(|(built, _)| *built == name) else {
            complaints.push(format!("{name}: cargo did not build it"));
            continue;
        };
        complaints.extend(run(path, &[], LIMITS).into_iter().map(|text| format!("{name}: {text}")));
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// What is found wrong with a shell's script that is given this long.
fn complaints_about(script: &str, limits: Limits) -> String {
    run(Path::new("/bin/sh"), &["-c", script], limits).join("\n")
}

const SHORT: Duration = Duration::from_millis(100);

#[test]
fn a_program_that_leaves_nothing_is_left_alone() {
    assert_eq!(complaints_about("echo fine; touch a; rm a", LIMITS), "");
}

#[test]
fn a_program_that_fails_is_found() {
    let complaint = complaints_about("echo oh dear >&2; exit 3", LIMITS);
    assert!(
        complaint.contains("ended with Code(3)") && complaint.contains("oh dear"),
        "{complaint}"
    );
}

#[test]
fn a_program_that_does_not_end_is_killed_and_found() {
    let complaint = complaints_about("sleep 1000", Limits { run: SHORT, ..LIMITS });
    assert!(complaint.contains("did not end in 100ms"), "{complaint}");
    assert!(!complaint.contains("left process"), "{complaint}");
}

#[test]
fn a_process_that_is_left_is_killed_and_found() {
    let complaint = complaints_about("sleep 1000 & exit 0", Limits { afterwards: SHORT, ..LIMITS });
    assert!(complaint.starts_with("left process") && complaint.ends_with("(sleep)"), "{complaint}");
}

#[test]
fn a_file_that_is_left_is_found() {
    let limits = Limits { afterwards: SHORT, ..LIMITS };
    let complaint = complaints_about("touch \"$TMPDIR/rest.socket\"", limits);
    assert!(complaint.ends_with("/rest.socket"), "{complaint}");
    let segment = format!("/dev/shm/brigade-tests-{}", std::process::id());
    let complaint = complaints_about(&format!("touch {segment}"), limits);
    std::fs::remove_file(&segment).unwrap();
    assert_eq!(complaint, format!("left file {segment}"));
}
