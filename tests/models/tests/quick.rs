//! The models, with the other tests: of those that take long some orders are drawn. `make prove`
//! tries all, and every mutant.
#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::process::Command;

use brigade_models::drive::Report;

fn run(arguments: &[&str]) -> (Report, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_brigade-models")).args(arguments).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout);
    (report.unwrap_or_else(|error| panic!("{error}: {complaint}")), complaint)
}

#[test]
fn no_order_of_steps_and_no_death_breaks_a_primitive() {
    let (report, complaint) = run(&["run", "--quick"]);
    assert!(report.models.iter().all(|model| model.failure.is_none()), "{complaint}");
    assert!(report.models.iter().all(|model| model.explored.executions > 0));
}

#[test]
fn a_bell_that_is_broken_on_purpose_is_noticed() {
    let (report, complaint) = run(&["mutants", "bell/one"]);
    let of_bells = report.mutants.iter().filter(|it| it.mutant.contains("sys/src/bell.rs"));
    assert!(of_bells.filter(|it| it.noticed_by.is_some()).count() >= 5, "{complaint}");
}
