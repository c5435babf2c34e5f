//! The demonstration from outside: it verifies every mechanism, says what failed, and leaves nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::harness::{eventually, program};

/// A demonstration to its end, in a directory for temporary files of its own.
struct Demonstration {
    output: Output,
    json: Option<Value>,
    svg: Option<String>,
}

/// Text to count, small enough for a build without optimization.
const INPUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");

fn demonstrate(arguments: &[&str]) -> Demonstration {
    // One at a time, so that shared memory that appears and stays is its own.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    program("brigade-worker");
    let results = tempfile::tempdir().unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let (json, svg) = (results.path().join("demo.json"), results.path().join("demo.svg"));
    let before = shared_files();
    let output = Command::new(env!("CARGO_BIN_EXE_brigaded"))
        .args(["demo", "--rounds", "1000", "--workers", "2", "--json"])
        .arg(&json)
        .arg("--plot")
        .arg(&svg)
        .args(arguments)
        .env("TMPDIR", temporary.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    // Each process that belonged to it had the directory in its environment.
    let mark = format!("TMPDIR={}", temporary.path().display());
    eventually("no process is left", || (!any_process_has(&mark)).then_some(()));
    let left: Vec<_> = fs::read_dir(temporary.path()).unwrap().collect();
    assert!(left.is_empty(), "files are left: {left:?}");
    assert_eq!(shared_files(), before, "shared memory is left");
    Demonstration {
        output,
        json: fs::read_to_string(json).ok().map(|text| serde_json::from_str(&text).unwrap()),
        svg: fs::read_to_string(svg).ok(),
    }
}

fn shared_files() -> BTreeSet<String> {
    let files = fs::read_dir("/dev/shm").unwrap().flatten();
    let names = files.map(|file| file.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("brigade")).collect()
}

fn any_process_has(mark: &str) -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|process| {
        let environment = fs::read(process.path().join("environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes())
    })
}

#[test]
fn every_mechanism_gives_the_answer_of_one_process_and_no_request_is_lost_in_reloads() {
    let demonstration = demonstrate(&["--input", INPUT]);
    let text = String::from_utf8_lossy(&demonstration.output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&demonstration.output.stderr).into_owned();
    assert_eq!(demonstration.output.status.code(), Some(0), "{text}\n{errors}");
    let json = demonstration.json.expect("the results are written");
    let rows = json["mechanisms"].as_array().unwrap();
    let names: Vec<_> = rows.iter().filter_map(|row| row["mechanism"].as_str()).collect();
    for name in
        ["pipe", "queue", "list", "shared-memory", "zmq-push-pull", "manager", "pool", "files"]
    {
        assert!(names.contains(&name), "{name} is missing among {names:?}");
    }
    assert!(rows.len() >= 16 && rows.iter().all(|row| row["verified"] == true), "{rows:?}");
    assert_eq!(json["counter"]["with_lock"], 100);
    let service = &json["service"];
    assert_eq!((&service["lost_in_reloads"], &service["reloads"]), (&0.into(), &5.into()));
    assert!(service["generations"].as_u64() > Some(5), "{service}");
    assert!(text.contains("verified") && text.contains("lost in 5 reloads 0"), "{text}");
    let svg = demonstration.svg.expect("the chart is drawn");
    assert!(names.iter().all(|name| svg.contains(&format!(">{name}<"))));
}

#[test]
fn one_mechanism_can_be_chosen_and_carries_any_directory() {
    let input = tempfile::tempdir().unwrap();
    // The longest replies: as many different short words as a record can hold.
    let letters = "abcdefghijklmnopqrstuvwxyz0123456789";
    let pairs = letters.chars().flat_map(|a| letters.chars().map(move |b| format!("{a}{b} ")));
    fs::write(input.path().join("words"), pairs.collect::<String>().repeat(8)).unwrap();
    fs::write(input.path().join("no-text"), (0..=255).cycle().take(9_000).collect::<Vec<u8>>())
        .unwrap();
    let input = input.path().to_str().unwrap();
    for mechanism in ["list", "shared-memory", "shm-pipe"] {
        let demonstration = demonstrate(&["--input", input, "--mechanism", mechanism]);
        let errors = String::from_utf8_lossy(&demonstration.output.stderr).into_owned();
        assert_eq!(demonstration.output.status.code(), Some(0), "{mechanism}: {errors}");
        assert_eq!(demonstration.json.unwrap()["mechanisms"][0]["mechanism"], mechanism);
    }
}

#[test]
fn what_cannot_be_done_is_said_and_fails() {
    let nowhere = Path::new("/nonexistent/brigade");
    for (arguments, reason) in [
        (["--mechanism", "telepathy"], "there are pipe, socketpair"),
        (["--input", nowhere.to_str().unwrap()], "/nonexistent/brigade"),
    ] {
        let demonstration = demonstrate(&arguments);
        let Output { status, stdout, stderr } = demonstration.output;
        let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains(reason), "{said}");
    }
}
