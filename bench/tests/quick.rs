//! Every case, once and briefly: what the benchmarks compile against must not rot.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its result has failed")]

use std::fs;
use std::process::{Command, Stdio};

#[test]
fn every_case_runs_and_verifies_what_it_carries() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_brigade-bench"))
        .args(["--quick", "--output"])
        .arg(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");

    let text = fs::read_to_string(folder.path().join("figures.json")).unwrap();
    let samples: serde_json::Value = serde_json::from_str(&text).unwrap();
    let groups = samples["groups"].as_array().unwrap();
    let tables = String::from_utf8(output.stdout).unwrap();
    assert!(groups.len() > 10, "{tables}");
    for group in groups {
        let name = group["name"].as_str().unwrap();
        assert!(tables.contains(&format!("### {name}\n")), "no table of {name}");
        for case in group["cases"].as_array().unwrap() {
            assert_eq!(case["failures"].as_array().unwrap().len(), 0, "{case}\n{errors}");
            assert_ne!(case["samples"].as_array().unwrap().len(), 0, "{case}\n{errors}");
        }
    }
    let charts = fs::read_dir(folder.path()).unwrap();
    let is_chart = |name: &str| name.ends_with(".svg");
    let charts = charts.filter(|it| is_chart(&it.as_ref().unwrap().file_name().to_string_lossy()));
    assert_eq!(charts.count(), groups.len());
}
