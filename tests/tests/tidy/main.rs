//! The rules of the house, read from the manifests and the sources.
//!
//! Every rule is a pure function from the text of a file to complaints. Each has a test that runs
//! it over the repository, and a test that shows a small sample it complains about: a check that
//! cannot fail would be worth nothing.
#![allow(clippy::unwrap_used, reason = "a test that cannot read the repository has failed")]

mod floors;
mod programs;
mod prose;
mod repository;
mod shape;
mod source;
mod unsafety;

use repository::Repository;
use std::fmt;

/// A broken rule: where, and what is wrong.
#[derive(Debug, PartialEq, Eq)]
struct Complaint {
    path: String,
    /// Counted from one; zero when the whole file is meant.
    line: usize,
    text: String,
}

impl Complaint {
    fn new(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, text: text.into() }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.text),
            line => write!(f, "{}:{line}: {}", self.path, self.text),
        }
    }
}

/// Fails with one line for each complaint.
fn accept(complaints: &[Complaint]) {
    let lines: Vec<_> = complaints.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} complaints:\n{}", lines.len(), lines.join("\n"));
}

/// Applies a rule to every Rust file of the repository.
fn each_source(rule: impl Fn(&source::Source) -> Vec<Complaint>) {
    let complaints: Vec<_> = Repository::open().sources().iter().flat_map(rule).collect();
    accept(&complaints);
}

#[test]
fn imports_keep_to_the_floors() {
    accept(&floors::complaints(&Repository::open().manifests()));
}

#[test]
fn files_are_short() {
    each_source(shape::long_file);
}

#[test]
fn functions_fit_a_screen() {
    each_source(shape::long_functions);
}

#[test]
fn modules_are_nouns() {
    each_source(shape::nameless_module);
}

#[test]
fn unsafe_code_is_where_it_belongs() {
    each_source(unsafety::outside_its_places);
}

#[test]
fn unsafe_code_is_announced_by_its_file() {
    each_source(unsafety::unannounced);
}

#[test]
fn unsafe_code_is_answered() {
    each_source(unsafety::unanswered);
}

#[test]
fn other_crates_forbid_unsafe_code() {
    each_source(unsafety::not_forbidden);
}

#[test]
fn orderings_name_their_partner() {
    each_source(prose::lonely_pairs);
}

#[test]
fn no_test_is_ignored() {
    each_source(shape::ignored_tests);
}

#[test]
fn no_test_sleeps() {
    each_source(shape::sleeping_tests);
}

#[test]
fn links_lead_somewhere() {
    let repository = Repository::open();
    let complaints: Vec<_> = repository
        .texts()
        .iter()
        .flat_map(|(path, text)| prose::dead_links(path, text, |target| repository.has(target)))
        .collect();
    accept(&complaints);
}

#[test]
fn examples_are_listed() {
    let (repository, list) = (Repository::open(), "examples/README.md");
    let programs = repository.examples();
    accept(&programs::unlisted_programs(list, &repository.text(list), &programs));
}

#[test]
fn examples_are_built() {
    let (repository, manifest) = (Repository::open(), "examples/Cargo.toml");
    let table = repository.text(manifest).parse().unwrap();
    accept(&programs::unbuilt_programs(manifest, &table, &repository.examples()));
}

#[test]
fn the_program_that_is_shown_can_be_run() {
    let repository = Repository::open();
    let (text, program) = (repository.text("README.md"), repository.text("examples/tour.rs"));
    accept(&programs::untrue_program("README.md", &text, &program));
}
