//! `brigadectl doctor`: what the promise rests on, asked of this kernel. Needs no supervisor.

use brigade_supervisor::status::Verdict;
use brigade_sys::doctor::{self, Finding, Outcome};
use serde_json::{Value, json};

/// Examines the machine and prints the report, for people or as JSON.
pub(crate) fn run(as_json: bool) -> Verdict {
    let report = doctor::examine();
    if as_json {
        let findings: Vec<Value> = report.findings.iter().map(finding).collect();
        let sound = report.is_sound();
        println!("{}", json!({ "kernel": report.kernel, "sound": sound, "findings": findings }));
    } else {
        print!("{report}");
    }
    if report.is_sound() { Verdict::Ok } else { Verdict::Failed }
}

fn finding(finding: &Finding) -> Value {
    let (outcome, remark) = match &finding.outcome {
        Outcome::Slower(instead) => ("slower", *instead),
        Outcome::Broken(seen) => ("broken", seen.as_str()),
        // There may be more outcomes one day; what is not known to be bad is not called bad.
        _ => ("holds", finding.detail.as_str()),
    };
    json!({
        "subject": finding.subject,
        "purpose": finding.purpose,
        "outcome": outcome,
        "remark": remark,
    })
}
