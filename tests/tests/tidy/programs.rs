//! The programs for people to read: shown as they are, listed, and built.

use crate::Complaint;

/// Where the program that a text shows differs from the one that can be run. What is shown is the
/// first block of Rust; what is run is shown without its header.
pub(crate) fn untrue_program(path: &str, text: &str, program: &str) -> Vec<Complaint> {
    let shown = text.split_once("```rust\n").and_then(|(_, rest)| rest.split_once("```"));
    let shown = shown.map_or("", |(block, _)| block).trim();
    let header =
        |line: &&str| line.starts_with("//!") || line.starts_with("#![") || line.is_empty();
    let run: Vec<&str> = program.lines().skip_while(header).collect();
    if shown == run.join("\n").trim() {
        return Vec::new();
    }
    vec![Complaint::new(path, 0, "the program that is shown is not the one that can be run")]
}

/// Programs that a text does not list, and those that it lists and nobody can run. A program is
/// listed as `` `name` `` in the second column of a table.
pub(crate) fn unlisted_programs(path: &str, text: &str, programs: &[&str]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let listed: Vec<(usize, &str)> = text
        .lines()
        .enumerate()
        .filter_map(|(index, line)| {
            let cell = line.split('|').nth(2)?.trim();
            Some((index + 1, cell.strip_prefix('`')?.strip_suffix('`')?))
        })
        .collect();
    for program in programs {
        if !listed.iter().any(|(_, name)| name == program) {
            complaints.push(Complaint::new(path, 0, format!("`{program}` is not listed")));
        }
    }
    for (number, name) in listed.into_iter().filter(|(_, name)| !programs.contains(name)) {
        complaints.push(Complaint::new(path, number, format!("there is no program `{name}`")));
    }
    complaints
}

/// Programs that a manifest does not build: those that lie beside it are not found by themselves.
pub(crate) fn unbuilt_programs(
    path: &str,
    manifest: &toml::Table,
    programs: &[&str],
) -> Vec<Complaint> {
    let targets = manifest.get("example").and_then(toml::Value::as_array);
    let built: Vec<&str> =
        targets.into_iter().flatten().filter_map(|target| target.get("name")?.as_str()).collect();
    let unbuilt = programs.iter().filter(|program| !built.contains(program));
    unbuilt.map(|program| Complaint::new(path, 0, format!("`{program}` is not built"))).collect()
}

#[test]
fn a_program_that_is_not_the_one_shown_is_found() {
    let text = "Look:\n\n```rust\nfn main() {}\n```\n";
    let found = |program| untrue_program("README.md", text, program).len();
    assert_eq!(found("//! Says hello.\n\nfn main() {}\n"), 0);
    assert_eq!(found("//! Says hello.\n\nfn main() { hello(); }\n"), 1);
    assert_eq!(untrue_program("README.md", "", "fn main() {}").len(), 1);
}

#[test]
fn a_program_that_is_not_listed_is_found() {
    let text = "| Notes | Program | |\n|---|---|---|\n| A queue | `queue` | `bounded` |\n";
    let found = |programs: &[&str]| unlisted_programs("README.md", text, programs).len();
    assert_eq!(found(&["queue"]), 0);
    assert_eq!(found(&["queue", "pipe"]), 1);
    assert_eq!(found(&[]), 1);
}

#[test]
fn a_program_that_is_not_built_is_found() {
    let manifest = "[[example]]\nname = \"queue\"\npath = \"queue.rs\"".parse().unwrap();
    let found = |programs: &[&str]| unbuilt_programs("Cargo.toml", &manifest, programs).len();
    assert_eq!(found(&["queue"]), 0);
    assert_eq!(found(&["queue", "pipe"]), 1);
}
